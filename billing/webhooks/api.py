"""API endpoints of webhooks: endpoints, their deliveries, and the event types."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from billing.errors import EndpointInvalid
from billing.models import WebhookEndpoint
from billing.webhooks.commands import endpoints as commands
from billing.webhooks.commands.endpoints import PAGERDUTY_URL, IncomingEndpoint
from billing.webhooks.commands.replays import replay, resend
from billing.webhooks.commands.sending.samples import send_sample
from billing.webhooks.event_types import EVENT_TYPES, selects
from billing.webhooks.forms import checked_url, first_type
from billing.webhooks.queries.endpoints import (
    get_delivery,
    get_endpoint,
    visible_deliveries,
    visible_endpoints,
)
from billing.webhooks.schemas.endpoints import (
    EventTypesOut,
    WebhookDeliveriesIn,
    WebhookDeliveriesOut,
    WebhookDeliveryDetailOut,
    WebhookDeliveryOut,
    WebhookEndpointChangeIn,
    WebhookEndpointIn,
    WebhookEndpointOut,
    WebhookEndpointSecretOut,
    WebhookEndpointsOut,
    WebhookPageIn,
    WebhookReplayIn,
    WebhookReplayOut,
    WebhookTestIn,
    delivery_detail_out,
    delivery_out,
    endpoint_out,
    event_types_out,
)
from billing.webhooks.schemas.event_data import sample_of
from billing.webhooks.tasks import deliver_webhooks
from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.errors import Forbidden, InvalidDateRange
from orgs.models import Organization, WhiteLabel
from orgs.queries.paging import Order, fetch_page
from orgs.queue.enqueue import enqueue
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["webhooks"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_WRITES = _READS | dict.fromkeys((409, 413, 415), ErrorsOut)
_KEYED = _WRITES | {422: ErrorsOut}  # operations that take an idempotency key
_READ, _WRITE = Scope.BILLING_READ, Scope.INTEGRATIONS_WRITE
_ENDPOINT = "/webhook-endpoints/{webhook_endpoint_id}"


@router.get(
    "/event-types",
    response={200: EventTypesOut, **_READS},
    summary="List event types",
    auth=access.needs(_READ),
    operation_id="list_event_types",
)
def list_event_types(request: HttpRequest) -> Any:
    """Return the types of events with the JSON Schema and a sample of each."""
    access.caller(request, _READ)
    return event_types_out()


@router.get(
    "/webhook-endpoints",
    response={200: WebhookEndpointsOut, **_READS},
    summary="List webhook endpoints",
    auth=access.needs(_READ),
    operation_id="list_webhook_endpoints",
)
def list_webhook_endpoints(request: HttpRequest, filters: Query[WebhookPageIn]) -> Any:
    """Return the webhook endpoints that the credential can access, newest first."""
    caller = access.caller(request, _READ)
    page = fetch_page(
        visible_endpoints(caller),
        Order("id", descending=True),
        size=filters.limit,
        cursor=filters.cursor,
        scope=f"webhook-endpoints:{caller.name}",
    )
    rows = [endpoint_out(row) for row in page.rows]
    return {"webhook_endpoints": rows, "next_cursor": page.next_cursor}


@router.post(
    "/webhook-endpoints",
    response={201: WebhookEndpointSecretOut, **_WRITES},
    summary="Create a webhook endpoint",
    auth=access.needs(_WRITE),
    operation_id="create_webhook_endpoint",
)
def create_webhook_endpoint(request: HttpRequest, data: WebhookEndpointIn) -> Any:
    """Create an endpoint that gets events from now on.

    The signing secret is returned only here. An endpoint of a white label requires a
    key of the white label.
    """
    caller = access.caller(request, _WRITE)
    white_label, organization = _owner(caller, data.organization_id)
    incoming = IncomingEndpoint(
        kind=data.kind,
        url=checked_url(data.url or _default_url(data.kind)),
        event_types=data.event_types,
        description=data.description,
        secret=data.secret,
    )
    endpoint, secret = commands.create_endpoint(
        white_label, organization, incoming, by=caller.name
    )
    body = {**endpoint_out(endpoint), "signing_secret": secret}
    return Status(HTTPStatus.CREATED, body)


def _default_url(kind: str) -> str:
    return PAGERDUTY_URL if kind == WebhookEndpoint.Kind.PAGERDUTY else ""


def _owner(
    caller: Principal, organization_id: int | None
) -> tuple[WhiteLabel, Organization | None]:
    """Return the white label and organization of a new endpoint."""
    id_ = organization_id or caller.organization_id
    if id_ is not None:
        organization = access.get_organization(caller, id_)
        return organization.white_label, organization
    if caller.white_label_id is None:
        raise Forbidden("Use an API key of a single white label.")
    return WhiteLabel.objects.get(pk=caller.white_label_id), None


@router.get(
    _ENDPOINT,
    response={200: WebhookEndpointOut, **_READS},
    summary="Retrieve a webhook endpoint",
    auth=access.needs(_READ),
    operation_id="get_webhook_endpoint",
)
def read_webhook_endpoint(request: HttpRequest, webhook_endpoint_id: str) -> Any:
    """Return a webhook endpoint and whether its deliveries fail."""
    return endpoint_out(get_endpoint(_caller(request, _READ), webhook_endpoint_id))


@router.patch(
    _ENDPOINT,
    response={200: WebhookEndpointOut, **_WRITES},
    summary="Update a webhook endpoint",
    auth=access.needs(_WRITE),
    operation_id="update_webhook_endpoint",
)
def update_webhook_endpoint(
    request: HttpRequest, webhook_endpoint_id: str, data: WebhookEndpointChangeIn
) -> Any:
    """Change the fields that are sent; the others keep their values.

    What waits for the endpoint is sent to its new URL.
    """
    endpoint = get_endpoint(_caller(request, _WRITE), webhook_endpoint_id)
    values = data.given()
    is_enabled = values.pop("is_enabled", None)
    if "url" in values and values["url"] != endpoint.url:
        values["url"] = checked_url(values["url"])
    if values:
        endpoint = commands.change_endpoint(endpoint, values)
    if is_enabled is not None and is_enabled is not endpoint.is_enabled:
        switch = commands.enable_endpoint if is_enabled else commands.disable_endpoint
        endpoint = switch(endpoint)
    return endpoint_out(endpoint)


@router.delete(
    _ENDPOINT,
    response={204: None, **_KEYED},
    summary="Delete a webhook endpoint",
    auth=access.needs(_WRITE),
    operation_id="delete_webhook_endpoint",
)
@access.idempotent
def delete_webhook_endpoint(request: HttpRequest, webhook_endpoint_id: str) -> Any:
    """Delete an endpoint with its deliveries and their log."""
    endpoint = get_endpoint(_caller(request, _WRITE), webhook_endpoint_id)
    commands.delete_endpoint(endpoint)
    return Status(HTTPStatus.NO_CONTENT, None)


@router.post(
    f"{_ENDPOINT}/rotate-secret",
    response={200: WebhookEndpointSecretOut, **_WRITES},
    summary="Rotate the signing secret of a webhook endpoint",
    auth=access.needs(_WRITE),
    operation_id="rotate_webhook_secret",
)
def rotate_webhook_secret(request: HttpRequest, webhook_endpoint_id: str) -> Any:
    """Replace the signing secret, and return the new one, once.

    For 24 hours each delivery is signed with both, so that receivers can change theirs
    at any time.
    """
    endpoint = get_endpoint(_caller(request, _WRITE), webhook_endpoint_id)
    rotated, secret = commands.rotate_secret(endpoint)
    rotated.white_label = endpoint.white_label
    return {**endpoint_out(rotated), "signing_secret": secret}


@router.post(
    f"{_ENDPOINT}/test",
    response={200: WebhookDeliveryDetailOut, **_WRITES},
    summary="Send a test event to a webhook endpoint",
    auth=access.needs(_WRITE),
    operation_id="test_webhook_endpoint",
)
def test_webhook_endpoint(
    request: HttpRequest, webhook_endpoint_id: str, data: WebhookTestIn
) -> Any:
    """Send a sample event now, and return what the endpoint answered.

    It is tried once, also if the endpoint is disabled. Takes up to ten seconds; while
    another test waits for its answer, it may be refused with 503 and `outbound_busy`.
    """
    caller = _caller(request, _WRITE)
    endpoint = get_endpoint(caller, webhook_endpoint_id)
    key = data.event_type or first_type(endpoint)
    if key not in EVENT_TYPES or not selects(["*"], key, endpoint.kind):
        message = f"“{key}” is not an event type for this kind of endpoint."
        raise EndpointInvalid(message, "event_type")
    delivery = send_sample(endpoint, key, sample_of(key), by=caller.name)
    return delivery_detail_out(get_delivery(caller, delivery.pk))


@router.post(
    f"{_ENDPOINT}/replay",
    response={202: WebhookReplayOut, **_KEYED},
    summary="Deliver events of a range of time again",
    auth=access.needs(_WRITE),
    operation_id="replay_webhook_events",
)
@access.idempotent
def replay_webhook_events(
    request: HttpRequest, webhook_endpoint_id: str, data: WebhookReplayIn
) -> Any:
    """Deliver the events of a range that the endpoint has not accepted.

    They have the IDs of the first delivery and keep their order. Events are stored
    while an endpoint that wants them exists, also a disabled one.
    """
    caller = _caller(request, _WRITE)
    endpoint = get_endpoint(caller, webhook_endpoint_id)
    if data.to <= data.from_:
        raise InvalidDateRange("`to` must be after `from`.", fields=("from", "to"))
    commands.check_event_types(data.event_types or ["*"], endpoint.kind)
    count = replay(
        endpoint,
        start=data.from_,
        end=data.to,
        types=data.event_types,
        includes_delivered=data.includes_delivered,
        by=caller.name,
    )
    enqueue(deliver_webhooks)
    return Status(HTTPStatus.ACCEPTED, {"deliveries": count})


@router.get(
    "/deliveries",
    response={200: WebhookDeliveriesOut, **_READS},
    summary="List webhook deliveries",
    auth=access.needs(_READ),
    operation_id="list_webhook_deliveries",
)
def list_deliveries(request: HttpRequest, filters: Query[WebhookDeliveriesIn]) -> Any:
    """Return the deliveries to endpoints that the credential can access, newest first.

    They are kept for 30 days, unless the administrator has set another time.
    """
    caller = access.caller(request, _READ)
    rows = visible_deliveries(
        caller,
        endpoint_id=filters.webhook_endpoint_id,
        organization_id=filters.organization_id,
        state=filters.state or "",
        event_type=filters.event_type or "",
    )
    page = fetch_page(
        rows,
        Order("id", descending=True),
        size=filters.limit,
        cursor=filters.cursor,
        scope=f"deliveries:{caller.name}",
    )
    deliveries = [delivery_out(row) for row in page.rows]
    return {"deliveries": deliveries, "next_cursor": page.next_cursor}


@router.get(
    "/deliveries/{delivery_id}",
    response={200: WebhookDeliveryDetailOut, **_READS},
    summary="Retrieve a webhook delivery with its log",
    auth=access.needs(_READ),
    operation_id="get_webhook_delivery",
)
def read_delivery(request: HttpRequest, delivery_id: str) -> Any:
    """Return a delivery with its payload, and each request with its answer."""
    return delivery_detail_out(get_delivery(_caller(request, _READ), delivery_id))


@router.post(
    "/deliveries/{delivery_id}/resend",
    response={202: WebhookDeliveryOut, **_KEYED},
    summary="Resend a webhook delivery",
    auth=access.needs(_WRITE),
    operation_id="resend_webhook_delivery",
)
@access.idempotent
def resend_delivery(request: HttpRequest, delivery_id: str) -> Any:
    """Deliver the event again, with the same ID and payload."""
    caller = _caller(request, _WRITE)
    resent = resend(get_delivery(caller, delivery_id), by=caller.name)
    enqueue(deliver_webhooks)
    return Status(HTTPStatus.ACCEPTED, delivery_out(resent))


def _caller(request: HttpRequest, scope: Scope) -> Principal:
    return access.caller(request, scope)
