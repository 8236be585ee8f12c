"""Jobs: a row asks for each, and one worker at a time does it."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from orgs.commands import work
from orgs.errors import Conflict
from orgs.models import Job, Organization, WhiteLabel

logger = logging.getLogger(__name__)
_ENQUEUED_WITHIN = timedelta(minutes=1)  # else a sweep sends another message


def start_job(organization: Organization, kind: str, *, created_by: str = "") -> Job:
    """Write down a job, for a worker that the caller enqueues."""
    return Job.objects.create(
        organization=organization,
        kind=kind,
        created_by=created_by[:200],
        sweep_after=timezone.now() + _ENQUEUED_WITHIN,
    )


def refuse_owner(organization: Organization) -> None:
    """Without its owner nobody could reach a white label by contract A again."""
    if WhiteLabel.objects.filter(owner=organization).exists():
        raise Conflict("An organization that owns a white label can't be deleted.")


@transaction.atomic
def start_deletion(organization: Organization, *, created_by: str = "") -> Job:
    """Ask for a deletion; asked again while that is under way, it is the same job.

    Raises `Conflict` for the owner of a white label: nobody could reach that again.
    """
    Organization.objects.select_for_update().get(pk=organization.pk)
    refuse_owner(organization)
    kind = Job.Kind.DELETE_ORGANIZATION
    asked = Job.objects.unfinished().filter(organization=organization, kind=kind)
    return asked.first() or start_job(organization, kind, created_by=created_by)


def cancel_jobs(organization_id: int, kind: str, *, reason: str) -> None:
    """Cancel the jobs that are not done; a worker that has begun one stops."""
    jobs = Job.objects.filter(organization_id=organization_id, kind=kind)
    work.cancel(jobs, reason=reason)


Handler = Callable[[Job], None]
_HANDLERS: dict[str, Handler] = {}


def register_job(kind: Job.Kind, handler: Handler) -> None:
    """Register the function that does jobs of a kind, when its app is ready."""
    _HANDLERS[kind] = handler


def run_job(job_id: int) -> None:
    """Claim a job and do it; nothing when it has ended or another worker has it."""
    job = claim_job(job_id)
    if job is not None:
        do_job(job, _HANDLERS[job.kind])


def claim_job(job_id: int) -> Job | None:
    """Take a job under a lease; null if another worker has it or it has ended."""
    return work.claim(Job.objects.select_related("organization__white_label"), job_id)


def do_job(job: Job, task: Callable[[Job], None]) -> None:
    """Do a claimed job and mark it done, both or neither.

    A failure is logged and tried again, five times in all. Costs a row lock while the
    task goes on, so that nobody can cancel half of it.
    """
    if job.is_exhausted:
        _give_up(job)
        return
    try:
        with transaction.atomic():
            if work.lock_lease(job):
                task(job)
                work.finish(job)
    except Exception:  # whatever the task can raise
        logger.exception("job_failed id=%s attempt=%s", job.pk, job.attempts)
        if not work.retry_later(job, code="unexpected", message=""):
            _give_up(job, code="unexpected")


def _give_up(job: Job, *, code: str = "worker_died") -> None:
    message = f"Failed after {job.retries.attempts} attempts; see the server log."
    work.give_up(job, code=code, message=message)


def retry_job(job_id: int) -> None:
    """Give a failed job its attempts again; a canceled one stays canceled.

    Raises `Conflict`.
    """
    failed = Job.objects.filter(pk=job_id, state=Job.State.FAILED)
    if not work.restart(failed):
        raise Conflict("Only a failed job can be retried.", code="job_not_failed")
