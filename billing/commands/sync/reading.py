"""The run itself: stage after stage, page after page.

1. each stage reads what there was when the run began, newest first
2. then what was made since, for paging would miss it
3. then it looks for what is ours and was not met
Each page is written before the place is saved: killed in between, it is read again and
nothing more is written.
"""

import time
from typing import Any

import pghistory
from django.utils import timezone

from billing import gateway
from billing.commands.mirror import Fetch
from billing.commands.sync import runs
from billing.commands.sync.missing import look_for_missing
from billing.commands.sync.stages import ORDER, STAGES, Stage, Taken, prepare_late
from billing.models import SyncRun

SLICE_SECONDS = 5  # then others have their turn: usage is folded every ten
PATIENCE_SECONDS = 10  # the run comes again by itself


def advance(run_id: int) -> bool:
    """Go on with a run for some seconds; whether there is more to do at once."""
    run = runs.claim(run_id)
    if run is None:
        return False
    ends_at = time.monotonic() + SLICE_SECONDS
    try:
        with (
            pghistory.context(username="Stripe", sync=run.pk),
            gateway.patience(PATIENCE_SECONDS),
        ):
            is_more = not _read(run, ends_at)
    except runs.LeaseLost:
        return False
    except Exception as error:  # whatever it is: tried again from the same page
        runs.fail(run, error)
        return False
    return is_more


def _read(run: SyncRun, ends_at: float) -> bool:
    """Whether it came to the end."""
    while run.stage != SyncRun.Stage.ENDED:
        stage = STAGES[run.stage]
        unread: set[str] = set()
        if not _read_pages(run, stage, ends_at, unread):
            runs.release(run)
            return False
        _read_since(run, stage, unread)
        for outcome in look_for_missing(run, _fetch(run)):
            runs.save(run, cursor=run.cursor, written=outcome.written)
        runs.save(run, stage=ORDER[ORDER.index(run.stage) + 1])
    runs.finish(run)
    return True


def _fetch(run: SyncRun) -> Fetch:
    """The first run meets everything for the first time: that is no drift."""
    return Fetch(
        at=timezone.now(),
        by=run.requested_by or f"sync {run.pk}",
        run_id=run.pk,
        white_label_id=run.white_label_id,
        heals=run.heals,
        records_new=run.total is not None,
    )


def _read_pages(run: SyncRun, stage: Stage, ends_at: float, unread: set[str]) -> bool:
    """Whether they ended before the time did."""
    while True:
        fetch = _fetch(run)
        try:
            page = stage.list(after=run.cursor, until=run.started_at)
        except (gateway.Missing, gateway.Refused):
            if not run.cursor:
                raise
            runs.save(run)  # where we stood is deleted: from the beginning
            continue
        taken = stage.take(page.items, fetch)
        taken.errors += _count_unread(page, unread)
        cursor = page.last_id or run.cursor
        _save(run, taken, cursor=cursor, done=len(page.items))
        if not page.next_cursor:
            return True
        if time.monotonic() > ends_at:
            return False


def _read_since(run: SyncRun, stage: Stage, unread: set[str]) -> None:
    """What was made while we read; few, so it is read again after a kill."""
    after = ""
    while True:
        fetch = _fetch(run)
        page = stage.list(after=after, since=run.started_at)
        late = [item for item in page.items if _is_late(item, run)]
        prepare_late(stage, late, fetch)
        taken = stage.take(page.items, fetch)
        taken.errors += _count_unread(page, unread)
        _save(run, taken, cursor=run.cursor, done=len(late))
        if not (after := page.next_cursor):
            return


def _save(run: SyncRun, taken: Taken, *, cursor: str, done: int) -> None:
    runs.save(
        run,
        cursor=cursor,
        met=taken.met,
        done=done,
        written=taken.outcome.written,
        errors=taken.errors,
    )


def _count_unread(page: gateway.Page[Any], unread: set[str]) -> int:
    """Each once, though both passes meet it."""
    new = {error.stripe_id for error in page.malformed} - unread
    unread |= new
    return len(new)


def _is_late(item: Any, run: SyncRun) -> bool:
    """Not of the second in which both passes meet."""
    return run.started_at is not None and item.created_at > run.started_at
