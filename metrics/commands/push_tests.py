"""Trying an integration: one sample or line, sent at once, with the target's answer."""

from django.utils import timezone

from metrics.commands.integrations import (
    IncomingTarget,
    check_endpoint,
    check_token_may_move,
)
from metrics.commands.pushes import (
    address_of,
    common_labels,
    headers_of,
    mask_secrets,
)
from metrics.errors import IntegrationNotFound, TokenMissing
from metrics.models.integrations import IntegrationKind
from metrics.push import loki, remote_write
from metrics.push.remote_write import Series, milliseconds, name_series
from metrics.push.sources import Figure, Line
from metrics.queries.integrations import Target, find_target
from orgs.models import Organization
from orgs.outbound import Answer, send
from orgs.outbound.slots import outbound_slot


def try_integration(organization: Organization, kind: str) -> Answer:
    """Send a test to an integration, also while it is paused, and return the answer.

    Takes up to five seconds; call it outside transactions. Changes nothing here.
    Raises `IntegrationNotFound`, `SecretUnreadable`, or `OutboundBusy`.
    """
    target = find_target(organization.pk, kind=kind)
    if target is None:
        raise IntegrationNotFound("This organization has no such integration.")
    return _send(organization, kind, target)


def try_target(
    organization: Organization, kind: str, incoming: IncomingTarget
) -> Answer:
    """Send a test to a target that is not saved, and return the answer.

    As `try_integration`; without a token, the stored one is sent, to its host only.
    Raises `EndpointNotAllowed` or `TokenMissing`, naming the field, or `OutboundBusy`.
    """
    check_endpoint(kind, incoming.endpoint)
    token = incoming.token
    if token is None:
        stored = find_target(organization.pk, kind=kind)
        if stored is None:
            raise TokenMissing("No token is stored.", fields=(kind, "token"))
        check_token_may_move(kind, stored.endpoint, target_endpoint=incoming.endpoint)
        token = stored.token
    target = Target(incoming.instance_id, incoming.endpoint, token)
    return _send(organization, kind, target)


def _send(organization: Organization, kind: str, target: Target) -> Answer:
    is_prom = kind == IntegrationKind.PROM
    body = _sample(organization) if is_prom else _line(organization)
    headers = remote_write.HEADERS if is_prom else loki.HEADERS
    with outbound_slot():
        answer = send(address_of(target), body, headers_of(target, headers))
    return mask_secrets(answer, target)


def _sample(organization: Organization) -> bytes:
    values, _ = name_series([Figure("orgdesk_test", 1)], common_labels(organization))
    at = milliseconds(timezone.now())
    return remote_write.encode(
        Series(labels, [(at, value)]) for labels, value in values.items()
    )


def _line(organization: Organization) -> bytes:
    line = Line(timezone.now(), "test", {"text": "Test of the integration."})
    labels = (("job", "orgdesk"), *common_labels(organization))
    return loki.encode([line], labels, {})[0]
