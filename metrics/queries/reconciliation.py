"""Costs of a period, computed from its events and from daily usage to compare them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from metrics.events import CLOCK_MARGIN, MAX_AGE
from metrics.models import CarriedUsage
from metrics.periods import DayRange
from metrics.queries import pricing
from metrics.queries.partitions import has_all_events, list_event_partitions
from orgs.days import ONE_DAY, day_of
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class PeriodSpan:
    """A billing period, from `starts_at` until it was closed, or until now."""

    number: int
    starts_at: datetime
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class ProductCheck:
    """Exact costs of one product in a period, from two sources.

    `events` is the sum over its events, null if a month of them was dropped; `daily` is
    the sum of daily usage. `late` is the part of `daily` on days before the period
    started. `voided` is in neither sum; `credited` was refunded and is in both.
    """

    product: str
    events: Decimal | None
    daily: Decimal
    late: Decimal
    voided: Decimal
    credited: Decimal


@dataclass(frozen=True, slots=True)
class MeterCheck:
    """Quantities of a meter in a period: recorded, and what became of them.

    `recorded` is the sum of daily usage. `priced`, `free` (at a rate of 0), and
    `unpriced` are the sums over the events; the first two are null if a month of them
    was dropped, and `unpriced` is then that of daily usage.
    """

    product: str
    meter: str
    recorded: int
    priced: int | None
    free: int | None
    unpriced: int

    @property
    def is_complete(self) -> bool:
        """Priced, free, and unpriced quantities add up to what was recorded."""
        if self.priced is None or self.free is None:
            return True  # not known
        return self.priced + self.free + self.unpriced == self.recorded


@dataclass(frozen=True, slots=True)
class PeriodCheck:
    """The products of a period, by name, and its meters, by product and name."""

    products: Sequence[ProductCheck]
    meters: Sequence[MeterCheck]


@dataclass(frozen=True, slots=True)
class RerateFacts:
    """A correction that re-rated the period while it was open."""

    old_cost: Decimal
    new_cost: Decimal
    by: str
    note: str
    at: datetime


# Events of the period, and of earlier ones whose unpriced usage may be carried into it.
_EVENTS = """
select e.* from metrics_usageevent e
where e.organization_id = %(id)s and e.at >= %(from)s and e.at < %(until)s
    and (e.period = %(number)s or exists (
        select from chain c where c.product = e.product and c.first = e.period
            and c.period = %(number)s))
    and not """
# A full join, so that a meter in only one of the sources is listed. One statement, so
# that all sums are of the same snapshot.
_CHECK = f"""
{pricing.priced_sums(_EVENTS + pricing.IS_VOIDED)}, event as (
    select product, meter, sum(cost) as cost, sum(quantity) as quantity,
        sum(free) as free, sum(unpriced) as unpriced
    from summed where period = %(number)s group by 1, 2
), daily as (
    select product, meter, sum(cost) as cost, sum(quantity) as quantity,
        sum(unpriced_quantity) as unpriced, min(day) as first, max(day) as last,
        coalesce(sum(cost) filter (where day < %(first)s), 0) as late
    from metrics_usage where organization_id = %(id)s and period = %(number)s
    group by 1, 2
)
select product, meter, coalesce(e.cost, 0), coalesce(e.quantity, 0),
    coalesce(e.free, 0), coalesce(e.unpriced, 0), coalesce(d.cost, 0),
    coalesce(d.quantity, 0), coalesce(d.unpriced, 0), coalesce(d.late, 0), d.first,
    d.last
