"""The row of a sync: asked for once, claimed under a lease, done or failed."""

import logging
from collections.abc import Collection, Mapping, Sequence

from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.gateway import redacted
from billing.models import Discrepancy, SyncRun, SyncSeen
from billing.stripe.commands.sync.stages import Taken
from orgs.commands import work
from orgs.errors import DomainError
from orgs.models import WhiteLabel
from orgs.models.work import DatabaseClock

logger = logging.getLogger(__name__)
_State = SyncRun.State


class WorkersDied(Exception):
    """Each worker that read a page was killed, the last attempt's too."""


class LeaseLost(Exception):
    """Another worker took the run up: this one stops."""


@transaction.atomic
def start(
    white_label: WhiteLabel, *, requested_by: str = "", repairs: bool = True
) -> SyncRun:
    """Ask for a run; asked again while one is unfinished, it is the same one."""
    SyncRun.objects.bulk_create(
        [
            SyncRun(
                white_label=white_label,
                repairs=repairs,
                requested_by=requested_by[:200],
                total=_expected(white_label),
            )
        ],
        ignore_conflicts=True,
    )
    run = SyncRun.objects.unfinished().get(white_label=white_label)
    if run.state == _State.PENDING:
        # Asked for again, it does not wait for its next attempt.
        pending = SyncRun.objects.filter(pk=run.pk, state=_State.PENDING)
        pending.update(repairs=run.repairs or repairs, next_attempt_at=timezone.now())
        run.refresh_from_db()
    return run


def _expected(white_label: WhiteLabel) -> int | None:
    before = SyncRun.objects.filter(white_label=white_label, state=_State.DONE)
    return before.order_by("-id").values_list("done", flat=True).first()


def start_all() -> list[int]:
    """Of every white label; answers the runs' ids."""
    return [start(one).id for one in WhiteLabel.objects.order_by("id")]


@transaction.atomic
def claim(run_id: int) -> list[SyncRun]:
    """Take a run under a lease, and with it all that have come as far.

    They want the same pages: Stripe lists its whole account, so it is asked once for
    all of them. Empty if another worker has the run, or it has ended.

    The rows are locked first, this run's before the others'. Locks that another worker
    has are skipped and not awaited, so that two workers that begin with different runs
    cannot wait for each other.
    """
    rows = SyncRun.objects.due().select_for_update(skip_locked=True)
    run = rows.filter(pk=run_id).first()
    if run is None:
        return []
    alike = rows.filter(stage=run.stage, cursor=run.cursor, started_at=run.started_at)
    others = alike.exclude(pk=run_id).order_by("pk").values_list("pk", flat=True)
    claimed = work.claim_all(SyncRun.objects.all(), [run_id, *others])
    return sorted(claimed, key=lambda one: (one.pk != run_id, one.pk))


def find_forgotten(limit: int) -> list[int]:
    """Return the keys of runs that a sweep enqueues, the longest due first."""
    return work.list_forgotten(SyncRun.objects.all(), limit)


@transaction.atomic
def save(
    party: Sequence[SyncRun],
    *,
    stage: str = "",
    cursor: str = "",
    done: int = 0,
    taken: Mapping[int, Taken] | None = None,
) -> None:
    """Where they stand now, and what each of them took; raises `LeaseLost`."""
    stage = stage or party[0].stage
    saved = work.leased(*party).update(
        stage=stage,
        cursor=cursor,
        done=F("done") + done,
        discrepancy_count=_drifted(),
        attempts=1,
        leased_until=DatabaseClock() + SyncRun.retries.lease,
    )
    if saved != len(party):
        raise LeaseLost
    for run_id, one in (taken or {}).items():
        _save_taken(run_id, one)
    for run in party:
        run.stage, run.cursor, run.attempts = stage, cursor, 1


def _drifted() -> Coalesce:
    """Met twice, an object differs once."""
    discrepancies = (
        Discrepancy.objects.filter(run=OuterRef("pk")).order_by().values("run")
    )
    return Coalesce(
        Subquery(discrepancies.annotate(count=Count("pk")).values("count")), 0
    )


def _save_taken(run_id: int, taken: Taken) -> None:
    if taken.outcome.written or taken.errors:
        SyncRun.objects.filter(pk=run_id).update(
            written=F("written") + taken.outcome.written,
            errors=F("errors") + taken.errors,
        )
    if taken.met:
        _save_seen(run_id, taken.met)


def _save_seen(run_id: int, stripe_ids: Collection[str]) -> None:
    with connection.cursor() as statement:
        statement.execute(
            "insert into billing_syncseen (run_id, stripe_id)"
            " select %s, unnest(%s::text[]) on conflict do nothing",
            [run_id, sorted(stripe_ids)],
        )


def release(party: Sequence[SyncRun]) -> None:
    """End the lease early: any worker may go on. To people the run is running."""
    work.leased(*party).update(leased_until=DatabaseClock(), lease=None, attempts=0)


@transaction.atomic
def finish(party: Sequence[SyncRun]) -> None:
    """End the runs as done and forget what they met, except where a lease was lost."""
    for run in party:
        if work.finish(run):
            SyncSeen.objects.filter(run=run).delete()


def fail(run: SyncRun, error: Exception) -> None:
    """Try it again later from the same page; after the last attempt it has failed."""
    name = type(error).__name__
    logger.warning("sync_failed id=%s stage=%s error=%s", run.pk, run.stage, name)
    code, message = getattr(error, "code", name), _message(error)
    if not work.retry_later(run, code=code, message=message):
        _give_up(run, code=code, message=message)


@transaction.atomic
def _give_up(run: SyncRun, *, code: str, message: str) -> None:
    if work.give_up(run, code=code, message=message):
        SyncSeen.objects.filter(run=run).delete()


def _message(error: Exception) -> str:
    text = error.message if isinstance(error, DomainError) else type(error).__name__
    return redacted(text)
