"""Reads of the invoices that were copied from Stripe."""

from billing.models import Invoice

_RECENT_INVOICES = 24  # two years of monthly invoices


def list_invoices(organization_id: int) -> list[Invoice]:
    """Return the most recent invoices of an organization, newest first."""
    rows = Invoice.objects.filter(organization_id=organization_id)
    newest = rows.select_related("period").order_by("-issued_at", "-id")
    return list(newest[:_RECENT_INVOICES])
