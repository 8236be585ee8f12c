"""Background jobs of an organization: a row for each, done by one worker at a time."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from orgs.commands import work
from orgs.errors import Conflict
from orgs.models import Job, Organization, WhiteLabel

logger = logging.getLogger(__name__)
_ENQUEUED_WITHIN = timedelta(minutes=1)  # after that a sweep enqueues it again


def start_job(organization: Organization, kind: str, *, created_by: str = "") -> Job:
    """Create a job; the caller enqueues its task after the commit."""
    return Job.objects.create(
        organization=organization,
        kind=kind,
        created_by=created_by[:200],
        sweep_after=timezone.now() + _ENQUEUED_WITHIN,
    )


def refuse_owner(organization: Organization) -> None:
    """Raise `Conflict` if the organization owns a white label.

    Contract A finds a white label by its owner: without it there would be no access.
    """
    if WhiteLabel.objects.filter(owner=organization).exists():
        raise Conflict("An organization that owns a white label can't be deleted.")


@transaction.atomic
def start_deletion(organization: Organization, *, created_by: str = "") -> Job:
    """Create a job that deletes an organization, or return the unfinished one.

    Raises `Conflict` for the owner of a white label.
    """
    # The lock makes two requests at the same time create one job.
    Organization.objects.select_for_update().get(pk=organization.pk)
    refuse_owner(organization)
    kind = Job.Kind.DELETE_ORGANIZATION
    unfinished = Job.objects.unfinished().filter(organization=organization, kind=kind)
    return unfinished.first() or start_job(organization, kind, created_by=created_by)


def cancel_jobs(organization_id: int, kind: str, *, reason: str) -> None:
    """Cancel the unfinished jobs of a kind; a worker at one of them stops."""
    jobs = Job.objects.filter(organization_id=organization_id, kind=kind)
    work.cancel(jobs, reason=reason)


Handler = Callable[[Job], None]
_HANDLERS: dict[str, Handler] = {}


def register_job(kind: Job.Kind, handler: Handler) -> None:
    """Register the function that does the jobs of a kind; apps call it when ready."""
    _HANDLERS[kind] = handler


def run_job(job_id: int) -> None:
    """Claim a job and do it; no effect if it has ended or another worker has it."""
    job = claim_job(job_id)
    if job is not None:
        do_job(job, _HANDLERS[job.kind])


def claim_job(job_id: int) -> Job | None:
    """Claim a job under a lease; None if it has ended or another worker has it."""
    return work.claim(Job.objects.select_related("organization__white_label"), job_id)


def do_job(job: Job, task: Callable[[Job], None]) -> None:
    """Do a claimed job and mark it as done, in one transaction.

    A failure is logged and retried, five attempts in all. The row is locked while the
    task runs, so that a job cannot be canceled halfway.
    """
    if job.is_exhausted:
        _fail_job(job)
        return
    try:
        with transaction.atomic():
            if work.lock_lease(job):
                task(job)
                work.finish(job)
    except Exception:  # tasks raise errors of many kinds
        logger.exception("job_failed id=%s attempt=%s", job.pk, job.attempts)
        if not work.retry_later(job, code="unexpected", message=""):
            _fail_job(job, code="unexpected")


def _fail_job(job: Job, *, code: str = "worker_died") -> None:
    message = f"Failed after {job.retries.attempts} attempts; see the server log."
    work.fail(job, code=code, message=message)


def retry_job(job_id: int) -> None:
    """Retry a failed job, with all its attempts.

    Raises `Conflict` for any other job; a canceled one stays canceled.
    """
    failed = Job.objects.filter(pk=job_id, state=Job.State.FAILED)
    if not work.restart(failed):
        raise Conflict("Only a failed job can be retried.", code="job_not_failed")
