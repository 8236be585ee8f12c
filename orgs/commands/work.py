"""Leases and backoff of background work: claim a row, renew, finish or retry it.

Each function is one conditional update, committed by itself unless the caller has a
transaction open. It names the token of the lease, so that only one of two workers at a
row can write its outcome. Times are PostgreSQL's: workers' clocks need not agree.

1. `claim`: the row is running, its attempt is counted, and its lease starts;
2. `renew`: before each long step of work that may take longer than the lease;
3. `finish`, `fail`, `retry_later` or `release`: the outcome.

If a worker is killed between two steps, the row stays running until its lease is over.
Then it is due again, and a sweep (`list_forgotten`) enqueues it.
"""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast
from uuid import uuid4

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from orgs.models.work import DatabaseClock, RetryPolicy, Work, WorkQuerySet

W = TypeVar("W", bound=Work)
_State = Work.State
_MAX_CODE_LENGTH = 64
_MAX_DOUBLINGS = 16  # more would overflow a timedelta; every cap is reached before


def backoff(policy: RetryPolicy, attempt: int) -> timedelta:
    """Return the wait after a failed attempt, counted from 1."""
    doubled: int = 2 ** min(max(attempt, 1) - 1, _MAX_DOUBLINGS)
    wait = min(policy.first_wait * doubled, policy.longest_wait)
    spread = random.uniform(-policy.jitter, policy.jitter)  # noqa: S311  no secret
    return wait * (1 + spread)


def claim(rows: WorkQuerySet[W], pk: int) -> W | None:
    """Claim a row that is due, under a lease; None if it is not due or leased.

    The claimed row is read through `rows`, so its filters must still match then. Two
    workers may both see the row as due. Their updates wait for each other, and
    PostgreSQL checks the condition again for the second, which finds a lease.
    """
    return next(iter(claim_all(rows, [pk])), None)


def claim_all(rows: WorkQuerySet[W], pks: Sequence[int]) -> list[W]:
    """Claim the rows that are due, all under one lease; return them ordered by key.

    Two statements, however many rows. A caller that claims several must lock them
    first, in a fixed order, or two such callers could deadlock.
    """
    lease, now = uuid4(), DatabaseClock()
    claimed = (
        rows.filter(pk__in=pks)
        .due()
        .update(
            state=_State.RUNNING,
            attempts=F("attempts") + 1,
            lease=lease,
            leased_until=now + rows.model.retries.lease,
            sweep_after=None,
            started_at=Coalesce("started_at", now),
        )
    )
    if not claimed:
        return []
    return list(rows.filter(pk__in=pks, lease=lease).order_by("pk"))


def leased(*works: W) -> QuerySet[W]:
    """Return the rows whose lease the caller still has.

    A lease that has expired but was not claimed by another worker still counts.
    """
    rows = cast("QuerySet[W]", type(works[0]).objects.all())
    pks = [work.pk for work in works]
    return rows.filter(pk__in=pks, lease=works[0].lease, state=_State.RUNNING)


def renew(*works: W) -> bool:
    """Restart the lease of the rows; false if one was lost: then stop at once."""
    until = DatabaseClock() + works[0].retries.lease
    return leased(*works).update(leased_until=until) == len(works)


def lock_lease(work: W) -> bool:
    """Lock the row until the transaction ends; false if the lease was lost.

    For work that is one transaction: it commits together with its outcome, and cannot
    be canceled halfway. Other writers of the row wait until then.
    """
    return leased(work).select_for_update().exists()


def finish(work: W, state: str = _State.DONE, **columns: Any) -> bool:
    """End the row in this state; false, without any change, if the lease was lost."""
    values = {"error_code": "", "error": "", **columns}
    ended = leased(work).update(
        state=state,
        finished_at=DatabaseClock(),
        lease=None,
        leased_until=None,
        # The claim that found no attempts left is not counted as one.
        attempts=Least("attempts", work.retries.attempts),
        **values,
    )
    return bool(ended)


def fail(work: W, *, code: str, message: str, **columns: Any) -> bool:
    """End the row as failed, listed for an operator; false if the lease was lost."""
    return finish(
        work,
        _State.FAILED,
        error_code=code[:_MAX_CODE_LENGTH],
        error=message,
        **columns,
    )


def retry_later(work: W, *, code: str, message: str, **columns: Any) -> bool:
    """Make the row due again after a backoff; false if no attempt is left.

    Then nothing is written, and the caller ends the row by the rules of its kind. True
    as well if the lease was lost: its new holder decides.
    """
    if not work.has_attempts_left:
        return False
    wait = backoff(work.retries, work.attempts)
    columns |= {"error_code": code[:_MAX_CODE_LENGTH], "error": message}
    _make_pending(work, wait, columns)
    return True


def release(work: W, *, wait: timedelta, **columns: Any) -> None:
    """Make the row due again after a wait, without counting the attempt."""
    _make_pending(work, wait, {"attempts": work.attempts - 1, **columns})


def _make_pending(work: W, wait: timedelta, columns: dict[str, Any]) -> None:
    leased(work).update(
        state=_State.PENDING,
        lease=None,
        leased_until=None,
        next_attempt_at=DatabaseClock() + wait,
        **columns,
    )


def restart(rows: QuerySet[Any], *, attempts: int = 0, **columns: Any) -> bool:
    """Make ended rows pending again, for a retry by hand; false if there were none."""
    restarted = rows.update(
        state=_State.PENDING,
        attempts=attempts,
        next_attempt_at=timezone.now(),
        finished_at=None,
        **{"error_code": "", "error": "", **columns},
    )
    return bool(restarted)


def cancel(rows: WorkQuerySet[Any], *, reason: str) -> int:
    """Cancel unfinished rows; a worker at one of them finds its lease lost."""
    return rows.unfinished().update(
        state=_State.CANCELED,
        finished_at=DatabaseClock(),
        lease=None,
        leased_until=None,
        error_code="",
        error=reason,
    )


def list_forgotten(rows: WorkQuerySet[Any], limit: int) -> list[int]:
    """Return the keys of rows that a sweep should enqueue, longest due first."""
    return list(rows.forgotten().values_list("pk", flat=True)[:limit])


@transaction.atomic
def take_forgotten(
    rows: WorkQuerySet[Any], limit: int, *, pause: timedelta
) -> list[int]:
    """Return keys as `list_forgotten` does, and hide the rows from sweeps for a pause.

    For kinds of which thousands may be pending: each sweep would enqueue all of them
    again. Rows that another sweep or worker has locked are skipped.
    """
    locked = rows.forgotten().select_for_update(skip_locked=True)
    pks = list(locked.values_list("pk", flat=True)[:limit])
    rows.filter(pk__in=pks).update(sweep_after=DatabaseClock() + pause)
    return pks
