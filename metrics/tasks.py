"""Background tasks of usage: partitions, stored bytes, roll-up, and rankings."""

from celery import shared_task

from metrics.commands import (
    partitions,
    push_runs,
    rerate_runs,
    roll_up,
    storage_days,
)
from metrics.commands.pushes import mark_changed
from metrics.commands.rankings import fill_rankings
from metrics.models import RerateRun
from metrics.queries.fleet import find_stale_rankings
from orgs.commands.work import list_forgotten
from orgs.queue.debounce import debounced_ids
from orgs.queue.enqueue import enqueue
from orgs.queue.slots import slot

_BATCH = 1_000  # organizations per transaction


@shared_task
def make_partitions() -> None:
    """Create the partitions of usage events for the coming months."""
    partitions.make_partitions()


@shared_task
def drop_partitions() -> None:
    """Drop the partitions of usage events that are older than the retention, if set."""
    partitions.drop_partitions()


@shared_task
def record_storage_days() -> None:
    """Record the stored bytes of each organization for the days that are over.

    Runs each hour, because days end at different hours; a day is recorded once.
    """
    storage_days.record_storage_days()


@shared_task
def roll_up_usage() -> None:
    """Roll up usage that was recorded since the last run, a few seconds ago."""
    roll_up.roll_up_usage()


@shared_task
def sweep_rankings() -> None:
    """Recompute rankings of organizations for which a new day has begun."""
    while stale := find_stale_rankings(_BATCH):
        fill_rankings(stale)


@shared_task
def mark_pushes() -> None:
    """Have the figures of organizations pushed that changed."""
    for organization_ids in debounced_ids(mark_pushes):
        mark_changed(organization_ids)


@shared_task
def push_due() -> None:
    """Send the pushes and backfills that are due, for a time slice.

    No effect while another worker does it: however many targets hang, they occupy one
    process.
    """
    with slot("pushes", 1) as has_slot:
        if has_slot:
            push_runs.run_pushes()


@shared_task
def run_rerate(run_id: int) -> None:
    """Continue a re-rate; a long one takes several tasks and blocks no worker."""
    if rerate_runs.advance(run_id):
        enqueue(run_rerate, run_id)
    else:
        roll_up.roll_up_usage()


@shared_task
def sweep_rerates() -> None:
    """Enqueue re-rates that were not enqueued or whose worker died."""
    for run_id in list_forgotten(RerateRun.objects.all(), _BATCH):
        enqueue(run_rerate, run_id)
