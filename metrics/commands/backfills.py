"""Backfills: pushing the figures of past days to Prometheus, oldest first.

A request has the days of a month; what it was accepted up to is stored, so a killed
worker or a target that is away continues there. A refusal ends the backfill: all later
days would be refused as well.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from metrics.commands.pushes import (
    Delivery,
    address_of,
    breaker_name,
    common_labels,
    describe,
    headers_of,
    is_refused,
    mask_secrets,
)
from metrics.errors import BackfillNotPossible, IntegrationNotFound
from metrics.models import Integration, PushBackfill
from metrics.models.integrations import IntegrationKind
from metrics.push import remote_write
from metrics.push.remote_write import Series, milliseconds
from metrics.push.sources import SOURCES, DayFigures, Labels
from metrics.queries.daily_metrics import contract_start
from metrics.queries.integrations import decrypt_target
from orgs.commands import work
from orgs.days import ONE_DAY, day_of
from orgs.errors import SecretUnreadable
from orgs.models import Organization
from orgs.outbound import Answer, ErrorKind

logger = logging.getLogger(__name__)
_DAYS_PER_REQUEST = 31
_MAX_DAYS = 3_660
_CIRCUIT_PAUSE = timedelta(seconds=30)


def request_backfill(
    organization: Organization, first: date, last: date, *, by: str, note: str
) -> PushBackfill:
    """Record that the days of a range, `last` included, are to be pushed.

    Raises `BackfillNotPossible` for a range that is not over, begins before the
    contract or is too long, and while another backfill is unfinished;
    `IntegrationNotFound` without Prometheus.
    """
    rows = Integration.objects.filter(organization=organization)
    integration = rows.filter(kind=IntegrationKind.PROM).first()
    if integration is None:
        raise IntegrationNotFound("This organization has no Prometheus integration.")
    _check_range(organization, first, last)
    try:
        with transaction.atomic():
            return PushBackfill.objects.create(
                organization=organization,
                integration=integration,
                first_day=first,
                last_day=last,
                next_day=first,
                requested_by=by,
                note=note,
            )
    except IntegrityError:
        raise BackfillNotPossible("A backfill is running already.") from None


def _check_range(organization: Organization, first: date, last: date) -> None:
    today = day_of(timezone.now(), organization.white_label.zone)
    start = contract_start(organization)
    if first > last:
        raise BackfillNotPossible("The first day is after the last.", fields=("from",))
    if last >= today:
        raise BackfillNotPossible("The last day is not over yet.", fields=("to",))
    if first < start:
        message = f"The first day is before the contract, which starts on {start}."
        raise BackfillNotPossible(message, fields=("from",))
    if (last - first).days >= _MAX_DAYS:
        raise BackfillNotPossible("The range is longer than ten years.", fields=("to",))


def cancel_backfill(organization: Organization, pk: int, *, by: str) -> bool:
    """Cancel an unfinished backfill; false if it had ended. Pushed days stay."""
    rows = PushBackfill.objects.filter(organization=organization, pk=pk)
    return bool(work.cancel(rows, reason=f"Canceled by {by}."))


def claim_backfill(pk: int) -> Delivery | None:
    """Claim a backfill that is due and return its next request; None without one."""
    rows = PushBackfill.objects.select_related(
        "integration", "organization__white_label"
    )
    backfill = work.claim(rows, pk)
    if backfill is None:
        return None
    if backfill.is_exhausted:
        message = "The worker ended unexpectedly, several times."
        work.fail(backfill, code="worker_died", message=message)
        return None
    try:
        return _prepare(backfill)
    except SecretUnreadable:
        work.fail(
            backfill, code="secret_unreadable", message="The token can't be decrypted."
        )
    except Exception:  # figures are read by the queries of many tables
        logger.exception("backfill_failed id=%s", backfill.pk)
        _retry(backfill, code="unexpected", message="The data could not be read.")
    return None


def _prepare(backfill: PushBackfill) -> Delivery:
    organization = backfill.organization
    target = decrypt_target(backfill.integration)
    last = min(
        backfill.next_day + timedelta(days=_DAYS_PER_REQUEST - 1), backfill.last_day
    )
    days = [
        day
        for source in SOURCES.days
        for day in source(organization, backfill.next_day, last)
    ]
    series = build_series(days, common_labels(organization))
    samples = sum(len(row.samples) for row in series)

    def record(answer: Answer) -> None:
        _record(backfill, last, samples, mask_secrets(answer, target))

    return Delivery(
        address_of(target, breaker=breaker_name(backfill.integration_id)),
        remote_write.encode(series),
        headers_of(target, remote_write.HEADERS),
        record,
    )


def build_series(days: Sequence[DayFigures], common: Labels) -> list[Series]:
    """Return a series of each figure, with a sample at the end of each day."""
    samples: dict[Labels, list[tuple[int, Decimal | int]]] = defaultdict(list)
    for day in days:
        values, _ = remote_write.name_series(day.figures, common)
        for labels, value in values.items():
            samples[labels].append((milliseconds(day.at), value))
    return [Series(labels, sorted(rows)) for labels, rows in samples.items()]


def _record(backfill: PushBackfill, last: date, samples: int, answer: Answer) -> None:
    if answer.error is ErrorKind.CIRCUIT_OPEN:
        work.release(backfill, wait=_CIRCUIT_PAUSE)
    elif answer.is_success:
        _advance(backfill, last, samples)
    elif is_refused(answer):
        work.fail(backfill, code="refused", message=describe(answer))
    else:
        _retry(backfill, code=str(answer.error), message=describe(answer))


def _advance(backfill: PushBackfill, last: date, samples: int) -> None:
    columns: dict[str, Any] = {
        "next_day": last + ONE_DAY,
        "samples": F("samples") + samples,
    }
    if last == backfill.last_day:
        work.finish(backfill, **columns)
    else:
        columns |= {"error_code": "", "error": ""}
        work.release(backfill, wait=timedelta(), attempts=0, **columns)


def _retry(backfill: PushBackfill, *, code: str, message: str) -> None:
    if not work.retry_later(backfill, code=code, message=message):
        work.fail(backfill, code=code, message=message)
