"""Costs of a period, computed from its events and from daily usage to compare them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from metrics.events import MAX_AGE
from metrics.periods import DayRange
from metrics.queries import pricing
from metrics.queries.partitions import has_all_events, list_event_partitions
from orgs.days import ONE_DAY, day_of
from orgs.models import Organization

# Events may be a day ahead, and the clocks of machines differ.
_MARGIN = timedelta(days=2)


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
class RerateFacts:
    """A correction that re-rated the period while it was open."""

    old_cost: Decimal
    new_cost: Decimal
    by: str
    note: str
    at: datetime


_EVENTS = """
select e.* from metrics_usageevent e
where e.organization_id = %(id)s and e.period = %(number)s
    and e.at >= %(from)s and e.at < %(until)s and not """
# A full join, so that a product in only one of the sources is listed. One statement, so
# that both sums are of the same snapshot.
_CHECK = f"""
{pricing.price_events(_EVENTS + pricing.IS_VOIDED)}, event as (
    select product, sum(cost) as cost from summed group by 1
), daily as (
    select product, sum(cost) as cost, min(day) as first, max(day) as last,
        coalesce(sum(cost) filter (where day < %(first)s), 0) as late
    from metrics_usage where organization_id = %(id)s and period = %(number)s group by 1
)
select product, coalesce(e.cost, 0), coalesce(d.cost, 0), coalesce(d.late, 0), d.first,
    d.last
from event e full join daily d using (product) order by 1
"""  # noqa: S608  ours

_VOIDED_EVENTS = """
select e.* from metrics_usagevoid v
join metrics_usageevent e using (organization_id, event_id, at)
where v.organization_id = %(id)s and v.period = %(number)s
    and v.is_credited = """
_VOIDED = f"""
{pricing.price_events(_VOIDED_EVENTS + "%(credited)s")}
select product, sum(cost) from summed group by 1
"""  # noqa: S608  ours

_RERATED = """
select r.old_cost, r.new_cost, c.by, c.note, c.started_at
from metrics_periodrepricing r join metrics_correction c on c.id = r.correction_id
where r.organization_id = %(id)s and r.period = %(number)s order by r.price_version
"""


def check_period(organization: Organization, span: PeriodSpan) -> list[ProductCheck]:
    """Return the costs of every product of the period, ordered by product.

    Four statements. Costs a read of all events of the period.
    """
    parameters = _parameters(organization, span)
    rows = _fetch(_CHECK, parameters)
    voided = dict(_fetch(_VOIDED, parameters | {"credited": False}))
    credited = dict(_fetch(_VOIDED, parameters | {"credited": True}))
    used_days = [day for row in rows for day in row[4:] if day]
    is_complete = _has_events(used_days, organization)
    sums = {row[0]: row[1:4] for row in rows}
    zero = Decimal(0)
    zeros = (zero, zero, zero)
    return [
        ProductCheck(
            product,
            events if is_complete else None,
            daily,
            late,
            voided.get(product, zero),
            credited.get(product, zero),
        )
        for product in sorted(sums.keys() | voided.keys())
        for events, daily, late in [sums.get(product, zeros)]
    ]


def list_rerates(organization_id: int, number: int) -> list[RerateFacts]:
    """Return the re-rates of a period, oldest first."""
    rows = _fetch(_RERATED, {"id": organization_id, "number": number})
    return [RerateFacts(*row) for row in rows]


def _parameters(organization: Organization, span: PeriodSpan) -> dict[str, Any]:
    """Return the parameters of the statements, with the instants that bound the events.

    An event is accepted until it is `KEPT` old, so a period has none before that. The
    first period is not bounded: older usage may have been loaded into it.
    """
    label = organization.white_label
    first = span.starts_at - MAX_AGE - _MARGIN
    return {
        "white_label": label.pk,
        "zone": label.time_zone,
        "id": organization.pk,
        "ids": [organization.pk],
        "number": span.number,
        "from": "-infinity" if span.number == 1 else first,
        "until": span.closed_at + _MARGIN,
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
