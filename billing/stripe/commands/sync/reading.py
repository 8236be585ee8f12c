"""The run itself: stage after stage, page after page, for all that stand there.

1. each stage reads what there was when the runs began, newest first
2. then what was made since, for paging would miss it
3. then it looks for what is ours and was not met
Each page is written before the place is saved: killed in between, it is read again and
nothing more is written.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pghistory
from django.utils import timezone

from billing import gateway
from billing.models import SyncRun
from billing.stripe.commands.mirror.fetches import Fetch, Outcome
from billing.stripe.commands.mirror.owners import Owner, owners_of
from billing.stripe.commands.sync import runs
from billing.stripe.commands.sync.missing import look_for_missing
from billing.stripe.commands.sync.stages import (
    ORDER,
    STAGES,
    Stage,
    Taken,
    prepare_late,
)

SLICE_SECONDS = 5  # then others have their turn: usage is folded every ten
DEADLINE_SECONDS = 10  # the run comes again by itself
Party = list[SyncRun]  # that stand at the same page, and never none


def advance(run_id: int) -> bool:
    """Go on with a run for some seconds; whether there is more to do at once."""
    party = _without_exhausted(runs.claim(run_id))
    if not party:
        return False
    ends_at = time.monotonic() + SLICE_SECONDS
    try:
        with gateway.deadline(DEADLINE_SECONDS):
            return not _read(party, ends_at)
    except runs.LeaseLost:
        return False
    except Exception as error:  # whatever it is: tried again from the same page
        for run in party:
            runs.fail(run, error)
        return False


def _without_exhausted(party: Party) -> Party:
    """End the runs whose worker died in their last attempt; return the others."""
    for run in party:
        if run.is_exhausted:
            runs.fail(run, runs.WorkersDied())
    return [run for run in party if not run.is_exhausted]


def _read(party: Party, ends_at: float) -> bool:
    """Whether they came to the end."""
    while party[0].stage != SyncRun.Stage.ENDED:
        stage = STAGES[party[0].stage]
        unread: set[str] = set()
        if not _read_pages(party, stage, ends_at, unread):
            runs.release(party)
            return False
        _read_since(party, stage, unread)
        _look_for_missing(party)
        runs.save(party, stage=ORDER[ORDER.index(party[0].stage) + 1])
    runs.finish(party)
    return True


def _look_for_missing(party: Party) -> None:
    cursor = party[0].cursor
    for run in list(party):
        with _alone(party, run):
            for outcome in look_for_missing(run, _fetch(run, timezone.now())):
                runs.save(party, cursor=cursor, taken={run.pk: Taken(outcome)})


def _fetch(run: SyncRun, at: datetime) -> Fetch:
    """The first run meets everything for the first time: that is no drift."""
    return Fetch(
        at=at,
        by=run.requested_by or f"sync {run.pk}",
        run_id=run.pk,
        white_label_id=run.white_label_id,
        repairs=run.repairs,
        records_new=run.total is not None,
    )


@contextmanager
def _alone(party: Party, run: SyncRun) -> Iterator[None]:
    """What a run does is in its name; its trouble is not the others'."""
    try:
        with pghistory.context(username="Stripe", sync=run.pk):
            yield
    except (gateway.GatewayError, runs.LeaseLost):
        raise
    except Exception as error:
        if len(party) == 1:
            raise
        runs.fail(run, error)
        party.remove(run)


# --- pages --------------------------------------------------------------------------


def _read_pages(party: Party, stage: Stage, ends_at: float, unread: set[str]) -> bool:
    """Whether they ended before the time did."""
    while True:
        at, cursor = timezone.now(), party[0].cursor
        try:
            page = stage.list(after=cursor, until=party[0].started_at)
        except (gateway.Missing, gateway.Refused):
            if not cursor:
                raise
            runs.save(party)  # where we stood is deleted: from the beginning
            continue
        taken = _take(party, stage, page, at, unread)
        cursor = page.last_id or cursor
        runs.save(party, cursor=cursor, done=len(page.items), taken=taken)
        if not page.next_cursor:
            return True
        if time.monotonic() > ends_at:
            return False


def _read_since(party: Party, stage: Stage, unread: set[str]) -> None:
    """What was made while we read; few, so it is read again after a kill."""
    after, cursor = "", party[0].cursor
    while True:
        at = timezone.now()
        page = stage.list(after=after, since=party[0].started_at)
        late = [item for item in page.items if _is_late(item, party[0])]
        for run in list(party):
            with _alone(party, run):
                prepare_late(stage, late, _fetch(run, at))
        taken = _take(party, stage, page, at, unread)
        runs.save(party, cursor=cursor, done=len(late), taken=taken)
        if not (after := page.next_cursor):
            return


def _is_late(item: Any, run: SyncRun) -> bool:
    """Not of the second in which both passes meet."""
    return run.started_at is not None and item.created_at > run.started_at


def _take(
    party: Party, stage: Stage, page: gateway.Page[Any], at: datetime, unread: set[str]
) -> Mapping[int, Taken]:
    """Each run takes of a page what concerns it, and counts what nobody could read."""
    errors = _count_unread(page, unread)
    owners = owners_of({stage.customer_of(item) for item in page.items})
    found: dict[int, Taken] = {}
    for run in list(party):
        with _alone(party, run):
            share = _share(page.items, stage, run, owners)
            taken = stage.take(share, _fetch(run, at)) if share else Taken(Outcome())
            taken.errors += errors
            found[run.pk] = taken
    return found


def _share(
    items: Sequence[Any], stage: Stage, run: SyncRun, owners: Mapping[str, Owner]
) -> list[Any]:
    """What is of its white label; of the rest, what any run has to see.

    One that is another's says that the account is the one we know.
    """
    share, has_others = [], False
    for item in items:
        owner = owners.get(stage.customer_of(item))
        if owner is None:
            is_wanted = stage.is_for_all
        elif owner.white_label_id == run.white_label_id:
            is_wanted = True
        else:
            is_wanted, has_others = stage.is_for_all and not has_others, True
        share += [item] * is_wanted
    return share


def _count_unread(page: gateway.Page[Any], unread: set[str]) -> int:
    """Each once, though both passes meet it."""
    new = {error.stripe_id for error in page.malformed} - unread
    unread |= new
    return len(new)
