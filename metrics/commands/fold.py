"""Folding what recordings appended into what lists and fleet pages read.

A recording only appends: no two of them wait for each other on a total. What is read
is total plus changes, so folding late makes a page slower, never wrong.
"""

from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

_AT_A_TIME = 200_000  # rows in a transaction: about a second

# One folder at a time, and nobody prepares a standing meanwhile.
LOCK = "select pg_advisory_xact_lock(hashtext('usage changes'))"

_FOLD_FLEET = """
with taken as (
    delete from metrics_fleetchange
    where ctid = any(array(select ctid from metrics_fleetchange limit %(limit)s))
    returning *
)
insert into metrics_fleettotal as t (white_label_id, day, product, meter, quantity,
    cost, benchmark_cost, unpriced_quantity)
select white_label_id, day, product, meter, sum(quantity), sum(cost),
    sum(benchmark_cost), sum(unpriced_quantity)
from taken group by 1, 2, 3, 4 order by 1, 2, 3, 4
on conflict (white_label_id, day, product, meter) do update set
    quantity = t.quantity + excluded.quantity,
    cost = t.cost + excluded.cost,
    benchmark_cost = t.benchmark_cost + excluded.benchmark_cost,
    unpriced_quantity = t.unpriced_quantity + excluded.unpriced_quantity
"""

# A standing that was never prepared gets a date that the sweep takes for stale. Days
# after the last one prepared wait for the sweep, too: it sums the new 30 days whole.
_FOLD_STANDINGS = """
with taken as (
    delete from metrics_usagechange
    where ctid = any(array(select ctid from metrics_usagechange limit %(limit)s))
    returning organization_id, day, cost
)
insert into metrics_standing as s (organization_id, white_label_id, cost_30_days,
    last_usage_on, computed_on, computed_at, changes)
select o.id, o.white_label_id, coalesce(sum(t.cost) filter (
        where t.day > p.computed_on - 30 and t.day <= p.computed_on), 0),
    max(t.day), coalesce(p.computed_on, '2000-01-01'), %(now)s, count(*)
from taken t join orgs_organization o on o.id = t.organization_id
left join metrics_standing p on p.organization_id = o.id
group by o.id, p.computed_on order by o.id
on conflict (organization_id) do update set
    cost_30_days = s.cost_30_days + excluded.cost_30_days,
    last_usage_on = greatest(s.last_usage_on, excluded.last_usage_on),
    computed_at = excluded.computed_at,
    changes = s.changes + excluded.changes
"""


def fold_usage() -> None:
    """Fold every change there is, some at a time; each in exactly once.

    Takes rows away and adds them up in one statement: a folder that is killed has
    done nothing, and what is committed meanwhile waits for the next.
    """
    for statement, changes in (
        (_FOLD_FLEET, "metrics_fleetchange"),
        (_FOLD_STANDINGS, "metrics_usagechange"),
    ):
        while _some(changes):
            _fold(statement)


def _some(changes: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"select exists (select from {changes})")  # noqa: S608  ours
        return bool(cursor.fetchone()[0])


def _fold(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        cursor.execute(statement, {"limit": _AT_A_TIME, "now": timezone.now()})


_MEND = """
insert into metrics_fleetchange (white_label_id, day, product, meter, quantity, cost,
    benchmark_cost, unpriced_quantity)
select white_label_id, day, product, meter, sum(quantity), sum(cost),
    sum(benchmark_cost), sum(unpriced_quantity)
from (
    select o.white_label_id, u.day, u.product, u.meter, u.quantity, u.cost,
        u.benchmark_cost, u.unpriced_quantity
    from metrics_dailyusage u join orgs_organization o on o.id = u.organization_id
    where o.white_label_id = any(%(ids)s)
    union all
    select white_label_id, day, product, meter, -quantity, -cost, -benchmark_cost,
        -unpriced_quantity
    from metrics_fleettotal where white_label_id = any(%(ids)s)
    union all
    select white_label_id, day, product, meter, -quantity, -cost, -benchmark_cost,
        -unpriced_quantity
    from metrics_fleetchange where white_label_id = any(%(ids)s)
) as found
group by 1, 2, 3, 4
having (sum(quantity), sum(cost), sum(benchmark_cost), sum(unpriced_quantity))
    <> (0, 0, 0, 0)
"""


def mend_fleet_totals(white_label_ids: Sequence[int]) -> int:
    """Append what totals and daily usage differ by; answers how many sums differed.

    0 proves them equal: one statement compares all days of all organizations as they
    are at one instant, while recording goes on. Costs a read of their daily usage.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)  # two menders would each append the same difference
        cursor.execute(_MEND, {"ids": list(white_label_ids)})
        return int(cursor.rowcount)
