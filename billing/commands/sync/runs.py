"""The row of a run: asked for once, claimed for a lease, done or failed."""

import logging
from collections.abc import Collection
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from billing.gateway import redacted
from billing.models import Drift, SyncRun, SyncSeen
from orgs.errors import DomainError
from orgs.models import WhiteLabel

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=3)  # renewed with each page
MAX_ATTEMPTS = 8  # in a row without a page between them
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=10)
_State = SyncRun.State


class LeaseLost(Exception):
    """Another worker took the run up: this one stops."""


@transaction.atomic
def start(
    white_label: WhiteLabel, *, requested_by: str = "", heals: bool = True
) -> SyncRun:
    """Ask for a run; asked again while one is unfinished, it is the same one."""
    SyncRun.objects.bulk_create(
        [
            SyncRun(
                white_label=white_label,
                heals=heals,
                requested_by=requested_by[:200],
                total=_expected(white_label),
            )
        ],
        ignore_conflicts=True,
    )
    run = SyncRun.objects.unfinished().get(white_label=white_label)
    if heals and not run.heals and run.state == _State.PENDING:
        run.heals = True
        run.save(update_fields=["heals"])
    return run


def _expected(white_label: WhiteLabel) -> int | None:
    before = SyncRun.objects.filter(white_label=white_label, state=_State.DONE)
    return before.order_by("-id").values_list("done", flat=True).first()


def start_all() -> list[int]:
    """Of every white label; answers the runs' ids."""
    return [start(one).id for one in WhiteLabel.objects.order_by("id")]


def claim(run_id: int) -> SyncRun | None:
    """Take a run for the time of a lease, unless somebody has it or it has ended."""
    now = timezone.now()
    free = Q(state=_State.PENDING) | Q(state=_State.RUNNING, leased_until__lte=now)
    runs = SyncRun.objects.filter(free, pk=run_id)
    claimed = runs.update(
        state=_State.RUNNING, attempts=F("attempts") + 1, leased_until=now + LEASE
    )
    SyncRun.objects.filter(pk=run_id, started_at=None).update(started_at=now)
    return SyncRun.objects.get(pk=run_id) if claimed else None


def find_forgotten(limit: int) -> list[int]:
    """Runs that wait for nobody: not nudged, due again, or their worker died."""
    now = timezone.now()
    waiting = Q(state=_State.PENDING, due_at__lte=now)
    dead = Q(state=_State.RUNNING, leased_until__lte=now)
    found = SyncRun.objects.filter(waiting | dead).order_by("due_at")
    return list(found.values_list("id", flat=True)[:limit])


@transaction.atomic
def save(
    run: SyncRun,
    *,
    stage: str = "",
    cursor: str = "",
    met: Collection[str] = (),
    done: int = 0,
    written: int = 0,
    errors: int = 0,
) -> None:
    """Where the run stands now, with what it met; raises `LeaseLost`."""
    stage = stage or run.stage
    leased_until = timezone.now() + LEASE
    with connection.cursor() as statement:
        statement.execute(
            "insert into billing_syncseen (run_id, stripe_id)"
            " select %s, unnest(%s::text[]) on conflict do nothing",
            [run.pk, sorted(met)],
        )
    saved = _own(run).update(
        stage=stage,
        cursor=cursor,
        done=F("done") + done,
        written=F("written") + written,
        drifted=Drift.objects.filter(run=run).count(),  # met twice, it differs once
        errors=F("errors") + errors,
        attempts=1,
        leased_until=leased_until,
    )
    if not saved:
        raise LeaseLost
    run.stage, run.cursor, run.leased_until = stage, cursor, leased_until


def _own(run: SyncRun) -> QuerySet[SyncRun]:
    """Nothing, when another has taken it up after our lease."""
    return SyncRun.objects.filter(
        pk=run.pk, state=_State.RUNNING, leased_until=run.leased_until
    )


def release(run: SyncRun) -> None:
    """There is more to do, by whoever comes next; to people it goes on."""
    _own(run).update(leased_until=timezone.now(), attempts=0)


@transaction.atomic
def finish(run: SyncRun) -> None:
    _own(run).update(state=_State.DONE, finished_at=timezone.now(), leased_until=None)
    SyncSeen.objects.filter(run=run).delete()


def fail(run: SyncRun, error: Exception) -> None:
    """Later, from the same page; after many tries somebody must look."""
    logger.warning(
        "sync_failed id=%s stage=%s error=%s", run.pk, run.stage, type(error).__name__
    )
    attempts = SyncRun.objects.values_list("attempts", flat=True).get(pk=run.pk)
    is_last = attempts >= MAX_ATTEMPTS
    now = timezone.now()
    wait = min(_FIRST_WAIT * 2 ** (attempts - 1), _LONGEST_WAIT)
    _own(run).update(
        state=_State.FAILED if is_last else _State.PENDING,
        due_at=now + wait,
        leased_until=None,
        finished_at=now if is_last else None,
        error_code=getattr(error, "code", type(error).__name__)[:64],
        error=_told(error),
    )
    if is_last:
        SyncSeen.objects.filter(run=run).delete()


def _told(error: Exception) -> str:
    text = error.message if isinstance(error, DomainError) else type(error).__name__
    return redacted(text)
