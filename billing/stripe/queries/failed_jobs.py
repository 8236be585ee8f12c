"""Reads of failed jobs: charges, Stripe actions and background jobs without retries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet

from billing.models import Charge, StripeAction
from orgs.models import Job, WhiteLabel

_MAX_ROWS = 100


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job whose retries are exhausted; `kind` is charge, action or job."""

    kind: str
    id: int
    title: str
    organization_id: int
    organization_name: str
    attempts: int
    code: str
    reason: str
    failed_at: datetime


def list_failed_jobs(
    white_labels: Sequence[WhiteLabel], *, limit: int | None = _MAX_ROWS
) -> list[FailedJob]:
    """Return the failed jobs of these white labels, newest first; None: all of them.

    Runs three statements, one for each kind of job.
    """
    jobs = [
        job for kind in _KINDS for job in _read(kind, white_labels, {}, limit=limit)
    ]
    return sorted(jobs, key=lambda job: job.failed_at, reverse=True)[:limit]


def find_failed_job(
    kind: str, id_: int, white_labels: Sequence[WhiteLabel]
) -> FailedJob | None:
    """Return a failed job of these white labels; null once it has been retried."""
    if kind not in _KINDS:
        return None
    return next(iter(_read(kind, white_labels, {"pk": id_}, limit=1)), None)


def _read(
    kind: str,
    white_labels: Sequence[WhiteLabel],
    filters: dict[str, Any],
    *,
    limit: int | None,
) -> list[FailedJob]:
    rows, organization = _KINDS[kind](white_labels)
    rows = rows.filter(**filters).order_by("-finished_at")
    # Under names that no model has as a field, or Django refuses the annotation.
    rows = rows.annotate(
        owner_id=F(f"{organization}__id"), owner_name=F(f"{organization}__name")
    )
    return [_failed_job(kind, row) for row in rows.values(*_COLUMNS[kind])[:limit]]


def _failed_job(kind: str, row: dict[str, Any]) -> FailedJob:
    return FailedJob(
        kind=kind,
        id=row["pk"],
        title=_title(kind, row),
        organization_id=row["owner_id"],
        organization_name=row["owner_name"],
        attempts=row["attempts"],
        code=row.get("error_code", ""),
        reason=row["error"],
        failed_at=row["finished_at"],
    )


def _charges(white_labels: Sequence[WhiteLabel]) -> tuple[QuerySet[Any], str]:
    rows = Charge.objects.filter(
        state=Charge.State.FAILED, period__organization__white_label__in=white_labels
    )
    return rows, "period__organization"


def _actions(white_labels: Sequence[WhiteLabel]) -> tuple[QuerySet[Any], str]:
    rows = StripeAction.objects.filter(
        state=StripeAction.State.FAILED, organization__white_label__in=white_labels
    )
    return rows, "organization"


def _jobs(white_labels: Sequence[WhiteLabel]) -> tuple[QuerySet[Any], str]:
    rows = Job.objects.filter(
        state=Job.State.FAILED,
        organization__white_label__in=white_labels,
    )
    return rows, "organization"


# The failed rows of each kind, and the path from a row to its organization.
_KINDS = {"charge": _charges, "action": _actions, "job": _jobs}
_COMMON_COLUMNS = (
    "pk",
    "kind",
    "attempts",
    "error",
    "finished_at",
    "owner_id",
    "owner_name",
)
_COLUMNS = {
    "charge": (*_COMMON_COLUMNS, "error_code", "product", "period__number"),
    "action": (*_COMMON_COLUMNS, "error_code"),
    "job": _COMMON_COLUMNS,
}


def _title(kind: str, row: dict[str, Any]) -> str:
    if kind == "charge":
        product = row["product"] or "Credit"
        return f"Invoice item: {product}, period {row['period__number']}"
    if kind == "action":
        return str(StripeAction.Kind(row["kind"]).label)
    return str(Job.Kind(row["kind"]).label)