from event e full join daily d using (product, meter) order by 1, 2
"""  # noqa: S608  ours

_VOIDED_EVENTS = """
select e.* from metrics_usagevoid v
join metrics_usageevent e using (organization_id, event_id, at)
where v.organization_id = %(id)s and v.period = %(number)s
    and v.is_credited = """
_VOIDED = f"""
{pricing.priced_sums(_VOIDED_EVENTS + "%(credited)s")}
select product, sum(cost) from summed group by 1
"""  # noqa: S608  ours

_RERATED = """
select r.old_cost, r.new_cost, c.by, c.note, c.started_at
from metrics_periodrerating r join metrics_correction c on c.id = r.correction_id
where r.organization_id = %(id)s and r.period = %(number)s order by r.price_version
"""


class _CheckRow(NamedTuple):
    product: str
    meter: str
    event_cost: Decimal
    event_quantity: Decimal
    free: Decimal
    unpriced: Decimal
    daily_cost: Decimal
    daily_quantity: Decimal
    daily_unpriced: Decimal
    late: Decimal
    first: date | None
    last: date | None


def check_period(organization: Organization, span: PeriodSpan) -> PeriodCheck:
    """Return the costs of every product of the period, and the quantities of meters.

    Five statements. Costs a read of all events of the period.
    """
    parameters = _parameters(organization, span)
    rows = [_CheckRow(*row) for row in _fetch(_CHECK, parameters)]
    voided = dict(_fetch(_VOIDED, parameters | {"credited": False}))
    credited = dict(_fetch(_VOIDED, parameters | {"credited": True}))
    used_days = [day for row in rows for day in (row.first, row.last) if day]
    is_complete = _has_events(used_days, organization)
    return PeriodCheck(
        products=[
            _check_product(
                product,
                [row for row in rows if row.product == product],
                voided.get(product, Decimal(0)),
                credited.get(product, Decimal(0)),
                is_complete=is_complete,
            )
            for product in sorted({row.product for row in rows} | voided.keys())
        ],
        meters=[_check_meter(row, is_complete=is_complete) for row in rows],
    )


def _check_product(
    product: str,
    rows: Sequence[_CheckRow],
    voided: Decimal,
    credited: Decimal,
    *,
    is_complete: bool,
) -> ProductCheck:
    events = sum((row.event_cost for row in rows), Decimal(0))
    return ProductCheck(
        product,
        events if is_complete else None,
        sum((row.daily_cost for row in rows), Decimal(0)),
        sum((row.late for row in rows), Decimal(0)),
        voided,
        credited,
    )


def _check_meter(row: _CheckRow, *, is_complete: bool) -> MeterCheck:
    recorded, unpriced = int(row.daily_quantity), int(row.daily_unpriced)
    if not is_complete:
        return MeterCheck(row.product, row.meter, recorded, None, None, unpriced)
    priced = int(row.event_quantity - row.free - row.unpriced)
    return MeterCheck(
        row.product, row.meter, recorded, priced, int(row.free), int(row.unpriced)
    )


def list_rerates(organization_id: int, number: int) -> list[RerateFacts]:
    """Return the re-rates of a period, oldest first."""
    rows = _fetch(_RERATED, {"id": organization_id, "number": number})
    return [RerateFacts(*row) for row in rows]


def _parameters(organization: Organization, span: PeriodSpan) -> dict[str, Any]:
    """Return the parameters of the statements, with the instants that bound the events.

    An event is accepted until it is `MAX_AGE` old, so a period has none before that.
    The first period is not bounded: older usage may have been loaded into it. Nor is a
    period with carried usage, which can be as old as the periods before.
    """
    label = organization.white_label
    first = span.starts_at - MAX_AGE - CLOCK_MARGIN
    has_carried = CarriedUsage.objects.filter(
        organization_id=organization.pk, period=span.number - 1
    ).exists()
    return {
        "white_label": label.pk,
        "zone": label.time_zone,
        "id": organization.pk,
        "ids": [organization.pk],
        "number": span.number,
        "from": "-infinity" if span.number == 1 or has_carried else first,
        "until": span.closed_at + CLOCK_MARGIN,
        "first": day_of(span.starts_at, label.zone),
    }


def _has_events(days: list[date], organization: Organization) -> bool:
    """Return whether the events of all these days are still stored."""
    if not days:
        return True
    zone = organization.white_label.zone
    return has_all_events(
        DayRange(min(days), max(days) + ONE_DAY), zone, list_event_partitions()
    )


def _fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
