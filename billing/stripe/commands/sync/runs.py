"""Rows of sync runs: started, claimed under a lease, saved, and ended."""

import logging
from collections.abc import Collection, Mapping, Sequence

from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.gateway import redacted
from billing.models import Discrepancy, SyncRun, SyncSeen
from billing.stripe.commands.sync.stages import PageResult
from orgs.commands import work
from orgs.errors import DomainError
from orgs.models import WhiteLabel
from orgs.models.work import DatabaseClock

logger = logging.getLogger(__name__)
_State = SyncRun.State


class WorkersDied(Exception):
    """Every attempt ended with its worker killed, the last one too."""


class LeaseLost(Exception):
    """Another worker has claimed the run, so this one must stop."""


@transaction.atomic
def start(
    white_label: WhiteLabel, *, requested_by: str = "", repairs: bool = True
) -> SyncRun:
    """Return a new run, or the unfinished one of the white label if there is one.

    A partial unique index allows one unfinished run per white label, so of two starts
    at once one inserts nothing and finds the row of the other.
    """
    SyncRun.objects.bulk_create(
        [
            SyncRun(
                white_label=white_label,
                repairs=repairs,
                requested_by=requested_by[:200],
                total=_count_expected(white_label),
            )
        ],
        ignore_conflicts=True,
    )
    run = SyncRun.objects.unfinished().get(white_label=white_label)
    if run.state == _State.PENDING:
        # A person who starts it again does not wait for the backoff of an attempt.
        pending = SyncRun.objects.filter(pk=run.pk, state=_State.PENDING)
        pending.update(repairs=run.repairs or repairs, next_attempt_at=timezone.now())
        run.refresh_from_db()
    return run


def _count_expected(white_label: WhiteLabel) -> int | None:
    """Return how many objects the last finished run read; null before the first."""
    finished = SyncRun.objects.filter(white_label=white_label, state=_State.DONE)
    return finished.order_by("-id").values_list("done", flat=True).first()


def start_all() -> list[int]:
    """Start a run for every white label and return the runs' ids."""
    return [start(label).id for label in WhiteLabel.objects.order_by("id")]


@transaction.atomic
def claim(run_id: int) -> list[SyncRun]:
    """Claim a run under a lease, together with all runs at the same page.

    They need the same pages, so Stripe's lists are read once for all of them. Returns
    an empty list if another worker has the run or it has ended.

    Locks the rows before it claims them, this run's first. Rows that another worker has
    locked are skipped instead of waited for, so that two workers that begin with
    different runs cannot deadlock; a skipped run is claimed later by itself.
    """
    rows = SyncRun.objects.due().select_for_update(skip_locked=True)
    run = rows.filter(pk=run_id).first()
    if run is None:
        return []
    same_page = rows.filter(
        stage=run.stage, cursor=run.cursor, started_at=run.started_at
    )
    others = same_page.exclude(pk=run_id).order_by("pk").values_list("pk", flat=True)
    claimed = work.claim_all(SyncRun.objects.all(), [run_id, *others])
    return sorted(
        claimed, key=lambda claimed_run: (claimed_run.pk != run_id, claimed_run.pk)
    )


def find_forgotten(limit: int) -> list[int]:
    """Return the keys of runs that a sweep enqueues, the longest due first."""
    return work.list_forgotten(SyncRun.objects.all(), limit)


@transaction.atomic
def save(
    batch: Sequence[SyncRun],
    *,
    stage: str = "",
    cursor: str = "",
    done: int = 0,
    results: Mapping[int, PageResult] | None = None,
) -> None:
    """Save the stage and cursor of a batch and the result of each run.

    Also renews the leases and restores the attempts, because progress was made. Raises
    `LeaseLost`, and saves nothing, if another worker has claimed one of the runs.
    """
    stage = stage or batch[0].stage
    saved = work.leased(*batch).update(
        stage=stage,
        cursor=cursor,
        done=F("done") + done,
        discrepancy_count=_count_discrepancies(),
        attempts=1,
        leased_until=DatabaseClock() + SyncRun.retries.lease,
    )
    if saved != len(batch):
        raise LeaseLost
    for run_id, result in (results or {}).items():
        _save_result(run_id, result)
    for run in batch:
        run.stage, run.cursor, run.attempts = stage, cursor, 1


def _count_discrepancies() -> Coalesce:
    """Return the expression that counts the discrepancies a run saw last.

    A sum of the pages' counts would count an object twice that two pages contain.
    """
    discrepancies = (
        Discrepancy.objects.filter(run=OuterRef("pk")).order_by().values("run")
    )
    return Coalesce(
        Subquery(discrepancies.annotate(count=Count("pk")).values("count")), 0
    )


def _save_result(run_id: int, result: PageResult) -> None:
    if result.outcome.written or result.errors:
        SyncRun.objects.filter(pk=run_id).update(
            written=F("written") + result.outcome.written,
            errors=F("errors") + result.errors,
        )
    if result.seen:
        _save_seen(run_id, result.seen)


def _save_seen(run_id: int, stripe_ids: Collection[str]) -> None:
    """Save the ids that a run saw, in one statement per page; known ids are skipped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into billing_syncseen (run_id, stripe_id)"
            " select %s, unnest(%s::text[]) on conflict do nothing",
            [run_id, sorted(stripe_ids)],
        )


def release(batch: Sequence[SyncRun]) -> None:
    """End the lease early, so that any worker can continue the runs.

    Their state stays `running`, because to people they are.
    """
    work.leased(*batch).update(leased_until=DatabaseClock(), lease=None, attempts=0)


@transaction.atomic
def finish(batch: Sequence[SyncRun]) -> None:
    """End the runs as done and delete what they saw, except where a lease was lost."""
    for run in batch:
        if work.finish(run):
            SyncSeen.objects.filter(run=run).delete()


def fail(run: SyncRun, error: Exception) -> None:
    """Retry a run later from the same page; fail it after the last attempt."""
    name = type(error).__name__
    logger.warning("sync_failed id=%s stage=%s error=%s", run.pk, run.stage, name)
    code, message = getattr(error, "code", name), _message(error)
    if not work.retry_later(run, code=code, message=message):
        _fail_for_good(run, code=code, message=message)


@transaction.atomic
def _fail_for_good(run: SyncRun, *, code: str, message: str) -> None:
    """End a run as failed and delete what it saw."""
    if work.fail(run, code=code, message=message):
        SyncSeen.objects.filter(run=run).delete()


def _message(error: Exception) -> str:
    """Return what the run shows of an error, without keys."""
    text = error.message if isinstance(error, DomainError) else type(error).__name__
    return redacted(text)
