"""Preview of a void: which usage it would remove, and what was refunded before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from metrics.catalog import STORAGE_METER
from metrics.queries import pricing
from orgs.errors import InvalidDateRange
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class UsageRange:
    """Events of an organization from `start` up to but not including `end`.

    A product or an event id narrows them further. Raises `InvalidDateRange` when the
    range is empty.
    """

    organization: Organization
    start: datetime
    end: datetime
    product: str = ""
    event_id: str = ""

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise InvalidDateRange("`from` must be before `to`.", fields=("from", "to"))

    @property
    def parameters(self) -> dict[str, Any]:
        label = self.organization.white_label
        return {
            "white_label": label.pk,
            "zone": label.time_zone,
            "id": self.organization.pk,
            "ids": [self.organization.pk],
            "from": self.start,
            "until": self.end,
            "product": self.product,
            "event": self.event_id,
        }


# Whether an event `e` is in a `UsageRange` and was neither voided nor refunded yet.
IS_IN_RANGE = """
e.organization_id = %(id)s and e.at >= %(from)s and e.at < %(until)s
    and (%(product)s = '' or e.product = %(product)s)
    and (%(event)s = '' or e.event_id = %(event)s)
    and not exists (
        select from metrics_usagevoid v where v.organization_id = e.organization_id
        and v.event_id = e.event_id and v.at = e.at)
"""

# What was refunded of stored bytes, by day and closed period; see `StorageRefund`.
REFUNDS = """
select day, period, sum(quantity) as quantity, sum(cost) as cost
from metrics_storagerefund where organization_id = %(id)s group by 1, 2
"""


@dataclass(frozen=True, slots=True)
class VoidLine:
    """Usage and cost of a range's events in one period, product and meter.

    Of stored bytes of closed periods, the cost is what was not refunded before.
    """

    period: int
    product: str
    meter: str
    quantity: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class VoidPreview:
    """Usage that a void would remove from the open period or refund in closed ones.

    `events` is the number of events by period. `voided` is how many events of the range
    were voided or refunded before.
    """

    open_period: int
    events: Mapping[int, int]
    voided: int
    lines: tuple[VoidLine, ...]

    @property
    def open_events(self) -> int:
        return self.events.get(self.open_period, 0)

    @property
    def closed_events(self) -> int:
        return sum(self.events.values()) - self.open_events

    @property
    def open_cost(self) -> Decimal:
        return self.costs.get(self.open_period, Decimal(0))

    @property
    def closed_costs(self) -> dict[int, Decimal]:
        """Cost to refund by credit, by closed period."""
        costs = self.costs
        costs.pop(self.open_period, None)
        return costs

    @property
    def costs(self) -> dict[int, Decimal]:
        """Exact cost by period."""
        costs: dict[int, Decimal] = {}
        for line in self.lines:
            costs[line.period] = costs.get(line.period, Decimal(0)) + line.cost
        return costs


_LINES = f"""
{pricing.priced_sums(f"select e.* from metrics_usageevent e where {IS_IN_RANGE}")}
, of_day as (
    select day, period, product, meter, sum(quantity) as quantity, sum(cost) as cost
    from summed group by 1, 2, 3, 4
)
select s.period, product, meter, sum(s.quantity),
    sum(s.cost - least(s.cost, coalesce(r.cost, 0)))
from of_day s left join ({REFUNDS}) r
    on s.meter = '{STORAGE_METER}' and r.day = s.day and r.period = s.period
group by 1, 2, 3 order by 1, 2, 3
"""  # noqa: S608  ours
_EVENTS = f"""
select e.period, count(*) from metrics_usageevent e where {IS_IN_RANGE}
group by 1 order by 1
"""  # noqa: S608  ours
# Joined with the events for their product; both sides are bounded by time, so that only
# the partitions of the range are read.
_VOIDED = """
select count(*) from metrics_usagevoid v
join metrics_usageevent e using (organization_id, event_id, at)
where v.organization_id = %(id)s and v.at >= %(from)s and v.at < %(until)s
    and e.at >= %(from)s and e.at < %(until)s
    and (%(product)s = '' or e.product = %(product)s)
    and (%(event)s = '' or e.event_id = %(event)s)
"""
_OPEN = "select number from metrics_openperiod where organization_id = %(id)s"


def preview_void(usage_range: UsageRange) -> VoidPreview:
    """Return what a void of the range would change; writes nothing.

    Four statements. Costs a read of all events of the range.
    """
    lines = _fetch(_LINES, usage_range)
    return VoidPreview(
        open_period=next((row[0] for row in _fetch(_OPEN, usage_range)), 1),
        events=dict(_fetch(_EVENTS, usage_range)),
        voided=_fetch(_VOIDED, usage_range)[0][0],
        lines=tuple(
            VoidLine(period, product, meter, int(quantity), cost)
            for period, product, meter, quantity, cost in lines
        ),
    )


def _fetch(statement: str, usage_range: UsageRange) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, usage_range.parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


_HAS_CLOSED_USAGE = f"""
select exists (select from metrics_usageevent e where {IS_IN_RANGE} and e.period <> (
    select number from metrics_openperiod where organization_id = %(id)s))
"""  # noqa: S608  ours


def has_closed_usage(usage_range: UsageRange) -> bool:
    """Return whether the range has events of closed periods that are not refunded."""
    return bool(_fetch(_HAS_CLOSED_USAGE, usage_range)[0][0])


_CREDITED = f"""
{
    pricing.priced_sums('''
    select e.* from metrics_usagevoid v
    join metrics_usageevent e using (organization_id, event_id, at)
    where v.organization_id = %(id)s and v.is_credited
''')
}
, credited as (
    select period, cost from summed
    union all
    select period, cost from metrics_storagerefund where organization_id = %(id)s
)
select period, sum(cost) from credited group by 1 order by 1
"""  # noqa: S608  ours


def credited_costs(organization: Organization) -> dict[int, Decimal]:
    """Return the cost that was refunded by credit, by closed period.

    That is of credited events, at the prices they were recorded with, and of stored
    bytes that turned out to be less.
    """
    label = organization.white_label
    parameters: dict[str, Any] = {
        "white_label": label.pk,
        "zone": label.time_zone,
        "id": organization.pk,
        "ids": [organization.pk],
    }
    with connection.cursor() as cursor:
        cursor.execute(_CREDITED, parameters)
        return dict(cursor.fetchall())


def find_event_span(
    organization_id: int, event_id: str
) -> tuple[datetime, datetime] | None:
    """Return the first and last instant of the events with this id, or null.

    Costs a look-up in the index of every partition.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select min(at), max(at) from metrics_usageevent"
            " where organization_id = %s and event_id = %s",
            [organization_id, event_id],
        )
        first, last = cursor.fetchone()
    return None if first is None else (first, last)
