"""What workers gave up: charges, what people asked of Stripe, and jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet

from billing.models import Charge, StripeAction
from orgs.models import Job, WhiteLabel

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Failure:
    """One task that failed for good; `kind` is charge, action or job."""

    kind: str
    id: int
    what: str
    organization_id: int
    organization_name: str
    attempts: int
    code: str
    reason: str
    failed_at: datetime


def list_failures(white_labels: Sequence[WhiteLabel]) -> list[Failure]:
    """Newest first; three statements."""
    found = [
        failure
        for kind in _KINDS
        for failure in _read(kind, white_labels, {}, limit=_SHOWN)
    ]
    return sorted(found, key=lambda one: one.failed_at, reverse=True)[:_SHOWN]


def find_failure(
    kind: str, id_: int, white_labels: Sequence[WhiteLabel]
) -> Failure | None:
    """Nothing for one of another white label, or one that goes on again."""
    if kind not in _KINDS:
        return None
    return next(iter(_read(kind, white_labels, {"pk": id_}, limit=1)), None)


def _read(
    kind: str, white_labels: Sequence[WhiteLabel], only: dict[str, Any], *, limit: int
) -> list[Failure]:
    rows, organization = _KINDS[kind](white_labels)
    whose, name = F(f"{organization}__id"), F(f"{organization}__name")
    found = (
        rows.filter(**only).order_by("-finished_at").annotate(whose=whose, name=name)
    )
    return [_failure(kind, row) for row in found.values(*_COLUMNS[kind])[:limit]]


def _failure(kind: str, row: dict[str, Any]) -> Failure:
    return Failure(
        kind=kind,
        id=row["pk"],
        what=_what(kind, row),
        organization_id=row["whose"],
        organization_name=row["name"],
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


_KINDS = {"charge": _charges, "action": _actions, "job": _jobs}
_ALL = ("pk", "kind", "attempts", "error", "finished_at", "whose", "name")
_COLUMNS = {
    "charge": (*_ALL, "error_code", "product", "period__number"),
    "action": (*_ALL, "error_code"),
    "job": _ALL,
}


def _what(kind: str, row: dict[str, Any]) -> str:
    if kind == "charge":
        line = row["product"] or "Credit"
        return f"Invoice item: {line}, period {row['period__number']}"
    if kind == "action":
        return str(StripeAction.Kind(row["kind"]).label)
    return str(Job.Kind(row["kind"]).label)
