"""What the workers do for this app."""

from celery import shared_task

from metrics import commands
from metrics.queries import find_stale_standings
from orgs.commands.work import list_forgotten
from orgs.models import Job
from orgs.tasks import nudge

_AT_A_TIME = 1_000


@shared_task
def make_partitions() -> None:
    """Make the coming months of the events table."""
    commands.make_partitions()


@shared_task
def drop_partitions() -> None:
    """Drop the months of events that are older than the retention, if there is one."""
    commands.drop_partitions()


@shared_task
def fold_usage() -> None:
    """Bring lists and fleet totals up to what was recorded in the last seconds."""
    commands.fold_usage()


@shared_task
def sweep_standings() -> None:
    """Move everyone's 30 days on, once their day has begun, some at a time."""
    while stale := find_stale_standings(_AT_A_TIME):
        commands.fill_standings(stale)


@shared_task
def run_job(job_id: int) -> None:
    """Do a job once, however often it is asked for."""
    commands.run_job(job_id)


@shared_task
def sweep_jobs() -> None:
    """Nudge the jobs that nobody was told of or whose worker died."""
    for job_id in list_forgotten(Job.objects.all(), _AT_A_TIME):
        nudge(run_job, job_id)
