"""Bodies of the API of endpoints, deliveries, and event types."""

from typing import Annotated, Any, Literal

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing.models.webhooks import MAX_URL
from billing.webhooks.event_types import EVENT_TYPES
from billing.webhooks.schemas.event_data import sample_of, schema_of
from orgs.schemas.numbers import PlainInt
from orgs.schemas.organizations import Instant, StrictSchema

_URL = (
    "Where events are sent to: an `https` URL whose host is public. Of Slack and Teams"
    " it is a secret and only its host is returned."
)
_TYPES = "The event types to send, or `*` for all, future ones included."
_DESCRIPTION = "What the endpoint is for."
_KIND = "The format: signed events, or messages for people."
_SECRET = "The routing key, for PagerDuty only; never returned."  # noqa: S105  a text
_ID = 12
_EVENT = "limit.hard_reached"
_EVENT_KEY = "evt_5257b8fd5f8a4c7fb2a0d1b7d3a0f4a1"
Kind = Literal["webhook", "slack", "teams", "pagerduty"]
Types = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)]


class WebhookEndpointIn(StrictSchema):
    """A new webhook endpoint."""

    url: str = Field(
        "",
        max_length=MAX_URL,
        description=f"{_URL} Empty for PagerDuty: its own for the US.",
        examples=["https://hooks.example.com/orgdesk"],
    )
    event_types: Types = Field(description=_TYPES, examples=[[_EVENT]])
    kind: Kind = Field("webhook", description=_KIND)
    description: str = Field(
        "", max_length=200, description=_DESCRIPTION, examples=["Billing events"]
    )
    secret: str = Field("", max_length=200, description=_SECRET, examples=[""])
    organization_id: int | None = Field(
        None,
        ge=1,
        description="Only events of this organization; null for all of the white label,"
        " or for the organization of the key.",
        examples=[71],
    )


class WebhookEndpointChangeIn(StrictSchema):
    """Changes to a webhook endpoint. Only the fields that are sent change."""

    url: str = Field(
        "",
        max_length=MAX_URL,
        description=f"{_URL} A masked URL stays as it is.",
        examples=["https://hooks.example.com/orgdesk"],
    )
    event_types: Types = Field([], description=_TYPES, examples=[[_EVENT]])
    description: str = Field(
        "", max_length=200, description=_DESCRIPTION, examples=["Billing events"]
    )
    secret: str = Field("", max_length=200, description=_SECRET, examples=["********"])
    is_enabled: bool = Field(
        True,
        description="Whether events are sent. Disabling cancels what waits; enabling"
        " sends new events, and `replay` those that were missed.",
    )


class WebhookEndpointOut(Schema):
    """A webhook endpoint, without its secrets."""

    id: int = Field(description="The ID of the endpoint.", examples=[_ID])
    kind: Kind = Field(description=_KIND)
    url: str = Field(description=_URL, examples=["https://hooks.example.com/orgdesk"])
    description: str = Field(description=_DESCRIPTION, examples=["Billing events"])
    event_types: list[str] = Field(description=_TYPES, examples=[[_EVENT]])
    white_label: str = Field(
        description="The slug of the white label.", examples=["acme"]
    )
    organization_id: int | None = Field(
        description="The organization whose events it gets; null for all.",
        examples=[71],
    )
    is_enabled: bool = Field(description="Whether events are sent.")
    disabled_because: Literal["", "person", "gone", "failing"] = Field(
        description="Why it is disabled: by a `person`, because it answered 410"
        " (`gone`), or because all deliveries failed for three days (`failing`).",
    )
    failing_since: AwareDatetime | None = Field(
        description="Since when deliveries fail; null if the last one succeeded.",
        examples=[None],
    )
    last_success_at: AwareDatetime | None = Field(
        description="When a delivery last succeeded, to ten seconds."
    )
    secret_set_at: AwareDatetime = Field(description="When the secret was set.")
    created_at: AwareDatetime = Field(description="When it was created.")
    updated_at: AwareDatetime = Field(description="When it was last changed.")


