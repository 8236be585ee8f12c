"""Endpoints and deliveries that a person or program may see."""

from datetime import datetime

from django.db.models import QuerySet

from billing.models import WebhookDelivery, WebhookEndpoint
from orgs.access.permissions import row_id
from orgs.access.principals import Principal
from orgs.errors import NotFound


def visible_endpoints(principal: Principal) -> QuerySet[WebhookEndpoint]:
    """Return the endpoints that a principal may see, with their organizations.

    A key of one organization sees only those of the organization.
    """
    rows = WebhookEndpoint.objects.select_related("white_label", "organization")
    if principal.organization_id is not None:
        return rows.filter(
            organization=principal.organization_id,
            white_label=principal.white_label_id,
        )
    if principal.white_label_id is not None:
        return rows.filter(white_label=principal.white_label_id)
    return rows if principal.sees_all else rows.none()


def get_endpoint(principal: Principal, id_: int | str) -> WebhookEndpoint:
    """Return an endpoint that a principal may see; raise `NotFound`."""
    row = visible_endpoints(principal).filter(pk=row_id(id_)).first()
    if row is None:
        raise NotFound("Webhook endpoint not found.")
    return row


def visible_deliveries(
    principal: Principal,
    *,
    endpoint_id: int | None = None,
    organization_id: int | None = None,
    state: str = "",
    event_type: str = "",
    since: datetime | None = None,
) -> QuerySet[WebhookDelivery]:
    """Return deliveries that a principal may see, with their events and endpoints."""
    rows = WebhookDelivery.objects.select_related("event", "endpoint")
    rows = rows.filter(endpoint__in=visible_endpoints(principal).values("pk"))
    if endpoint_id is not None:
        rows = rows.filter(endpoint=endpoint_id)
    if organization_id is not None:
        rows = rows.filter(event__organization=organization_id)
    if state:
        rows = rows.filter(state=state)
    if event_type:
        rows = rows.filter(event__type=event_type)
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    return rows


def get_delivery(principal: Principal, id_: int | str) -> WebhookDelivery:
    """Return a delivery that a principal may see; raise `NotFound`."""
    row = visible_deliveries(principal).filter(pk=row_id(id_)).first()
    if row is None:
        raise NotFound("Delivery not found.")
    return row
