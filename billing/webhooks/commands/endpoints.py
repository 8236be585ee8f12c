"""Creating, changing, rotating, enabling and deleting endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from billing.errors import EndpointInvalid, TooManyEndpoints
from billing.models import WebhookDelivery, WebhookEndpoint
from billing.models.webhooks import DisabledBecause, EndpointKind, associated_data
from billing.webhooks.event_types import unknown_types
from billing.webhooks.formats.requests import MASK
from billing.webhooks.formats.signing import make_secret
from orgs.commands import work
from orgs.crypto import encrypt
from orgs.models import Organization, WhiteLabel
from orgs.outbound import is_same_origin

# After a rotation deliveries are signed with both secrets for this long.
ROTATION_OVERLAP = timedelta(hours=24)
MAX_ENDPOINTS = 100  # of a white label, those of its organizations included
PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
_Kind = EndpointKind


@dataclass(frozen=True, slots=True)
class IncomingEndpoint:
    """An endpoint to create; its representation does not contain secrets.

    `secret` is the routing key of PagerDuty; the URLs of Slack and Teams are secrets
    themselves. A webhook gets a new signing secret. The URL was checked by
    `orgs.outbound.check_url`, which must not be called in a transaction.
    """

    kind: str
    url: str = field(repr=False)
    event_types: Sequence[str]
    description: str = ""
    secret: str = field(default="", repr=False)


def create_endpoint(
    white_label: WhiteLabel,
    organization: Organization | None,
    incoming: IncomingEndpoint,
    *,
    by: str,
) -> tuple[WebhookEndpoint, str]:
    """Create an endpoint; return it with its signing secret, which is not shown again.

    The text is empty for other kinds than webhooks. Raises `EndpointInvalid` or
    `TooManyEndpoints`.
    """
    check_event_types(incoming.event_types, incoming.kind)
    signing_secret = make_secret() if incoming.kind == _Kind.WEBHOOK else ""
    endpoint = WebhookEndpoint(
        white_label=white_label,
        organization=organization,
        kind=incoming.kind,
        url=shown_url(incoming.kind, incoming.url),
        description=incoming.description,
        event_types=sorted({*incoming.event_types}),
        created_by=by[:200],
    )
    secret = signing_secret or _given_secret(incoming)
    endpoint.secret = _encrypt(endpoint, secret)
    with transaction.atomic():
        WhiteLabel.objects.select_for_update(no_key=True).get(pk=white_label.pk)
        count = WebhookEndpoint.objects.filter(white_label=white_label).count()
        if count >= MAX_ENDPOINTS:
            raise TooManyEndpoints(
                f"A white label can have {MAX_ENDPOINTS} endpoints. Delete one first."
            )
        endpoint.save()
    return endpoint, signing_secret


def check_event_types(event_types: Sequence[str], kind: str) -> None:
    """Raise `EndpointInvalid` without types, or for one that the kind cannot get."""
    if not event_types:
        raise EndpointInvalid("Choose at least one event type.", "event_types")
    if unknown := unknown_types(event_types, kind):
        raise EndpointInvalid(
            f"“{unknown[0][:64]}” is not an event type for this kind of endpoint.",
            "event_types",
        )


def _given_secret(incoming: IncomingEndpoint) -> str:
    if incoming.kind != _Kind.PAGERDUTY:
        return incoming.url
    if not incoming.secret or incoming.secret == MASK:
        raise EndpointInvalid("Enter the routing key of the integration.", "secret")
    return incoming.secret


def shown_url(kind: str, url: str) -> str:
    """Return the URL as it may be shown: of Slack and Teams only the host."""
    if kind not in (_Kind.SLACK, _Kind.TEAMS):
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{MASK}"


def _encrypt(endpoint: WebhookEndpoint, secret: str) -> bytes:
    return encrypt(secret, associated_data=associated_data(endpoint.uuid))


@transaction.atomic
def change_endpoint(
    endpoint: WebhookEndpoint, values: Mapping[str, Any]
) -> WebhookEndpoint:
    """Change only the given fields: url, secret, description or event_types.

    A masked URL or secret stays as it is stored. Raises `EndpointInvalid`.
    """
    current = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    for name in ("description", "event_types"):
        if name in values:
            setattr(current, name, values[name])
    if "event_types" in values:
        check_event_types(current.event_types, current.kind)
        current.event_types = sorted({*current.event_types})
    _change_target(current, values)
    current.updated_at = timezone.now()
    current.save()
    return current


def _change_target(current: WebhookEndpoint, values: Mapping[str, Any]) -> None:
    url, secret = values.get("url"), values.get("secret")
    if url is not None and url != current.url:
        if (
            current.kind == _Kind.PAGERDUTY
            and secret in (None, "", MASK)
            and not is_same_origin(current.url, url)
        ):
            # Otherwise a user who may change the URL could read the key at their host.
            raise EndpointInvalid(
                "Enter the routing key again: the URL is on another host.", "secret"
            )
        current.url = shown_url(current.kind, url)
        if current.kind in (_Kind.SLACK, _Kind.TEAMS):
            _set_secret(current, url)
        _forget_failures(current)
    if secret in (None, "", MASK):
        return
    if current.kind != _Kind.PAGERDUTY:
        raise EndpointInvalid("Only PagerDuty has a secret to enter.", "secret")
    _set_secret(current, str(secret))
    _forget_failures(current)


def _set_secret(current: WebhookEndpoint, secret: str) -> None:
    current.secret, current.set_at = _encrypt(current, secret), timezone.now()


def _forget_failures(current: WebhookEndpoint) -> None:
    current.failures, current.failing_since, current.held_until = 0, None, None


@transaction.atomic
def rotate_secret(endpoint: WebhookEndpoint) -> tuple[WebhookEndpoint, str]:
    """Give a webhook a new signing secret; return it, as it is not shown again.

    For 24 hours deliveries are signed with the old one, too. A second rotation in that
    time ends the first old secret at once. Raises `EndpointInvalid` for other kinds.
    """
    current = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if current.kind != _Kind.WEBHOOK:
        raise EndpointInvalid("Only webhooks have a signing secret.", "kind")
    secret, now = make_secret(), timezone.now()
    current.old_secret = bytes(current.secret)
    current.overlap_ends_at = now + ROTATION_OVERLAP
    _set_secret(current, secret)
    current.updated_at = now
    current.save()
    return current, secret


@transaction.atomic
def enable_endpoint(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Send to an endpoint again, from now on; what it missed can be replayed."""
    current = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    current.disabled_at, current.disabled_because = None, ""
    _forget_failures(current)
    current.updated_at = timezone.now()
    current.save()
    return current


@transaction.atomic
def disable_endpoint(
    endpoint: WebhookEndpoint, because: str = DisabledBecause.PERSON
) -> WebhookEndpoint:
    """Send nothing to an endpoint any more, and cancel what waits for it.

    No effect on one that is disabled already.
    """
    current = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if current.disabled_at is not None:
        return current
    current.disabled_at = current.updated_at = timezone.now()
    current.disabled_because = because
    current.save()
    waiting = WebhookDelivery.objects.filter(endpoint=current)
    work.cancel(waiting, reason="The endpoint was disabled.")
    return current


def delete_endpoint(endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint with its deliveries; events stay until they expire."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).delete()