class WebhookEndpointSecretOut(WebhookEndpointOut):
    """A webhook endpoint with its new signing secret, which is returned only once."""

    signing_secret: str = Field(
        description="The secret that verifies signatures; empty for other kinds than"
        " `webhook`.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )


class WebhookEndpointsOut(Schema):
    """A page of webhook endpoints."""

    webhook_endpoints: list[WebhookEndpointOut] = Field(description="Newest first.")
    next_cursor: str | None = Field(
        description="The cursor of the next page; null on the last page."
    )


class WebhookTestIn(StrictSchema):
    """The test event to send."""

    event_type: str = Field(
        "",
        max_length=64,
        description="The type whose sample is sent; empty for the first that the"
        " endpoint gets.",
        examples=[_EVENT],
    )


class WebhookReplayIn(StrictSchema):
    """The events to deliver again."""

    from_: Instant = Field(alias="from", description="The beginning, included.")
    to: Instant = Field(description="The end, not included.")
    event_types: Types = Field(
        [], description="Only these types; empty for all.", examples=[[_EVENT]]
    )
    includes_delivered: bool = Field(
        False, description="Whether events are sent that the endpoint has accepted."
    )


class WebhookReplayOut(Schema):
    """What a replay delivers."""

    deliveries: int = Field(description="The number of new deliveries.", examples=[31])


class WebhookDeliveryOut(Schema):
    """The delivery of an event to an endpoint."""

    id: int = Field(description="The ID of the delivery.", examples=[9_031])
    webhook_endpoint_id: int = Field(
        description="The ID of the endpoint.", examples=[_ID]
    )
    event_id: str = Field(
        description="The ID of the event, as in the header `webhook-id`.",
        examples=[_EVENT_KEY],
    )
    event_type: str = Field(description="The type of the event.", examples=[_EVENT])
    organization_id: int | None = Field(
        description="The organization that the event is about; null for some tests.",
        examples=[71],
    )
    state: Literal["pending", "running", "done", "failed", "canceled"] = Field(
        description="Its state; `failed` is not tried again."
    )
    reason: Literal["event", "replay", "resend", "test"] = Field(
        description="Why it is sent."
    )
    requested_by: str = Field(
        description="Who asked for it; empty for an event.", examples=[""]
    )
    attempts: int = Field(description="The number of attempts so far.", examples=[1])
    status_code: int | None = Field(
        description="The status of the last answer; null without one.", examples=[200]
    )
    latency_ms: int | None = Field(
        description="The milliseconds of the last attempt.", examples=[84]
    )
    error_code: str = Field(
        description="Why the last attempt failed, such as `timeout` or `http`; empty if"
        " it did not.",
        examples=[""],
    )
    error: str = Field(description="The same in words.", examples=[""])
    created_at: AwareDatetime = Field(description="When it was written.")
    next_attempt_at: AwareDatetime | None = Field(
        description="When it is tried next; null once it has ended."
    )
    finished_at: AwareDatetime | None = Field(
        description="When it ended; null before that."
    )


class WebhookDeliveriesOut(Schema):
    """A page of deliveries."""

    deliveries: list[WebhookDeliveryOut] = Field(description="Newest first.")
    next_cursor: str | None = Field(
        description="The cursor of the next page; null on the last page."
    )


class WebhookAttemptOut(Schema):
    """A request to an endpoint, and its answer."""

    number: int = Field(description="Counts from 1.", examples=[1])
    at: AwareDatetime = Field(description="When it ended.")
    url: str = Field(
        description="The URL, masked if it is a secret.",
        examples=["https://hooks.example.com/orgdesk"],
    )
    request_headers: dict[str, str] = Field(
        description="The headers that were sent.",
        examples=[{"webhook-id": _EVENT_KEY}],
    )
    request_body: str = Field(
        description="The body that was sent, without secrets.", examples=["{}"]
    )
    status_code: int | None = Field(
        description="The status of the answer; null without one.", examples=[200]
    )
    answer: str = Field(
        description="The first 8,192 characters of the answer.", examples=["ok"]
    )
    latency_ms: int = Field(description="The milliseconds that it took.", examples=[84])
    error_code: str = Field(
        description="Why it failed; empty if it did not.", examples=[""]
    )
    error: str = Field(description="The same in words.", examples=[""])


class WebhookDeliveryDetailOut(WebhookDeliveryOut):
    """A delivery with its payload and all attempts."""

    payload: dict[str, Any] = Field(
        description="The event: `id`, `type`, `timestamp`, and `data`.",
        examples=[{"id": _EVENT_KEY, "type": _EVENT, "data": {}}],
    )
    log: list[WebhookAttemptOut] = Field(description="The attempts, oldest first.")


class EventTypeOut(Schema):
    """A type of event."""

    key: str = Field(description="The type, as in a payload.", examples=[_EVENT])
    description: str = Field(
        description="What it reports.", examples=["An organization was created."]
    )
    resolved_by: str | None = Field(
        description="The type of the event that reports its end; null without one.",
        examples=[f"{_EVENT}.resolved"],
    )
    alert_kinds: list[str] = Field(
        description="The kinds of alerts that it reports.", examples=[["hard_limit"]]
    )
    data_schema: dict[str, Any] = Field(
        description="The JSON Schema of `data`.", examples=[{"type": "object"}]
    )
    sample: dict[str, Any] = Field(
        description="A sample of a whole event.",
        examples=[{"id": _EVENT_KEY, "type": _EVENT, "data": {}}],
    )


class EventTypesOut(Schema):
    """All types of events."""

    event_types: list[EventTypeOut] = Field(description="Ordered by key.")


class WebhookPageIn(Schema):
    """The page of a list."""

    limit: PlainInt = Field(
        100, ge=1, le=1_000, description="The number of rows per page, from 1 to 1,000."
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )


class WebhookDeliveriesIn(WebhookPageIn):
    """Filters of the list of deliveries; all of them must match."""

    webhook_endpoint_id: PlainInt | None = Field(
        None, ge=1, description="Only deliveries to this endpoint.", examples=[_ID]
    )
    organization_id: PlainInt | None = Field(
        None, ge=1, description="Only events of this organization.", examples=[71]
    )
    state: Literal["pending", "running", "done", "failed", "canceled"] | None = Field(
        None, description="Only deliveries in this state."
    )
    event_type: str | None = Field(
        None, max_length=64, description="Only events of this type.", examples=[_EVENT]
    )


def endpoint_out(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return `WebhookEndpointOut`; the endpoint needs its white label."""
    return {
        "id": endpoint.pk,
        "kind": endpoint.kind,
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "white_label": endpoint.white_label.slug,
        "organization_id": endpoint.organization_id,
        "is_enabled": endpoint.is_enabled,
        "disabled_because": endpoint.disabled_because,
        "failing_since": endpoint.failing_since,
        "last_success_at": endpoint.last_success_at,
        "secret_set_at": endpoint.set_at,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def delivery_out(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return `WebhookDeliveryOut`; the delivery needs its event and endpoint."""
    return {
        "id": delivery.pk,
        "webhook_endpoint_id": delivery.endpoint_id,
        "event_id": delivery.event.key,
        "event_type": delivery.event.type,
        "organization_id": delivery.event.organization_id,
        "state": delivery.state,
        "reason": delivery.reason,
        "requested_by": delivery.requested_by,
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "latency_ms": delivery.latency_ms,
        "error_code": delivery.error_code,
        "error": delivery.error,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.tried_next_at,
        "finished_at": delivery.finished_at,
    }


def delivery_detail_out(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return `WebhookDeliveryDetailOut`; one statement for its log."""
    return {
        **delivery_out(delivery),
        "payload": orjson.loads(delivery.event.payload),
        "log": [_attempt_out(row) for row in delivery.log.order_by("id")],
    }


def _attempt_out(attempt: WebhookAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "at": attempt.at,
        "url": attempt.url,
        "request_headers": attempt.request_headers,
        "request_body": attempt.request_body,
        "status_code": attempt.status_code,
        "answer": attempt.answer,
        "latency_ms": attempt.latency_ms,
        "error_code": attempt.error_kind,
        "error": attempt.error,
    }


def event_types_out() -> dict[str, Any]:
    """Return `EventTypesOut`: the catalog."""
    return {"event_types": [_event_type_out(key) for key in EVENT_TYPES]}


def _event_type_out(key: str) -> dict[str, Any]:
    type_ = EVENT_TYPES[key]
    sample = {"id": _EVENT_KEY, "type": key, "timestamp": "2026-11-20T14:05:00Z"}
    return {
        "key": key,
        "description": type_.description,
        "resolved_by": type_.resolved_key or None,
        "alert_kinds": list(type_.alert_kinds),
        "data_schema": schema_of(key).model_json_schema(),
        "sample": {**sample, "data": sample_of(key)},
    }
