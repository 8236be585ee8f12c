"""Jobs: asked for by a row, done once, by whoever claims it first."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from orgs.errors import Conflict
from orgs.models import Job, Organization, WhiteLabel

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=15)  # longer than a worker lets a task run
MAX_ATTEMPTS = 5
_WAIT = timedelta(minutes=1)  # after the first failure, twice that after the second, …


def start_job(organization: Organization, kind: str, *, created_by: str = "") -> Job:
    return Job.objects.create(
        organization=organization, kind=kind, created_by=created_by[:200]
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
    """End what is not done yet; a worker that has begun finds it ended, and stops."""
    jobs = Job.objects.unfinished().filter(organization_id=organization_id, kind=kind)
    jobs.update(state=Job.State.FAILED, finished_at=timezone.now(), error=reason)


def claim_job(job_id: int) -> Job | None:
    """Take a job for the time of a lease, unless somebody has it or it has ended."""
    now = timezone.now()
    claimed = (
        Job.objects.unfinished()
        .filter(Q(leased_until=None) | Q(leased_until__lte=now))
        .filter(pk=job_id, attempts__lt=MAX_ATTEMPTS)
        .update(
            state=Job.State.RUNNING,
            attempts=F("attempts") + 1,
            leased_until=now + LEASE,
            started_at=Coalesce("started_at", now),
        )
    )
    if not claimed:
        return None
    return Job.objects.select_related("organization__white_label").get(pk=job_id)


def do_job(job: Job, work: Callable[[Job], None]) -> None:
    """Do a claimed job and mark it done, both or neither.

    A failure is logged and tried again, five times in all. Costs a row lock while the
    work goes on, so that nobody can cancel half of it.
    """
    try:
        with transaction.atomic():
            if _still_ours(job):
                work(job)
                _end(job, Job.State.DONE)
    except Exception:  # whatever the work can raise
        logger.exception("job_failed id=%s attempt=%s", job.pk, job.attempts)
        _give_back(job)


def _still_ours(job: Job) -> bool:
    """Not cancelled, and not taken up by another after our lease."""
    same = Job.objects.filter(pk=job.pk, attempts=job.attempts)
    return same.filter(state=Job.State.RUNNING).select_for_update().exists()


def _end(job: Job, state: Job.State, error: str = "") -> None:
    Job.objects.filter(pk=job.pk, attempts=job.attempts).update(
        state=state, finished_at=timezone.now(), leased_until=None, error=error
    )


def _give_back(job: Job) -> None:
    if job.attempts >= MAX_ATTEMPTS:
        _end(job, Job.State.FAILED, _GAVE_UP)
        return
    Job.objects.filter(
        pk=job.pk, attempts=job.attempts, state=Job.State.RUNNING
    ).update(
        state=Job.State.PENDING, leased_until=timezone.now() + job.attempts * _WAIT
    )


_GAVE_UP = f"Failed after {MAX_ATTEMPTS} attempts; see the server log."


def retry_job(job_id: int) -> None:
    """Give a job that was given up its attempts anew; one called off stays so.

    Raises `Conflict`.
    """
    given_up = Job.objects.filter(pk=job_id, state=Job.State.FAILED, error=_GAVE_UP)
    again = given_up.update(
        state=Job.State.PENDING,
        attempts=0,
        leased_until=None,
        finished_at=None,
        error="",
    )
    if not again:
        raise Conflict("Only a failed job can be retried.", code="job_not_failed")


def fail_abandoned_jobs() -> int:
    """End jobs whose last attempt's worker died; answers how many."""
    now = timezone.now()
    dead = Job.objects.unfinished().filter(attempts__gte=MAX_ATTEMPTS)
    return dead.filter(leased_until__lte=now).update(
        state=Job.State.FAILED, finished_at=now, leased_until=None, error=_GAVE_UP
    )
