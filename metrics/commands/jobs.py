"""What each kind of job does."""

from metrics.commands.reports import make_report
from orgs.commands import claim_job, delete_organization, do_job
from orgs.models import Job


def _delete(job: Job) -> None:
    delete_organization(job.organization)


_WORK = {
    Job.Kind.DELETE_ORGANIZATION: _delete,
    Job.Kind.USAGE_REPORT: make_report,
}


def run_job(job_id: int) -> None:
    """Claim a job and do it; nothing when it has ended or somebody else has it."""
    job = claim_job(job_id)
    if job is not None:
        do_job(job, _WORK[Job.Kind(job.kind)])
