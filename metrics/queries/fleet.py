"""Recent costs of many organizations, and the rankings that lists are sorted by."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from metrics.queries.series import ZERO
from orgs.queries.prepared import array, fetch_all

RECENT_DAYS = 30


def growth(now: Decimal | int, before: Decimal | int) -> Decimal | None:
    """Return the change as a fraction; null when there was nothing before."""
    return (Decimal(now) - before) / before if before else None


@dataclass(frozen=True, slots=True)
class RecentCost:
    """Cost of an organization in the 30 days that end today, and in the 30 before."""

    cost: Decimal = ZERO
    cost_before: Decimal = ZERO
    by_day: tuple[Decimal, ...] = (ZERO,) * RECENT_DAYS
    # Of both together, by day; days without usage are left out.
    costs: Mapping[date, Decimal] = field(default_factory=dict)
    # Nothing of the usage of the 30 days has a price: the cost is not 0 but unknown.
    has_no_price: bool = False

    @property
    def growth(self) -> Decimal | None:
        return growth(self.cost, self.cost_before)


# At most 60 rows an organization, by primary key.
_RECENT_COSTS = """
select organization_id, day, sum(cost), sum(quantity - unpriced_quantity) = 0
    and sum(unpriced_quantity) > 0
from metrics_usage
where organization_id = any(%(ids)s::bigint[])
    and day > %(start)s and day <= %(today)s
group by 1, 2
"""


def recent_costs_by_day(todays: Mapping[int, date]) -> dict[int, RecentCost]:
    """Return the recent cost of organizations that are in different time zones.

    `todays` is the current day by organization id. Costs one query for each distinct
    day: two or three at most.
    """
    ids_by_day: dict[date, list[int]] = {}
    for id_, today in todays.items():
        ids_by_day.setdefault(today, []).append(id_)
    recent: dict[int, RecentCost] = {}
    for today, ids in ids_by_day.items():
        recent |= recent_costs(ids, today=today)
    return recent


def recent_costs(
    organization_ids: Sequence[int], *, today: date
) -> dict[int, RecentCost]:
    """Return the recent cost of each organization, also without usage; one query."""
    start = today - timedelta(days=2 * RECENT_DAYS)
    costs: dict[int, dict[date, Decimal]] = {id_: {} for id_ in organization_ids}
    unpriced: dict[int, set[date]] = {id_: set() for id_ in organization_ids}
    parameters = {"ids": array(organization_ids), "start": start, "today": today}
    for id_, day, cost, has_no_price in fetch_all(_RECENT_COSTS, parameters):
        costs[id_][day] = cost
        if has_no_price:
            unpriced[id_].add(day)
    return {
        id_: _recent_cost(days, unpriced[id_], today) for id_, days in costs.items()
    }


def _recent_cost(
    costs: Mapping[date, Decimal], unpriced: Set[date], today: date
) -> RecentCost:
    first = today - timedelta(days=RECENT_DAYS - 1)
    days = (first + timedelta(days=offset) for offset in range(RECENT_DAYS))
    by_day = tuple(costs.get(day, ZERO) for day in days)
    before = sum((cost for day, cost in costs.items() if day < first), ZERO)
    used = {day for day in costs if day >= first}
    return RecentCost(
        cost=sum(by_day, ZERO),
        cost_before=before,
        by_day=by_day,
        costs=costs,
        has_no_price=bool(used) and used <= unpriced,
    )


# Precomputed values of an organization, as fields to sort and filter by. Amounts of
# different currencies are not compared: they are grouped by currency.
COST_SORT_FIELD = "ranking__cost_30_days"
CURRENCY_SORT_FIELD = "ranking__currency"
GROWTH_SORT_FIELD = "ranking__growth"
LAST_USAGE_FIELD = "ranking__last_usage_on"

# Organizations without a ranking, or whose ranking is of another day than today in the
# white label's time zone. Reads every ranking, so a periodic task runs it.
_STALE_RANKINGS = """
select o.id from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
left join metrics_organizationranking r on r.organization_id = o.id
where r.computed_on is distinct from (%s at time zone w.time_zone)::date
order by o.id limit %s
"""


def find_stale_rankings(limit: int) -> list[int]:
    """Return at most `limit` organizations whose ranking is not of today."""
    with connection.cursor() as cursor:
        cursor.execute(_STALE_RANKINGS, [timezone.now(), limit])
        return [id_ for (id_,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class TopSpender:
    """An organization with a high 30-day cost, and when that was computed."""

    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    computed_on: date
    computed_at: datetime


# The top of each white label by the index `ranking_by_cost`, then the top of those.
# Costs `limit` rows per white label, however many organizations there are.
_TOP_SPENDERS = """
select top.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, r.white_label_id, r.computed_on, r.computed_at,
        r.cost_30_days
    from metrics_organizationranking r
    join orgs_organization o on o.id = r.organization_id
    where r.white_label_id = label.id and r.cost_30_days > 0 and o.deleted_at is null
    order by r.cost_30_days desc, r.organization_id desc limit %(limit)s
) as top
order by top.cost_30_days desc, top.id desc limit %(limit)s
"""


def list_top_spenders(
    white_label_ids: Sequence[int], *, limit: int
) -> list[TopSpender]:
    """Return the organizations with the highest 30-day cost, highest first.

    The white labels must share a currency. The ranking is seconds old, like the order
    of the organization list: read the costs to show with `recent_costs`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _TOP_SPENDERS, {"white_labels": list(white_label_ids), "limit": limit}
        )
        return [TopSpender(*row[:-1]) for row in cursor.fetchall()]
