"""The one lease and backoff: claim a row of work, renew it, end it or try again later.

Each function is one conditional update, committed by itself unless the caller has a
transaction open. It names the token of the lease, so that of two workers at a row one
can write its outcome. Times are PostgreSQL's: workers' clocks need not agree.

1. `claim`: the row is running, its attempt counted, its lease begun;
2. `renew`: before each long step of work that may outlast the lease;
3. `finish`, `give_up`, `retry_later` or `release`: the outcome.

Killed between any two, the row stays running until its lease is over. Then it is due
again and a sweep (`list_forgotten`) enqueues it.
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
_LONGEST_CODE = 64
_DOUBLINGS = 16  # more would overflow a timedelta; every cap is reached before


def backoff(policy: RetryPolicy, attempt: int) -> timedelta:
    """Return the wait after a failed attempt, counted from 1."""
    doubled: int = 2 ** min(max(attempt, 1) - 1, _DOUBLINGS)
    wait = min(policy.first_wait * doubled, policy.longest_wait)
    spread = random.uniform(-policy.jitter, policy.jitter)  # noqa: S311  no secret
    return wait * (1 + spread)


def claim(rows: WorkQuerySet[W], pk: int) -> W | None:
    """Take a row that is due under a lease; null if it is not, or another was first.

    What `rows` filters by must be true of the claimed row too, which is read by it.
    Two workers may both read the row as due. Their updates wait for each other, and
    PostgreSQL checks the condition again for the second: it finds a lease.
    """
    return next(iter(claim_all(rows, [pk])), None)


def claim_all(rows: WorkQuerySet[W], pks: Sequence[int]) -> list[W]:
    """Take those of the rows that are due, all under one lease; in order of their keys.

    Costs two statements, however many rows. A caller that claims several locks them
    first, in one order, or two such callers could wait for each other.
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
    """Select the rows of which the caller still has the lease.

    A lease that is over but that nobody else took counts: the work goes on.
    """
    rows = cast("QuerySet[W]", type(works[0]).objects.all())
    pks = [work.pk for work in works]
    return rows.filter(pk__in=pks, lease=works[0].lease, state=_State.RUNNING)


def renew(*works: W) -> bool:
    """Begin the lease again; false if one was lost: then stop at once."""
    until = DatabaseClock() + works[0].retries.lease
    return leased(*works).update(leased_until=until) == len(works)


def lock_lease(work: W) -> bool:
    """Lock the row until the transaction ends; false if the lease was lost.

    For work that is one transaction: it commits with its outcome or not at all, and
    nobody cancels half of it. Whoever wants the row waits for so long.
    """
    return leased(work).select_for_update().exists()


def finish(work: W, state: str = _State.DONE, **columns: Any) -> bool:
    """End the row; false, and nothing is written, if the lease was lost."""
    written = {"error_code": "", "error": "", **columns}
    ended = leased(work).update(
        state=state,
        finished_at=DatabaseClock(),
        lease=None,
        leased_until=None,
        # The claim that found the attempts used up was none.
        attempts=Least("attempts", work.retries.attempts),
        **written,
    )
    return bool(ended)


def give_up(work: W, *, code: str, message: str, **columns: Any) -> bool:
    """End the row as failed, for a person to look at; false if the lease was lost."""
    return finish(
        work, _State.FAILED, error_code=code[:_LONGEST_CODE], error=message, **columns
    )


def retry_later(work: W, *, code: str, message: str, **columns: Any) -> bool:
    """Give the row back until its wait is over; false if no attempt is left.

    Then nothing is written: the caller gives it up, with whatever that means for its
    kind. A lost lease is no failure: whoever has it now decides.
    """
    if not work.has_attempts_left:
        return False
    wait = backoff(work.retries, work.attempts)
    columns |= {"error_code": code[:_LONGEST_CODE], "error": message}
    _put_back(work, wait, columns)
    return True


def release(work: W, *, wait: timedelta, **columns: Any) -> None:
    """Give the row back without an attempt counted: nothing was tried."""
    _put_back(work, wait, {"attempts": work.attempts - 1, **columns})


def _put_back(work: W, wait: timedelta, columns: dict[str, Any]) -> None:
    leased(work).update(
        state=_State.PENDING,
        lease=None,
        leased_until=None,
        next_attempt_at=DatabaseClock() + wait,
        **columns,
    )


def restart(rows: QuerySet[Any], *, attempts: int = 0, **columns: Any) -> bool:
    """Make ended rows pending again, as people ask; false if none of them was there."""
    restarted = rows.update(
        state=_State.PENDING,
        attempts=attempts,
        next_attempt_at=timezone.now(),
        finished_at=None,
        **{"error_code": "", "error": "", **columns},
    )
    return bool(restarted)


def cancel(rows: WorkQuerySet[Any], *, reason: str) -> int:
    """End rows that are not done; a worker that has begun finds its lease lost."""
    return rows.unfinished().update(
        state=_State.CANCELED,
        finished_at=DatabaseClock(),
        lease=None,
        leased_until=None,
        error_code="",
        error=reason,
    )


def list_forgotten(rows: WorkQuerySet[Any], limit: int) -> list[int]:
    """Return the keys of rows that a sweep should enqueue, the longest due first."""
    return list(rows.forgotten().values_list("pk", flat=True)[:limit])


@transaction.atomic
def take_forgotten(
    rows: WorkQuerySet[Any], limit: int, *, pause: timedelta
) -> list[int]:
    """Return what `list_forgotten` does, and let no sweep repeat it for the pause.

    For kinds of which thousands may wait: else each sweep would add them to a queue
    that holds them already. Rows that another sweep or worker has locked are skipped.
    """
    locked = rows.forgotten().select_for_update(skip_locked=True)
    pks = list(locked.values_list("pk", flat=True)[:limit])
    rows.filter(pk__in=pks).update(sweep_after=DatabaseClock() + pause)
    return pks
