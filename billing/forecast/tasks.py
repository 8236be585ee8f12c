"""Celery tasks that keep the organization list sorted by projected limits."""

from celery import shared_task

from billing.forecast.commands import fill_limit_standings
from billing.forecast.queries.sort_keys import list_amiss, list_limited_after
from orgs.queue.debounce import gathered
from orgs.queue.enqueue import nudge

_BATCH = 1_000
_SWEEP_BATCH = 5_000  # organizations per sweep task


@shared_task
def prepare_limits() -> None:
    """Refresh the sort keys of organizations whose usage or terms changed."""
    for organization_ids in gathered(prepare_limits):
        fill_limit_standings(organization_ids)


@shared_task
def sweep_limits(after: int = 0) -> None:
    """Refresh every sort key as days pass, in parts that leave the worker free."""
    while not after and (stale := list_amiss(_BATCH)):
        fill_limit_standings(stale)
    limited = list_limited_after(after, limit=_SWEEP_BATCH)
    for start in range(0, len(limited), _BATCH):
        fill_limit_standings(limited[start : start + _BATCH])
    if len(limited) == _SWEEP_BATCH:
        nudge(sweep_limits, limited[-1])
