"""What voiding usage would take away, before anything happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from django.db import connection

from metrics.models.daily import COST_DIGITS
from metrics.queries import pricing
from orgs.errors import InvalidDateRange
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class UsageRange:
    """Events of an organization: from `start` up to but not including `end`.

    Narrowed to a product, or to the events of an id, where these are given.
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


# The conditions of a range on an event `e`; an event that was voided is in none.
IS_IN_RANGE = """
e.organization_id = %(id)s and e.at >= %(from)s and e.at < %(until)s
    and (%(product)s = '' or e.product = %(product)s)
    and (%(event)s = '' or e.event_id = %(event)s)
    and not exists (
        select from metrics_usagevoid v where v.organization_id = e.organization_id
        and v.event_id = e.event_id and v.at = e.at)
"""


@dataclass(frozen=True, slots=True)
class VoidLine:
    """What the events of a range used and cost, by period, product and meter."""

    period: int
    product: str
    meter: str
    quantity: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class VoidPreview:
    """Events in the open period, and those in closed ones: billed, not taken out.

    `voided` are those of the range that were voided or made good before.
    """

    open_period: int
    events: Mapping[int, int]  # by period
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
        """By period, what a credit would have to make good."""
        costs = self.costs
        costs.pop(self.open_period, None)
        return costs

    @property
    def costs(self) -> dict[int, Decimal]:
        found: dict[int, Decimal] = {}
        with localcontext(prec=COST_DIGITS + 12):
            for line in self.lines:
                found[line.period] = found.get(line.period, Decimal(0)) + line.cost
        return found


_LINES = f"""
{pricing.price_events(f"select e.* from metrics_usageevent e where {IS_IN_RANGE}")}
select period, product, meter, sum(quantity), sum(cost) from summed
group by 1, 2, 3 order by 1, 2, 3
"""  # noqa: S608  ours
_EVENTS = f"""
select e.period, count(*) from metrics_usageevent e where {IS_IN_RANGE}
group by 1 order by 1
"""  # noqa: S608  ours
_VOIDED = """
select count(*) from metrics_usagevoid v
join metrics_usageevent e using (organization_id, event_id, at)
where v.organization_id = %(id)s and v.at >= %(from)s and v.at < %(until)s
    and e.at >= %(from)s and e.at < %(until)s
    and (%(product)s = '' or e.product = %(product)s)
    and (%(event)s = '' or e.event_id = %(event)s)
"""
_OPEN = "select number from metrics_openperiod where organization_id = %(id)s"


def preview_void(chosen: UsageRange) -> VoidPreview:
    """Four statements; costs a read of the range's events, and writes nothing."""
    lines = _fetch(_LINES, chosen)
    return VoidPreview(
        open_period=next((row[0] for row in _fetch(_OPEN, chosen)), 1),
        events=dict(_fetch(_EVENTS, chosen)),
        voided=_fetch(_VOIDED, chosen)[0][0],
        lines=tuple(
            VoidLine(period, product, meter, int(quantity), cost)
            for period, product, meter, quantity, cost in lines
        ),
    )


def _fetch(statement: str, chosen: UsageRange) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, chosen.parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


_CLOSED = f"""
select exists (select from metrics_usageevent e where {IS_IN_RANGE} and e.period <> (
    select number from metrics_openperiod where organization_id = %(id)s))
"""  # noqa: S608  ours


def has_closed_usage(chosen: UsageRange) -> bool:
    """Whether the range has events of closed periods that nothing has made good."""
    return bool(_fetch(_CLOSED, chosen)[0][0])


_CREDITED = f"""
{
    pricing.price_events('''
    select e.* from metrics_usagevoid v
    join metrics_usageevent e using (organization_id, event_id, at)
    where v.organization_id = %(id)s and v.is_credited
''')
}
select period, sum(cost) from summed group by 1 order by 1
"""  # noqa: S608  ours


def credited_costs(organization: Organization) -> dict[int, Decimal]:
    """What was made good of closed periods, by period, at the prices of recording."""
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
    """The first and last instant of the events of this id; an index of each month."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select min(at), max(at) from metrics_usageevent"
            " where organization_id = %s and event_id = %s",
            [organization_id, event_id],
        )
        first, last = cursor.fetchone()
    return None if first is None else (first, last)
