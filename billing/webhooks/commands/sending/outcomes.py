"""What comes of an attempt: the log, the delivery, and the health of its endpoint."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.utils import timezone

from billing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing.models.webhooks import MAX_ANSWER, DeliveryReason, DisabledBecause
from billing.webhooks.commands.endpoints import disable_endpoint
from billing.webhooks.formats.requests import DeliveryRequest
from orgs.commands import work
from orgs.outbound import Answer

# An endpoint whose every delivery failed for so long is disabled.
WINDOW = timedelta(days=3)
# How long an endpoint is left alone after a failure; doubled with each in a row.
_FIRST_HOLD, _LONGEST_HOLD = timedelta(seconds=2), timedelta(minutes=5)
_MAX_DOUBLINGS = 8
_MAX_ERROR, _MAX_HEADERS, _MAX_HEADER = 500, 40, 300
GONE = "endpoint_gone"


@transaction.atomic
def record_outcome(
    delivery: WebhookDelivery, request: DeliveryRequest, answer: Answer
) -> DisabledBecause | None:
    """Write an attempt and its outcome; return why its endpoint was disabled, if so.

    Locks the endpoint first. Does nothing to a delivery whose lease was lost, such as a
    canceled one, but keeps the log.
    """
    rows = WebhookEndpoint.objects.select_for_update()
    endpoint = rows.filter(pk=delivery.endpoint_id).first()
    if endpoint is None:  # it was deleted meanwhile, with the delivery
        return None
    _log(delivery, request, answer)
    columns: dict[str, Any] = {
        "status_code": answer.status,
        "latency_ms": round(answer.seconds * 1_000),
    }
    if delivery.reason == DeliveryReason.TEST:
        _end_test(delivery, answer, columns)
        return None
    if answer.is_success:
        work.finish(delivery, **columns)
        _note_success(endpoint)
        return None
    return _record_failure(delivery, endpoint, answer, columns)


def _end_test(
    delivery: WebhookDelivery, answer: Answer, columns: dict[str, Any]
) -> None:
    """End a test: it is not tried again, and says nothing about the endpoint."""
    if answer.is_success:
        work.finish(delivery, **columns)
    else:
        code, message = str(answer.error), _message(answer)
        work.fail(delivery, code=code, message=message, **columns)


def _log(delivery: WebhookDelivery, request: DeliveryRequest, answer: Answer) -> None:
    WebhookAttempt.objects.create(
        delivery=delivery,
        number=delivery.attempts,
        url=request.logged_url,
        request_headers=request.headers,
        request_body=request.logged_body,
        status_code=answer.status,
        answer_headers=_shown_headers(answer.headers),
        answer=_clean(answer.body.decode("utf-8", "replace"))[:MAX_ANSWER],
        latency_ms=round(answer.seconds * 1_000),
        error_kind=answer.error or "",
        error=_clean(answer.message)[:_MAX_ERROR],
    )


def _clean(text: str) -> str:
    """Return text without the character that PostgreSQL cannot store."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    names = sorted(headers)[:_MAX_HEADERS]
    return {
        _clean(name)[:_MAX_HEADER]: _clean(headers[name])[:_MAX_HEADER]
        for name in names
    }


def _note_success(endpoint: WebhookEndpoint) -> None:
    """Note that the endpoint accepts deliveries; written at most once in ten seconds.

    Each delivery would otherwise write the same row again.
    """
    now, last = timezone.now(), endpoint.last_success_at
    is_recent = last is not None and last > now - timedelta(seconds=10)
    if endpoint.failures or not is_recent:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
            failures=0, failing_since=None, held_until=None, last_success_at=now
        )


def _record_failure(
    delivery: WebhookDelivery,
    endpoint: WebhookEndpoint,
    answer: Answer,
    columns: dict[str, Any],
) -> DisabledBecause | None:
    now = timezone.now()
    code, message = str(answer.error), _message(answer)
    if answer.status == HTTPStatus.GONE:
        work.fail(delivery, code=GONE, message=message, **columns)
        return _disable(endpoint, DisabledBecause.GONE)
    since = endpoint.failing_since or now
    _hold(endpoint, since=since, now=now, retry_after=answer.retry_after)
    if since <= now - WINDOW:
        work.fail(delivery, code=code, message=message, **columns)
        return _disable(endpoint, DisabledBecause.FAILING)
    is_over = delivery.created_at <= now - WINDOW
    if is_over or not work.retry_later(delivery, code=code, message=message, **columns):
        work.fail(delivery, code=code, message=message, **columns)
    return None


def _disable(
    endpoint: WebhookEndpoint, because: DisabledBecause
) -> DisabledBecause | None:
    if endpoint.disabled_at is not None:
        return None
    disable_endpoint(endpoint, because)
    return because


def _hold(
    endpoint: WebhookEndpoint,
    *,
    since: datetime,
    now: datetime,
    retry_after: int | None,
) -> None:
    """Leave the endpoint alone for a while, longer after each failure in a row."""
    doubled: int = 2 ** min(endpoint.failures, _MAX_DOUBLINGS)
    hold = min(_FIRST_HOLD * doubled, _LONGEST_HOLD)
    if retry_after is not None:
        hold = max(hold, timedelta(seconds=retry_after))
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        failures=endpoint.failures + 1, failing_since=since, held_until=now + hold
    )


def _message(answer: Answer) -> str:
    """Return what the endpoint answered, in one line."""
    return " ".join(f"{answer.message} {answer.text}".split())[:_MAX_ERROR]
