"""Celery tasks that prepare what lists show of forecasts: sort keys and ranges."""

from collections.abc import Iterable

from celery import shared_task

from billing.forecast.commands.bands import fill_bands, fill_missing_bands
from billing.forecast.commands.limit_rankings import fill_limit_rankings
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.forecast.queries.sort_keys import list_limited_after, list_stale
from orgs.queue import debounce
from orgs.queue.debounce import debounced_ids
from orgs.queue.enqueue import enqueue

_BATCH = 1_000
_SWEEP_BATCH = 5_000  # organizations per sweep task


@shared_task
def prepare_limits() -> None:
    """Refresh the sort keys of organizations whose usage or terms changed."""
    for organization_ids in debounced_ids(prepare_limits):
        fill_limit_rankings(organization_ids)
        fill_missing_bands(organization_ids)


@shared_task
def prepare_bands() -> None:
    """Prepare the ranges of forecasts that a list showed without one."""
    for organization_ids in debounced_ids(prepare_bands):
        fill_bands(organization_ids)


def request_bands(estimates: Iterable[tuple[int, EstimatedInvoice]]) -> None:
    """Have ranges prepared for the estimates of organizations that lack one.

    The next view shows them. What is lost is requested again by that view.
    """
    if ids := [id_ for id_, estimate in estimates if estimate.needs_range]:
        debounce.enqueue_debounced(prepare_bands, ids)


@shared_task
def sweep_limits(after: int = 0) -> None:
    """Refresh every sort key as days pass, one batch per task.

    Missing and stale keys come first. Each task enqueues the next, so that a large
    fleet does not occupy a worker for long.
    """
    while not after and (stale := list_stale(_BATCH)):
        fill_limit_rankings(stale)
    limited = list_limited_after(after, limit=_SWEEP_BATCH)
    for start in range(0, len(limited), _BATCH):
        fill_limit_rankings(limited[start : start + _BATCH])
    if len(limited) == _SWEEP_BATCH:
        enqueue(sweep_limits, limited[-1])
