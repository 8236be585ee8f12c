"""Pushing to integrations: preparing a request, and recording its answer.

A push is claimed like all work, and made due again by its answer:

- accepted: when something changes, a minute later at the earliest, or after the
  heartbeat, before Prometheus regards its series as stale;
- refused (a status of 4xx but 408 and 429): the same items are never sent again, and
  the next ones wait longer and longer. Lines wait for a new token after 401 and 403;
- anything else: after a backoff, or after what the header Retry-After says.
"""

import base64
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from metrics.models import Integration, Push
from metrics.models.integrations import IntegrationKind
from metrics.push import loki, remote_write
from metrics.push.remote_write import Series, milliseconds
from metrics.push.sources import SOURCES, Labels, Line
from metrics.queries.integrations import Target, decrypt_target
from orgs.commands import work
from orgs.errors import SecretUnreadable
from orgs.models import Organization
from orgs.models.work import DatabaseClock
from orgs.outbound import Answer, ErrorKind, breaker
from orgs.outbound import Target as Address

logger = logging.getLogger(__name__)
PUSH_SECONDS = 5.0  # the deadline of a request
_SHORTEST_PAUSE = timedelta(minutes=1)  # between two pushes of figures
# Prometheus answers with samples of the last five minutes.
_HEARTBEAT = timedelta(minutes=4)
_LINES_PAUSE = timedelta(minutes=1)
_CIRCUIT_PAUSE = timedelta(seconds=30)
_RETRIED = frozenset((408, 429))
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_UNAUTHORIZED = frozenset((401, 403))


@dataclass(frozen=True, slots=True)
class Payload:
    """A request's content, and what is stored if the target takes it."""

    body: bytes
    headers: Mapping[str, str]
    items: int
    cursor: Mapping[str, Any]
    left_out: int = 0
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that is ready to be sent, and what records its answer."""

    address: Address
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    record: Callable[[Answer], None]


def common_labels(organization: Organization) -> Labels:
    """Return the labels of everything that is pushed of an organization."""
    return (
        ("organization", organization.external_id),
        ("organization_id", str(organization.pk)),
    )


def address_of(target: Target, *, breaker: str = "") -> Address:
    """Return where to send to; without a breaker it is contacted in any case."""
    return Address(target.endpoint, breaker=breaker, deadline=PUSH_SECONDS)


def headers_of(target: Target, headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with the credential of the target."""
    return {**headers, "authorization": f"Basic {_login(target)}"}


def _login(target: Target) -> str:
    return base64.b64encode(f"{target.instance_id}:{target.token}".encode()).decode()


def mask_secrets(answer: Answer, target: Target) -> Answer:
    """Return the answer without the credential, which a target may send back."""
    return answer.without(target.token, _login(target))


def mark_changed(organization_ids: Iterable[int]) -> None:
    """Have the figures of these organizations pushed, at most once a minute.

    A push that fails keeps its backoff.
    """
    rows = Push.objects.filter(
        organization_id__in=organization_ids,
        integration__kind=IntegrationKind.PROM,
        failures=0,
    )
    pks = list(rows.order_by("pk").values_list("pk", flat=True))
    for pk in pks:  # one by one: rows of many organizations are never locked together
        Push.objects.filter(pk=pk).update(
            changed_at=DatabaseClock(), next_attempt_at=_soon()
        )


def _soon() -> Any:
    earliest = Greatest(F("tried_at") + _SHORTEST_PAUSE, DatabaseClock())
    return Least("next_attempt_at", earliest)


def claim_push(pk: int) -> Delivery | None:
    """Claim a push that is due and return its request; None if nothing is to be sent.

    Then its outcome is recorded already. Not to be called in a transaction.
    """
    rows = Push.objects.select_related("integration", "organization__white_label")
    push = work.claim(rows, pk)
    if push is None:
        return None
    if push.is_exhausted:
        message = "The worker ended unexpectedly, several times."
        _fail(push, code="worker_died", message=message)
        return None
    try:
        return _prepare(push)
    except SecretUnreadable:
        _fail(push, code="secret_unreadable", message="The token can't be decrypted.")
    except Exception:  # figures are read by the queries of many tables
        logger.exception("push_failed id=%s", push.pk)
        _fail(push, code="unexpected", message="The data could not be read.")
    return None


def _prepare(push: Push) -> Delivery | None:
    target = decrypt_target(push.integration)
    now = timezone.now()
    payload = build_payload(push, now)
    if payload.items == 0:
        wait = timedelta() if payload.has_more else _LINES_PAUSE
        work.release(push, wait=wait, cursor=payload.cursor)
        return None

    def record(answer: Answer) -> None:
        _record(push, payload, mask_secrets(answer, target), now)

    address = address_of(target, breaker=breaker_name(push.integration_id))
    return Delivery(address, payload.body, headers_of(target, payload.headers), record)


def breaker_name(integration_id: int) -> str:
    """Return the name of the circuit breaker of an integration."""
    return f"integration:{integration_id}"


