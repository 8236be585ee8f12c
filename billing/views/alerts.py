"""Alerts of an organization and of the fleet: what fired, why, who was told."""

from django.http import HttpResponse

from billing.models import Alert
from billing.views.desk import enter
from orgs import access
from orgs.http import OrgRequest, page_or_fragment


def alerts(request: OrgRequest, organization_id: int) -> HttpResponse:
    """The timeline, and why what did not fire did not."""
    desk = enter(request)
    organization = access.get_organization(
        desk.principal, organization_id, include_deleted=True
    )
    rows = Alert.objects.filter(organization=organization).order_by("-id")[:50]
    context = {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "tab": "alerts",
        "nav_key": "organizations",
        "rows": rows,
    }
    page = "billing/alerts.html"
    return page_or_fragment(request, page, page, context)


def fleet_alerts(request: OrgRequest) -> HttpResponse:
    """What somebody may have to look at."""
    desk = enter(request)
    rows = Alert.objects.filter(white_label__in=desk.white_labels).order_by("-id")[:50]
    page = "billing/alerts_fleet.html"
    return page_or_fragment(request, page, page, {"nav_key": "alerts", "rows": rows})
