"""Execution of sync runs: stage after stage, page after page.

1. Each stage reads the objects that existed when the runs began, newest first.
2. It reads what was created since then, which paging from the start would miss.
3. It asks for the objects of Orgdesk that were not listed.

Runs of several white labels at the same page are executed as one batch, because Stripe
lists its whole account. Each page is written before the cursor is saved: after a crash
in between, the page is read again and nothing more is written.
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
from billing.stripe.commands.mirror.fetches import FetchContext, Outcome
from billing.stripe.commands.mirror.owners import Owner, find_owners
from billing.stripe.commands.mirror.unreadable import (
    record_malformed,
    resolve_readable,
)
from billing.stripe.commands.sync import runs
from billing.stripe.commands.sync.missing_objects import check_missing
from billing.stripe.commands.sync.stages import (
    ORDER,
    STAGES,
    PageResult,
    Stage,
    fetch_new_customers,
)

SLICE_SECONDS = 5  # then the worker is free for other tasks, such as rolling up usage
DEADLINE_SECONDS = 10  # of a call: a run that fails is retried from the same page
RunBatch = list[SyncRun]  # runs at the same page; never empty


def advance(run_id: int) -> bool:
    """Continue a run for some seconds; return whether it can continue at once."""
    batch = _without_exhausted(runs.claim(run_id))
    if not batch:
        return False
    ends_at = time.monotonic() + SLICE_SECONDS
    try:
        with gateway.deadline(DEADLINE_SECONDS):
            return not _run_stages(batch, ends_at)
    except runs.LeaseLost:
        return False
    except Exception as error:  # of any kind: retried from the same page
        for run in batch:
            runs.fail(run, error)
        return False


def _without_exhausted(batch: RunBatch) -> RunBatch:
    """End the runs whose worker died in their last attempt; return the others."""
    for run in batch:
        if run.is_exhausted:
            runs.fail(run, runs.WorkersDied())
    return [run for run in batch if not run.is_exhausted]


def _run_stages(batch: RunBatch, ends_at: float) -> bool:
    """Execute stages until the end or until `ends_at`; return whether all are done."""
    while batch[0].stage != SyncRun.Stage.ENDED:
        stage = STAGES[batch[0].stage]
        malformed_ids: set[str] = set()
        if not _read_pages(batch, stage, ends_at, malformed_ids):
            runs.release(batch)
            return False
        _read_new_objects(batch, stage, malformed_ids)
        _check_missing(batch)
        runs.save(batch, stage=ORDER[ORDER.index(batch[0].stage) + 1])
    runs.finish(batch)
    return True


def _check_missing(batch: RunBatch) -> None:
    """Ask for the unseen objects of each run, renewing the leases after each object."""
    cursor = batch[0].cursor
    for run in list(batch):
        with _isolated(batch, run):
            for outcome in check_missing(run, _context(run, timezone.now())):
                results = {run.pk: PageResult(outcome)}
                runs.save(batch, cursor=cursor, results=results)


def _context(run: SyncRun, at: datetime) -> FetchContext:
    """Return the context of a run's fetch.

    In the first run of a white label every object is new, so new objects are not
    recorded as differences.
    """
    return FetchContext(
        at=at,
        by=run.requested_by or f"sync {run.pk}",
        run_id=run.pk,
        white_label_id=run.white_label_id,
        repairs=run.repairs,
        records_new=run.total is not None,
    )


@contextmanager
def _isolated(batch: RunBatch, run: SyncRun) -> Iterator[None]:
    """Write history in the name of a run, and keep its errors from the others.

    A run that fails alone leaves the batch and is retried later. Errors of Stripe and
    lost leases concern all of them.
    """
    try:
        with pghistory.context(username="Stripe", sync=run.pk):
            yield
    except (gateway.GatewayError, runs.LeaseLost):
        raise
    except Exception as error:
        if len(batch) == 1:
            raise
        runs.fail(run, error)
        batch.remove(run)


def _read_pages(
    batch: RunBatch, stage: Stage, ends_at: float, malformed_ids: set[str]
) -> bool:
    """Read the pages of a stage; return false if `ends_at` came before the last one."""
    while True:
        at, cursor = timezone.now(), batch[0].cursor
        try:
            page = stage.list(after=cursor, until=batch[0].started_at)
        except (gateway.Missing, gateway.Refused):
            if not cursor:
                raise
            runs.save(batch)  # the object at the cursor was deleted: start over
            continue
        results = _mirror_page(batch, stage, page, at, malformed_ids)
        cursor = page.last_id or cursor
        runs.save(batch, cursor=cursor, done=len(page.items), results=results)
        if not page.next_cursor:
            return True
        if time.monotonic() > ends_at:
            return False


def _read_new_objects(batch: RunBatch, stage: Stage, malformed_ids: set[str]) -> None:
    """Read what was created since the runs began.

    These are few, so their cursor is not saved: after a crash all are read again.
    """
    after, cursor = "", batch[0].cursor
    while True:
        at = timezone.now()
        page = stage.list(after=after, since=batch[0].started_at)
        new_items = [item for item in page.items if _is_new(item, batch[0])]
        for run in list(batch):
            with _isolated(batch, run):
                fetch_new_customers(stage, new_items, _context(run, at))
        results = _mirror_page(batch, stage, page, at, malformed_ids)
        runs.save(batch, cursor=cursor, done=len(new_items), results=results)
        if not (after := page.next_cursor):
            return


def _is_new(item: Any, run: SyncRun) -> bool:
    """Return whether an object was not counted by the first pass.

    Both passes include the second in which the run began.
    """
    return run.started_at is not None and item.created_at > run.started_at


def _mirror_page(
    batch: RunBatch,
    stage: Stage,
    page: gateway.Page[Any],
    at: datetime,
    malformed_ids: set[str],
) -> Mapping[int, PageResult]:
    """Mirror a page for each run of the batch; return the results by run.

    A malformed object has no known owner, so it counts as an error of every run.
    """
    errors = _count_malformed(page, malformed_ids)
    owners = find_owners({stage.customer_of(item) for item in page.items})
    results: dict[int, PageResult] = {}
    for run in list(batch):
        with _isolated(batch, run):
            items = _select_items(page.items, stage, run, owners)
            result = PageResult(Outcome())
            if items:
                result = stage.mirror(items, _context(run, at))
            result.errors += errors
            record_malformed(page, _context(run, at))
            results[run.pk] = result
    unreadable = {id_ for result in results.values() for id_ in result.unreadable}
    readable = {item.id for item in page.items} - unreadable
    resolve_readable(sorted(readable), _context(batch[0], at))
    return results


def _select_items(
    items: Sequence[Any], stage: Stage, run: SyncRun, owners: Mapping[str, Owner]
) -> list[Any]:
    """Return the objects of a page that a run mirrors.

    These are its white label's; in stages that are for all white labels also those
    without an owner, and one of another white label: it proves that the key belongs to
    the known Stripe account.
    """
    selected, has_foreign = [], False
    for item in items:
        owner = owners.get(stage.customer_of(item))
        if owner is None:
            is_selected = stage.is_for_all
        elif owner.white_label_id == run.white_label_id:
            is_selected = True
        else:
            is_selected, has_foreign = stage.is_for_all and not has_foreign, True
        selected += [item] * is_selected
    return selected


def _count_malformed(page: gateway.Page[Any], malformed_ids: set[str]) -> int:
    """Count the malformed objects of a page that neither pass has met before."""
    new_ids = {error.stripe_id for error in page.malformed} - malformed_ids
    malformed_ids |= new_ids
    return len(new_ids)
