"""The main causes of a spike, and of a forecast that reaches a limit."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.alerts.measures import Measure
from billing.alerts.queries.measurements import Measurement
from billing.ledger.queries.cost_differences import CostDifference, explain_usage
from billing.ledger.queries.cost_spans import same_days
from billing.ledger.queries.difference_texts import describe_cause, main_causes
from billing.models import BillingPeriod
from metrics.periods import DayRange
from orgs.days import ONE_DAY, day_of
from orgs.models import Organization

_TYPICAL_DAYS = timedelta(days=14)  # from which the median of a spike is
Pair = tuple[DayRange, DayRange]


def find_causes(
    measurements: Sequence[Measurement],
    organizations: Mapping[int, Organization],
    costs: Mapping[int, Mapping[date, Decimal]],
) -> list[dict[str, Any]]:
    """Return the facts about causes of each measurement, in order.

    A spike is compared with the day before it whose cost is nearest to the typical one,
    and an expected cost with the same days of the period before. `costs` are those of
    the last days by organization. Empty for other measures. Two queries, and one more
    for each organization whose prices changed.
    """
    starts = _previous_starts(
        [row for row in measurements if row.measure is Measure.RUN_RATE]
    )
    pairs = {
        number: pair
        for number, row in enumerate(measurements)
        if (pair := _ranges(row, organizations, costs, starts))
    }
    if not pairs:
        return [{} for _ in measurements]
    explained = explain_usage(
        [organizations[measurements[number].organization_id] for number in pairs],
        list(pairs.values()),
    )
    differences = dict(zip(pairs, explained, strict=True))
    return [
        {
            "causes": [
                describe_cause(cause, differences[number].currency)
                for cause in main_causes(differences[number])
            ],
            "causes_compared": differences[number].compare_span.label,
            "causes_days": _days_of(differences[number]),
        }
        if number in differences
        else {}
        for number in range(len(measurements))
    ]


def _days_of(difference: CostDifference) -> dict[str, str]:
    """Return both ranges, named as the parameters of the costs page."""
    span, compared = difference.span, difference.compare_span
    return {
        "diff_from": span.days.start.isoformat(),
        "diff_through": span.through.isoformat(),
        "compare_from": compared.days.start.isoformat(),
        "compare_through": compared.through.isoformat(),
    }


def _ranges(
    measurement: Measurement,
    organizations: Mapping[int, Organization],
    costs: Mapping[int, Mapping[date, Decimal]],
    starts: Mapping[int, datetime],
) -> Pair | None:
    """Return the days to explain and those to compare with; None if there are none."""
    id_ = measurement.organization_id
    if measurement.measure is Measure.SPIKE:
        return _spike_days(measurement, costs.get(id_, {}))
    if measurement.measure is Measure.RUN_RATE:
        return _period_days(measurement, organizations[id_], starts.get(id_))
    return None


def _spike_days(measurement: Measurement, costs: Mapping[date, Decimal]) -> Pair | None:
    day = date.fromisoformat(measurement.context["day"])
    earlier = [
        other for other in costs if day - _TYPICAL_DAYS <= other < day and costs[other]
    ]
    if not earlier:
        return None
    base = measurement.base
    typical = min(earlier, key=lambda other: (abs(costs[other] - base), day - other))
    return DayRange(day, day + ONE_DAY), DayRange(typical, typical + ONE_DAY)


def _period_days(
    measurement: Measurement, organization: Organization, previous: datetime | None
) -> Pair:
    zone = organization.white_label.zone
    start = day_of(datetime.fromisoformat(measurement.context["starts_at"]), zone)
    end = date.fromisoformat(measurement.context["today"]) + ONE_DAY
    before = day_of(previous, zone) if previous else None
    return same_days(start, end, before=before)


def _previous_starts(measurements: Sequence[Measurement]) -> dict[int, datetime]:
    """Return when the period before the open one started, by organization."""
    if not measurements:
        return {}
    numbers = {row.organization_id: row.billing_period - 1 for row in measurements}
    rows = BillingPeriod.objects.filter(
        organization__in=numbers, number__in=set(numbers.values())
    ).values_list("organization_id", "number", "starts_at")
    return {id_: at for id_, number, at in rows if numbers[id_] == number}
