"""Sending what is due to many targets at the same time, for a time slice.

The database is used by one thread; only requests wait in others. So a target that hangs
costs the others nothing, and each one at most its deadline.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from metrics.commands.backfills import claim_backfill
from metrics.commands.pushes import Delivery, claim_push
from metrics.queries.pushes import list_due_backfills, list_due_pushes
from orgs.outbound import Answer, send

logger = logging.getLogger(__name__)
_CONCURRENCY = 16  # requests; each holds one prepared body in memory
_SLICE_SECONDS = 20.0  # then other tasks have their turn


def run_pushes() -> None:
    """Send what is due until nothing is, or the time slice is over."""
    end = time.monotonic() + _SLICE_SECONDS
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        _run(pool, end)


def _run(pool: ThreadPoolExecutor, end: float) -> None:
    running: dict[Future[Answer], Delivery] = {}
    deliveries = _deliveries(end)
    while True:
        while len(running) < _CONCURRENCY and (row := next(deliveries, None)):
            running[pool.submit(send, row.address, row.body, row.headers)] = row
        if not running:
            return
        # Not for long: what becomes due meanwhile takes the slots that are free.
        done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in done:
            _record(running.pop(future), future)
        if time.monotonic() < end:
            deliveries = _deliveries(end)


def _record(delivery: Delivery, future: Future[Answer]) -> None:
    """Record an answer; what raises costs this delivery its lease and no other one."""
    try:
        delivery.record(future.result())
    except Exception:
        logger.exception("push_not_recorded")


def _deliveries(end: float) -> Iterator[Delivery]:
    """Yield claimed requests, longest due first; pushes before backfills."""
    for claim, keys in (
        (claim_push, list_due_pushes),
        (claim_backfill, list_due_backfills),
    ):
        while pks := keys(_CONCURRENCY):
            for pk in pks:
                if time.monotonic() > end:
                    return
                if delivery := claim(pk):
                    yield delivery
