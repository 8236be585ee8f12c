"""The row of a run: asked for once, claimed for a lease, done or failed."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.commands.sync.stages import Taken
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


@transaction.atomic
def claim(run_id: int) -> list[SyncRun]:
    """Take a run for the time of a lease, and all that stand where it stands.

    They want the same pages: Stripe lists its whole account, so it is asked once for
    all of them. None where somebody has it, or it has ended.
    """
    now = timezone.now()
    run = _free().filter(pk=run_id).select_for_update(skip_locked=True).first()
    if run is None:
        return []
    beside = _free().filter(
        stage=run.stage, cursor=run.cursor, started_at=run.started_at
    )
    beside = beside.exclude(pk=run_id).select_for_update(skip_locked=True)
    ids = [run_id, *beside.order_by("pk").values_list("pk", flat=True)]
    SyncRun.objects.filter(pk__in=ids).update(
        state=_State.RUNNING,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", now),
        leased_until=now + LEASE,
    )
    found = SyncRun.objects.in_bulk(ids)
    return [found[id_] for id_ in ids]


def _free() -> QuerySet[SyncRun]:
    dead = Q(state=_State.RUNNING, leased_until__lte=timezone.now())
    return SyncRun.objects.filter(Q(state=_State.PENDING) | dead)


def find_forgotten(limit: int) -> list[int]:
    """Runs that wait for nobody: not nudged, due again, or their worker died."""
    later = Q(state=_State.PENDING, due_at__gt=timezone.now())
    found = _free().exclude(later).order_by("due_at")
    return list(found.values_list("id", flat=True)[:limit])


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
    leased_until = timezone.now() + LEASE
    saved = _own(party).update(
        stage=stage,
        cursor=cursor,
        done=F("done") + done,
        drifted=_drifted(),
        attempts=1,
        leased_until=leased_until,
    )
    if saved != len(party):
        raise LeaseLost
    for run_id, one in (taken or {}).items():
        _save_taken(run_id, one)
    for run in party:
        run.stage, run.cursor, run.leased_until = stage, cursor, leased_until


def _drifted() -> Coalesce:
    """Met twice, an object differs once."""
    drifts = Drift.objects.filter(run=OuterRef("pk")).order_by().values("run")
    return Coalesce(Subquery(drifts.annotate(count=Count("pk")).values("count")), 0)


def _save_taken(run_id: int, taken: Taken) -> None:
    if taken.outcome.written or taken.errors:
        SyncRun.objects.filter(pk=run_id).update(
            written=F("written") + taken.outcome.written,
            errors=F("errors") + taken.errors,
        )
    if taken.met:
        _save_met(run_id, taken.met)


def _save_met(run_id: int, stripe_ids: Collection[str]) -> None:
    with connection.cursor() as statement:
        statement.execute(
            "insert into billing_syncseen (run_id, stripe_id)"
            " select %s, unnest(%s::text[]) on conflict do nothing",
            [run_id, sorted(stripe_ids)],
        )


def _own(party: Sequence[SyncRun]) -> QuerySet[SyncRun]:
    """Less than all, when another has taken some up after our lease."""
    return SyncRun.objects.filter(
        pk__in=[run.pk for run in party],
        state=_State.RUNNING,
        leased_until=party[0].leased_until,
    )


def release(party: Sequence[SyncRun]) -> None:
    """There is more to do, by whoever comes next; to people it goes on."""
    _own(party).update(leased_until=timezone.now(), attempts=0)


@transaction.atomic
def finish(party: Sequence[SyncRun]) -> None:
    _own(party).update(state=_State.DONE, finished_at=timezone.now(), leased_until=None)
    SyncSeen.objects.filter(run__in=party).delete()


def fail(run: SyncRun, error: Exception) -> None:
    """Later, from the same page; after many tries somebody must look."""
    logger.warning(
        "sync_failed id=%s stage=%s error=%s", run.pk, run.stage, type(error).__name__
    )
    attempts = SyncRun.objects.values_list("attempts", flat=True).get(pk=run.pk)
    is_last = attempts >= MAX_ATTEMPTS
    now = timezone.now()
    wait = min(_FIRST_WAIT * 2 ** (attempts - 1), _LONGEST_WAIT)
    _own([run]).update(
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