def build_payload(push: Push, now: datetime) -> Payload:
    """Return what is to be pushed now."""
    if push.integration.kind == IntegrationKind.PROM:
        return _figures(push, now)
    return _lines(push, now)


def _figures(push: Push, now: datetime) -> Payload:
    organization = push.organization
    at = max(milliseconds(now), push.cursor.get("at", 0) + 1)
    figures = [row for source in SOURCES.figures for row in source(organization, now)]
    values, left_out = remote_write.name_series(figures, common_labels(organization))
    series = [Series(labels, [(at, value)]) for labels, value in values.items()]
    return Payload(
        remote_write.encode(series),
        remote_write.HEADERS,
        items=len(series),
        cursor={"at": at},
        left_out=left_out,
    )


def _lines(push: Push, now: datetime) -> Payload:
    cursor = dict(push.cursor)
    lines: list[Line] = []
    has_more = False
    for source in SOURCES.lines:
        result = source(push.organization, cursor, now)
        lines += result.lines
        cursor |= result.cursor
        has_more |= result.has_more
    lines.sort(key=lambda line: line.at)
    labels = (("job", "orgdesk"), *common_labels(push.organization))
    body, times = loki.encode(lines, labels, cursor.get("last", {}))
    return Payload(
        body,
        loki.HEADERS,
        items=len(lines),
        cursor=cursor | {"last": times},
        has_more=has_more,
    )


def _record(push: Push, payload: Payload, answer: Answer, now: datetime) -> None:
    if answer.error is ErrorKind.CIRCUIT_OPEN:
        work.release(push, wait=_CIRCUIT_PAUSE)
    elif answer.is_success:
        _succeed(push, payload, answer, now)
    elif is_refused(answer):
        _refuse(push, payload, answer)
    else:
        _fail(
            push,
            code=str(answer.error),
            message=describe(answer),
            retry_after=answer.retry_after,
            **_answer_columns(answer),
        )


def is_refused(answer: Answer) -> bool:
    """Return whether the target will refuse the same request again."""
    status = answer.status or 0
    is_client_error = _CLIENT_ERROR <= status < _SERVER_ERROR
    return is_client_error and status not in _RETRIED


def describe(answer: Answer) -> str:
    """Return why a request had no success, with the words of the target."""
    return f"{answer.message} {answer.text}".strip()


def _answer_columns(answer: Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "answer": answer.text,
        "seconds": answer.seconds,
        "tried_at": DatabaseClock(),
    }


def _succeed(push: Push, payload: Payload, answer: Answer, now: datetime) -> None:
    is_prom = push.integration.kind == IntegrationKind.PROM
    wait = _HEARTBEAT if is_prom else _LINES_PAUSE
    work.release(
        push,
        wait=timedelta() if payload.has_more else wait,
        attempts=0,
        cursor=payload.cursor,
        pushed_at=DatabaseClock(),
        items=payload.items,
        items_total=F("items_total") + payload.items,
        left_out=payload.left_out,
        failures=0,
        failing_since=None,
        error_code="",
        error="",
        **_answer_columns(answer),
    )
    # What changed while it was sent is due after the shortest pause.
    changed = Push.objects.filter(pk=push.pk, changed_at__gt=now)
    changed.update(next_attempt_at=_soon())


def _refuse(push: Push, payload: Payload, answer: Answer) -> None:
    """Record a refusal: the items are dropped, unless only the credential is wrong."""
    columns = _answer_columns(answer)
    if answer.status not in _UNAUTHORIZED:
        columns |= {
            "cursor": payload.cursor,
            "refused": F("refused") + payload.items,
        }
    _fail(push, code="refused", message=describe(answer), **columns)


def _fail(
    push: Push,
    *,
    code: str,
    message: str,
    retry_after: int | None = None,
    **columns: Any,
) -> None:
    wait = work.backoff(push.retries, push.failures + 1)
    work.release(
        push,
        wait=max(wait, timedelta(seconds=retry_after or 0)),
        attempts=0,
        failures=F("failures") + 1,
        failing_since=push.failing_since or timezone.now(),
        error_code=code,
        error=message,
        **columns,
    )


def reset_push(integration: Integration) -> None:
    """Make the push of an integration due now, as after a change of its target.

    Makes it if there is none, and closes its circuit breaker. Call it in a transaction.
    """
    name = breaker_name(integration.pk)
    transaction.on_commit(lambda: breaker.reset(name), robust=True)
    organization = integration.organization
    Push.objects.get_or_create(
        integration=integration,
        defaults={
            "organization_id": organization.pk,
            "white_label_id": organization.white_label_id,
        },
    )
    Push.objects.filter(integration=integration).update(
        state=Push.State.PENDING,
        finished_at=None,
        lease=None,
        leased_until=None,
        attempts=0,
        next_attempt_at=DatabaseClock(),
        failures=0,
        failing_since=None,
        error_code="",
        error="",
    )
