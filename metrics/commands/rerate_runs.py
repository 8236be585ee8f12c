"""Re-rates that a person requests on a page: previewed, then applied in the background.

A run is a row. It visits the organizations of a white label in batches; each batch is
one transaction with the progress of the row, so that a killed worker continues with the
next one, and a canceled run stops between two of them. What was re-rated stays: another
run finds it correct.
"""

import logging
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from metrics.commands.corrections import begin_correction
from metrics.commands.price_previews import book_version
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.rerate import (
    PeriodRerate,
    RerateResult,
    preview_rerate,
    rerate_periods,
)
from metrics.errors import RerateRunning
from metrics.models import Correction, RerateRun
from orgs.commands import work
from orgs.commands.proofs import ChangedMeanwhile
from orgs.days import ONE_DAY
from orgs.errors import DomainError
from orgs.models import Organization, WhiteLabel

logger = logging.getLogger(__name__)
_BATCH = 50  # organizations; recordings of these wait while their costs are written
_SLICE_SECONDS = 20.0  # then other tasks have their turn
_NO_WAIT = timedelta()
_LARGEST = 10  # differences that the page lists
_PRICES_CHANGED = (
    "Prices changed during the run, which has stopped. Preview the re-rate again."
)


def request_preview(
    white_label: WhiteLabel, *, by: str, product: str, meter: str, since: date | None
) -> RerateRun:
    """Record that the re-rate at the current prices is to be computed.

    Raises `RerateRunning` while another run of the white label is unfinished.
    """
    return _create(
        white_label=white_label,
        product=product,
        meter=meter,
        since=since,
        price_version=book_version(white_label),
        requested_by=by,
    )


def request_rerate(preview: RerateRun, *, by: str, note: str) -> RerateRun:
    """Record that a finished preview is to be applied; once, however often requested.

    Raises `ChangedMeanwhile` if prices have changed since the preview, and
    `RerateRunning` while another run of the white label is unfinished.
    """
    applied = RerateRun.objects.filter(preview=preview).first()
    if applied is not None:
        return applied
    if (
        preview.state != RerateRun.State.DONE
        or not preview.is_preview
        or book_version(preview.white_label) != preview.price_version
    ):
        raise ChangedMeanwhile
    return _create(
        white_label=preview.white_label,
        preview=preview,
        product=preview.product,
        meter=preview.meter,
        since=preview.since,
        price_version=preview.price_version,
        requested_by=by,
        note=note,
    )


def cancel_run(run: RerateRun, *, by: str) -> bool:
    """Cancel an unfinished run; false if it had ended. Re-rated periods stay so."""
    rows = RerateRun.objects.filter(pk=run.pk)
    is_canceled = bool(work.cancel(rows, reason=f"Canceled by {by}."))
    if is_canceled:
        Correction.objects.filter(pk=run.correction_id).update(
            finished_at=timezone.now()
        )
    return is_canceled


def _create(**columns: Any) -> RerateRun:
    label = columns["white_label"]
    total = Organization.objects.filter(white_label=label).count()
    try:
        with transaction.atomic():
            return RerateRun.objects.create(total=total, **columns)
    except IntegrityError:
        applied = RerateRun.objects.filter(preview=columns.get("preview") or -1)
        if run := applied.first():  # two requests at once
            return run
        raise RerateRunning from None


def advance(run_id: int) -> bool:
    """Visit batches for a time slice; return whether the run must be continued."""
    run = work.claim(RerateRun.objects.select_related("white_label"), run_id)
    if run is None:
        return False
    if run.is_exhausted:
        message = "The worker ended unexpectedly, several times."
        work.fail(run, code="worker_died", message=message)
        return False
    end = time.monotonic() + _SLICE_SECONDS
    try:
        while _visit_batch(run):
            if time.monotonic() > end:
                work.release(run, wait=_NO_WAIT, attempts=0)
                return True
    except DomainError as error:
        _retry(run, code=error.code, message=error.message)
    except Exception:  # the database raises errors of many kinds
        logger.exception("rerate_run_failed id=%s", run.pk)
        _retry(run, code="unexpected", message="The costs could not be computed.")
    return False


def _retry(run: RerateRun, *, code: str, message: str) -> None:
    if not work.retry_later(run, code=code, message=message):
        work.fail(run, code=code, message=message)


