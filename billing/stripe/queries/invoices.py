"""Reads of invoices as Stripe has them."""

from billing.models import Invoice

_RECENT_INVOICES = 24


def list_invoices(organization_id: int) -> list[Invoice]:
    """The last two years or so, newest first."""
    rows = Invoice.objects.filter(organization_id=organization_id)
    newest = rows.select_related("period").order_by("-issued_at", "-id")
    return list(newest[:_RECENT_INVOICES])
