"""An organization's billing tab: what it subscribed to, what it owes and paid."""

from django.http import HttpResponse
from django.utils import timezone

from billing.models import Subscription
from billing.queries import list_invoices, outlook
from metrics.periods import day_of
from metrics.queries import current_period
from orgs import access
from orgs.catalog import Scope
from orgs.http import OrgRequest, page_or_fragment


def billing(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Subscription, invoices and periods, as they were last mirrored."""
    principal = access.principal_of(request.user)
    principal.require(Scope.BILLING_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    today = day_of(timezone.now(), organization.white_label.zone)
    period = current_period(organization.id)
    context = {
        "organization": organization,
        "tab": "billing",
        "nav_key": "organizations",
        "currency": organization.white_label.currency,
        "subscriptions": Subscription.objects.filter(
            organization=organization
        ).order_by("kind", "-synced_at"),
        "invoices": list_invoices(organization.id),
        "now": timezone.now(),
        "period": period,
        "outlook": outlook(organization, today=today, period=period),
    }
    return page_or_fragment(
        request, "billing/billing.html", "billing/billing.html", context
    )
