"""What the workers do for this app."""

from celery import shared_task

from metrics.commands import partitions, roll_up
from metrics.commands.rankings import fill_rankings
from metrics.queries.fleet import find_stale_rankings

_AT_A_TIME = 1_000


@shared_task
def make_partitions() -> None:
    """Make the coming months of the events table."""
    partitions.make_partitions()


@shared_task
def drop_partitions() -> None:
    """Drop the months of events that are older than the retention, if there is one."""
    partitions.drop_partitions()


@shared_task
def roll_up_usage() -> None:
    """Bring lists and fleet totals up to what was recorded in the last seconds."""
    roll_up.roll_up_usage()


@shared_task
def sweep_rankings() -> None:
    """Move everyone's 30 days on, once their day has begun, some at a time."""
    while stale := find_stale_rankings(_AT_A_TIME):
        fill_rankings(stale)
