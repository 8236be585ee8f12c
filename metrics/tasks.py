"""What the workers do for this app."""

from celery import shared_task

from metrics import commands
from metrics.queries import find_stale_standings

_AT_A_TIME = 1_000


@shared_task
def make_partitions() -> None:
    """Make the coming months of the events table."""
    commands.make_partitions()


@shared_task
def fill_standings(organization_ids: list[int]) -> None:
    """Prepare the list's order after a recording; losing this loses minutes."""
    commands.fill_standings(organization_ids)


@shared_task
def sweep_standings() -> None:
    """Move everyone's 30 days on, once their day has begun, some at a time."""
    while stale := find_stale_standings(_AT_A_TIME):
        commands.fill_standings(stale)
