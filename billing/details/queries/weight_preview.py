"""What a change of a white label would cause, measured by making and undoing it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing.details.queries.consequences import (
    Consequences,
    State,
    compare_states,
    measure_state,
)
from metrics.queries.gpu_use import GpuUse, find_gpu_use, period_compute
from metrics.queries.periods import list_open_periods
from orgs.days import day_of
from orgs.models import Organization, WhiteLabel

SHOWN = 10  # organizations, those with the most GPU seconds


@dataclass(frozen=True, slots=True)
class ComputeChange:
    """The compute of an organization in its open period, before and after."""

    organization: Organization
    before: int
    after: int
    consequences: Consequences


@dataclass(frozen=True, slots=True)
class WeightPreview:
    """The change of a GPU weight: all organizations in sum, and the largest by name."""

    weights: tuple[int, int]
    use: GpuUse
    rows: Sequence[ComputeChange]

    @property
    def is_empty(self) -> bool:
        return self.weights[0] == self.weights[1] or not self.rows

    @property
    def totals(self) -> tuple[int, int]:
        """The compute of all organizations before and after."""
        before, after = (self.use.compute_seconds(weight) for weight in self.weights)
        return before, after

    @property
    def more(self) -> int:
        """How many organizations are not listed."""
        return self.use.organizations - len(self.rows)

    @property
    def changes_no_limits(self) -> bool:
        return all(row.consequences.is_empty for row in self.rows)


def preview_white_label(
    white_label: WhiteLabel,
    change: Callable[[], object],
    *,
    now: datetime,
    shows_money: bool,
) -> WeightPreview:
    """Return what a change of a white label would cause; nothing of it remains.

    The row of the white label is locked meanwhile. Costs one statement for all its
    organizations, and a bounded number for each of `SHOWN`. Raises what
    `change` raises.
    """
    use = find_gpu_use(white_label, count=SHOWN)
    before = _measure(use.most, now, shows_money=shows_money)
    with transaction.atomic():
        change()
        weight = WhiteLabel.objects.values_list("gpu_weight", flat=True)
        weights = white_label.gpu_weight, weight.get(pk=white_label.pk)
        # With the same weight all figures are those of before.
        is_changed = weights[0] != weights[1]
        after = _measure(use.most, now, shows_money=shows_money) if is_changed else {}
        transaction.set_rollback(True)
    rows = [_compare(before[id_], after[id_]) for id_ in use.most if is_changed]
    return WeightPreview(weights, use, rows)


@dataclass(frozen=True, slots=True)
class _Measured:
    organization: Organization
    compute: int
    state: State


def _measure(
    ids: Sequence[int], now: datetime, *, shows_money: bool
) -> dict[int, _Measured]:
    """Return the figures of organizations, read again with their white label."""
    organizations = Organization.objects.select_related("white_label").in_bulk(ids)
    starts = {row.organization_id: row.starts_at for row in list_open_periods(ids)}
    measured = {}
    for id_, organization in organizations.items():
        zone = organization.white_label.zone
        since, today = day_of(starts[id_], zone), day_of(now, zone)
        measured[id_] = _Measured(
            organization,
            period_compute(organization, since=since, today=today),
            measure_state(organization, now, shows_money=shows_money),
        )
    return measured


def _compare(before: _Measured, after: _Measured) -> ComputeChange:
    consequences = compare_states(before.state, after.state)
    return ComputeChange(
        before.organization, before.compute, after.compute, consequences
    )
