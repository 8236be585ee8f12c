"""Reads of re-rates: the latest of a white label, and what one changes most."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from metrics.models import RerateRun
from orgs.models import Organization

RUNS_ON_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class CostChange:
    """The cost of an organization's open period before and after a re-rate."""

    organization: Organization
    old: Decimal
    new: Decimal


def list_runs(white_label_id: int) -> Sequence[RerateRun]:
    """Return the latest runs of a white label, newest first."""
    rows = RerateRun.objects.filter(white_label_id=white_label_id)
    return list(rows.order_by("-id")[:RUNS_ON_A_PAGE])


def find_run(run_id: int, white_label_ids: Collection[int]) -> RerateRun | None:
    """Return a run of one of these white labels, or None."""
    rows = RerateRun.objects.select_related("white_label", "preview")
    return rows.filter(pk=run_id, white_label__in=white_label_ids).first()


def largest_changes(run: RerateRun) -> list[CostChange]:
    """Return the organizations whose cost a run changes most; one statement."""
    names = Organization.objects.in_bulk([row[0] for row in run.largest])
    return [
        CostChange(names[id_], Decimal(old), Decimal(new))
        for id_, old, new, _ in run.largest
        if id_ in names
    ]