@transaction.atomic
def _visit_batch(run: RerateRun) -> bool:
    """Visit the next organizations; false at the end, or if the run was canceled."""
    if not work.lock_lease(run):
        return False
    if book_version(run.white_label) != run.price_version:
        work.fail(run, code="prices_changed", message=_PRICES_CHANGED)
        return False
    rows = _next_organizations(run)
    correction = None if run.is_preview else _begin(run)
    if not rows:
        if correction is not None:
            finish_correction(correction)
        work.finish(run)
        return False
    ids = [id_ for id_, is_used in rows if is_used]
    if ids:
        _add(run, _compute(run, ids, correction))
        _add_closed(run, ids)
    run.done += len(rows)
    run.last_id = rows[-1][0]
    run.save(update_fields=_PROGRESS)
    return work.renew(run)


_PROGRESS = (
    *("done", "last_id", "organizations", "old_cost", "new_cost", "first_day"),
    *("last_day", "without_events", "closed_periods", "closed_cost", "largest"),
)


def _begin(run: RerateRun) -> CorrectionSpec:
    """Return the correction of the run, with its row: the first batch inserts it."""
    spec = CorrectionSpec(
        Correction.Kind.RERATE,
        by=run.requested_by,
        note=run.note,
        started_at=run.started_at or timezone.now(),
        id=run.correction_id,
        key=f"run-{run.pk}",
    )
    return begin_correction(run.white_label, spec, ("run", run.pk))[0]


def _compute(
    run: RerateRun, ids: Sequence[int], correction: CorrectionSpec | None
) -> RerateResult:
    if correction is None:
        return preview_rerate(run.white_label, ids)
    return rerate_periods(run.white_label, ids, correction=correction)


# The next organizations, and whether their open period has usage of the product and
# meter: without one of these, whether it has any.
_NEXT = """
select o.id, exists (
    select from metrics_usage u join metrics_openperiod p
        on p.organization_id = u.organization_id and p.number = u.period
    where u.organization_id = o.id and (%(product)s = '' or u.product = %(product)s)
        and (%(meter)s = '' or u.meter = %(meter)s))
from orgs_organization o where o.white_label_id = %(white_label)s and o.id > %(last)s
order by o.id limit %(limit)s
"""


def _next_organizations(run: RerateRun) -> list[tuple[int, bool]]:
    parameters: dict[str, Any] = {
        "product": run.product,
        "meter": run.meter,
        "white_label": run.white_label_id,
        "last": run.last_id,
        "limit": _BATCH,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, parameters)
        return [(id_, is_used) for id_, is_used in cursor.fetchall()]


def _add(run: RerateRun, result: RerateResult) -> None:
    run.organizations += len(result.rerates)
    run.without_events += len(result.without_events)
    run.old_cost += sum(period.old_cost for period in result.rerates)
    run.new_cost += sum(period.new_cost for period in result.rerates)
    if result.days is not None:
        first, last = result.days.start, result.days.end - ONE_DAY
        run.first_day = min(run.first_day or first, first)
        run.last_day = max(run.last_day or last, last)
    rows = [*run.largest, *map(_as_json, result.rerates)]
    rows.sort(key=lambda row: -abs(row[3]))
    run.largest = rows[:_LARGEST]


def _as_json(period: PeriodRerate) -> list[Any]:
    """Return ID, exact costs as text, and the difference that rows are ordered by."""
    difference = float(period.new_cost - period.old_cost)
    costs = (str(period.old_cost), str(period.new_cost))
    return [period.organization_id, *costs, difference]


# Usage of closed periods that the price would apply to, if they were re-rated.
_CLOSED = """
select count(distinct (u.organization_id, u.period)), coalesce(sum(u.cost), 0)
from metrics_usage u
join metrics_openperiod p on p.organization_id = u.organization_id
    and p.number > u.period
where u.organization_id = any(%(ids)s) and u.day >= %(since)s
    and (%(product)s = '' or u.product = %(product)s)
    and (%(meter)s = '' or u.meter = %(meter)s)
"""


def _add_closed(run: RerateRun, ids: Sequence[int]) -> None:
    """Count the closed periods that are left as they are; needs the first day."""
    if run.since is None:
        return
    parameters: dict[str, Any] = {
        "ids": list(ids),
        "since": run.since,
        "product": run.product,
        "meter": run.meter,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, parameters)
        periods, cost = cursor.fetchone()
    run.closed_periods += periods
    run.closed_cost += cost
