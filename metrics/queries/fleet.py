"""Many organizations at once: what a list shows and how it is sorted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from metrics.periods import DayRange
from metrics.queries.series import ZERO
from orgs.queries.prepared import array, fetch_all

RECENT_DAYS = 30


def growth(now: Decimal | int, before: Decimal | int) -> Decimal | None:
    """Change as a fraction; null when there was nothing before."""
    return (Decimal(now) - before) / before if before else None


@dataclass(frozen=True, slots=True)
class RecentCost:
    """The last 30 days, today included, and the 30 before."""

    cost: Decimal = ZERO
    cost_before: Decimal = ZERO
    by_day: tuple[Decimal, ...] = (ZERO,) * RECENT_DAYS

    @property
    def growth(self) -> Decimal | None:
        return growth(self.cost, self.cost_before)

    def cost_in(self, days: DayRange, *, today: date) -> Decimal:
        """Of some of the 30 days, which end with `today`."""
        first = today - timedelta(days=RECENT_DAYS - 1)
        start, end = (days.start - first).days, (days.end - first).days
        return sum(self.by_day[start:end], ZERO)


_RECENT = """
select organization_id, day, sum(cost) from metrics_usage
where organization_id = any(%(ids)s::bigint[])
    and day > %(start)s and day <= %(today)s
group by 1, 2
"""


def recent_costs_by_day(todays: Mapping[int, date]) -> dict[int, RecentCost]:
    """The same by organization id and what day it is there.

    One query for each date that it is now somewhere: at most two or three.
    """
    ids: dict[date, list[int]] = {}
    for id_, today in todays.items():
        ids.setdefault(today, []).append(id_)
    recent: dict[int, RecentCost] = {}
    for today, same in ids.items():
        recent |= recent_costs(same, today=today)
    return recent


def recent_costs(
    organization_ids: Sequence[int], *, today: date
) -> dict[int, RecentCost]:
    """Costs of a page of organizations in one query; all have an entry."""
    start = today - timedelta(days=2 * RECENT_DAYS)
    costs: dict[int, dict[date, Decimal]] = {id_: {} for id_ in organization_ids}
    parameters = {"ids": array(organization_ids), "start": start, "today": today}
    for id_, day, cost in fetch_all(_RECENT, parameters):
        costs[id_][day] = cost
    return {id_: _recent(days, today) for id_, days in costs.items()}


def _recent(costs: dict[date, Decimal], today: date) -> RecentCost:
    first = today - timedelta(days=RECENT_DAYS - 1)
    days = (first + timedelta(days=offset) for offset in range(RECENT_DAYS))
    by_day = tuple(costs.get(day, ZERO) for day in days)
    before = sum((cost for day, cost in costs.items() if day < first), ZERO)
    return RecentCost(cost=sum(by_day, ZERO), cost_before=before, by_day=by_day)


# The prepared 30-day cost, as a field of an organization to sort by.
COST_SORT_FIELD = "ranking__cost_30_days"

_STALE = """
select o.id from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
left join metrics_organizationranking s on s.organization_id = o.id
where s.computed_on is distinct from (%s at time zone w.time_zone)::date
order by o.id limit %s
"""


def find_stale_rankings(limit: int) -> list[int]:
    """Organizations whose prepared 30 days do not end today; some at a time."""
    with connection.cursor() as cursor:
        cursor.execute(_STALE, [timezone.now(), limit])
        return [id_ for (id_,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class TopSpender:
    """An organization high in the prepared order, and when it was prepared."""

    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    computed_on: date
    computed_at: datetime


# The first few of each white label by its own index, then the first few of those.
_LARGEST = """
select found.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, s.white_label_id, s.computed_on, s.computed_at,
        s.cost_30_days
    from metrics_organizationranking s join orgs_organization o on o.id =
        s.organization_id
    where s.white_label_id = label.id and s.cost_30_days > 0 and o.deleted_at is null
    order by s.cost_30_days desc, s.organization_id desc limit %(limit)s
) as found
order by found.cost_30_days desc, found.id desc limit %(limit)s
"""


def list_top_spenders(
    white_label_ids: Sequence[int], *, limit: int
) -> list[TopSpender]:
    """Those with the highest prepared 30-day cost, of white labels of one currency.

    Seconds old, as the list's order is: read the costs to show with `recent_costs`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _LARGEST, {"white_labels": list(white_label_ids), "limit": limit}
        )
        return [TopSpender(*row[:-1]) for row in cursor.fetchall()]
