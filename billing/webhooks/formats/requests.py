"""The request of a delivery, and what of it is logged."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from billing.models import OutgoingEvent, WebhookEndpoint
from billing.models.webhooks import EndpointKind
from billing.webhooks.formats.channels import pagerduty_body, slack_body, teams_body
from billing.webhooks.formats.messages import message_of
from billing.webhooks.formats.secrets import read_old_secret, read_secret
from billing.webhooks.formats.signing import signature_headers

MASK = "********"
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """A request, and the URL and body that the log shows: without secrets."""

    url: str = field(repr=False)
    headers: dict[str, str]
    body: bytes = field(repr=False)
    logged_url: str
    logged_body: str


def build_request(
    endpoint: WebhookEndpoint, event: OutgoingEvent, *, now: datetime
) -> DeliveryRequest:
    """Return the request that delivers an event; raise `SecretUnreadable`."""
    secret = read_secret(endpoint)
    if endpoint.kind == EndpointKind.WEBHOOK:
        return _signed_request(endpoint, event, secret, now)
    payload: dict[str, Any] = orjson.loads(event.payload)
    message = message_of(payload, is_test=event.is_test)
    if endpoint.kind == EndpointKind.PAGERDUTY:
        body = pagerduty_body(
            message, routing_key=secret, object_key=event.object_key, payload=payload
        )
        logged = {**body, "routing_key": MASK}
        return _request(endpoint.url, endpoint.url, body, logged)
    is_slack = endpoint.kind == EndpointKind.SLACK
    body = slack_body(message) if is_slack else teams_body(message)
    return _request(secret, endpoint.url, body, body)


def _signed_request(
    endpoint: WebhookEndpoint, event: OutgoingEvent, secret: str, now: datetime
) -> DeliveryRequest:
    body = event.payload.encode()
    secrets = [secret, *read_old_secret(endpoint, now=now)]
    headers = _JSON | signature_headers(
        secrets, message_id=event.key, timestamp=int(now.timestamp()), body=body
    )
    return DeliveryRequest(endpoint.url, headers, body, endpoint.url, event.payload)


def _request(
    url: str, logged_url: str, body: dict[str, Any], logged: dict[str, Any]
) -> DeliveryRequest:
    return DeliveryRequest(
        url, _JSON, orjson.dumps(body), logged_url, orjson.dumps(logged).decode()
    )
