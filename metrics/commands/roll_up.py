"""Rolling up pending usage into daily usage, rankings, and fleet totals.

Recordings only append pending rows, so they never wait for each other on a sum. Readers
add pending rows to the sums: a late roll-up makes pages slower, never wrong.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from metrics.commands.locks import LOCK_ROLL_UP
from metrics.commands.statements import USAGE_KEY
from metrics.signals import usage_rolled_up

# The most that one transaction takes: pending rows of the fleet, and organizations.
_ROWS, _ORGANIZATIONS = 200_000, 10_000

# Deletes pending rows and adds them to the totals in one statement, so that each row is
# added exactly once. `ctid`, because the delete has to be limited.
_ROLL_UP_FLEET = """
with pending as (
    delete from metrics_pendingfleetusage
    where ctid = any(array(select ctid from metrics_pendingfleetusage limit %(limit)s))
    returning *
), added as (
    insert into metrics_fleettotal as t (white_label_id, day, product, meter, quantity,
        cost, benchmark_cost, unpriced_quantity)
    select white_label_id, day, product, meter, sum(quantity), sum(cost),
        sum(benchmark_cost), sum(unpriced_quantity)
    from pending group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (white_label_id, day, product, meter) do update set
        quantity = t.quantity + excluded.quantity,
        cost = t.cost + excluded.cost,
        benchmark_cost = t.benchmark_cost + excluded.benchmark_cost,
        unpriced_quantity = t.unpriced_quantity + excluded.unpriced_quantity
)
select count(*) from pending
"""

# Whether a sum of pending rows violates the constraint of daily usage: only corrections
# make such sums, and only as a part of a row that exists.
_IS_REDUCTION = (
    "s.cost < 0 or s.benchmark_cost < 0 or s.unpriced_quantity < 0"
    " or s.quantity < s.unpriced_quantity"
)

# `corrected` updates the rows that a correction reduces. They cannot go through the
# `on conflict` of `added`, because PostgreSQL checks constraints of the row to insert
# before it looks for a conflict. If a row to reduce does not exist, the reduction is
# inserted, violates the constraint, and the whole roll-up fails and is undone.
#
# The `any(array(...))` lets the planner read only the rows of organizations with a
# reduction; usually there are none.
#
# The last part adds the cost to rankings, within the 30 days they were computed for.
# Later days are left to the sweep, which sums the new 30 days from daily usage. A
# missing ranking gets the date 2000-01-01, which the sweep treats as stale.
_ROLL_UP_USAGE = f"""
with pending as (
    delete from metrics_pendingusage where organization_id = any({{ids}}) returning *
), summed as materialized (
    select {USAGE_KEY}, sum(quantity) as quantity, sum(cost) as cost,
        sum(benchmark_cost) as benchmark_cost,
        sum(unpriced_quantity) as unpriced_quantity
    from pending group by {USAGE_KEY}
), corrected as (
    update metrics_dailyusage d set quantity = d.quantity + s.quantity,
        cost = d.cost + s.cost, benchmark_cost = d.benchmark_cost + s.benchmark_cost,
        unpriced_quantity = d.unpriced_quantity + s.unpriced_quantity
    from summed s
    where ({_IS_REDUCTION}) and d.organization_id = any(array(
            select s.organization_id from summed s where {_IS_REDUCTION}))
        and d.organization_id = s.organization_id and d.day = s.day
        and d.product = s.product and d.meter = s.meter
        and d.project_id = s.project_id and d.period = s.period
    returning {", ".join(f"d.{name}" for name in USAGE_KEY.split(", "))}
), added as (
    insert into metrics_dailyusage as d ({USAGE_KEY}, quantity, cost, benchmark_cost,
        unpriced_quantity)
    select {USAGE_KEY}, quantity, cost, benchmark_cost, unpriced_quantity from summed
    where ({USAGE_KEY}) not in (table corrected) order by {USAGE_KEY}
    on conflict ({USAGE_KEY}) do update set quantity = d.quantity + excluded.quantity,
        cost = d.cost + excluded.cost,
        benchmark_cost = d.benchmark_cost + excluded.benchmark_cost,
        unpriced_quantity = d.unpriced_quantity + excluded.unpriced_quantity
)
insert into metrics_organizationranking as r (organization_id, white_label_id,
    currency, cost_30_days, cost_30_days_before, last_usage_on, computed_on,
    computed_at, rolled_up_changes)
select o.id, o.white_label_id, w.currency, coalesce(sum(p.cost) filter (
        where p.day > k.computed_on - 30 and p.day <= k.computed_on), 0),
    coalesce(sum(p.cost) filter (
        where p.day > k.computed_on - 60 and p.day <= k.computed_on - 30), 0),
    max(p.day), coalesce(k.computed_on, '2000-01-01'), %(now)s, count(*)
from pending p join orgs_organization o on o.id = p.organization_id
join orgs_whitelabel w on w.id = o.white_label_id
left join metrics_organizationranking k on k.organization_id = o.id
group by o.id, w.currency, k.computed_on order by o.id
on conflict (organization_id) do update set
    cost_30_days = r.cost_30_days + excluded.cost_30_days,
    cost_30_days_before = r.cost_30_days_before + excluded.cost_30_days_before,
    last_usage_on = greatest(r.last_usage_on, excluded.last_usage_on),
    computed_at = excluded.computed_at,
    rolled_up_changes = r.rolled_up_changes + excluded.rolled_up_changes
returning organization_id
"""  # noqa: S608  no user input
_ROLL_UP_FIRST_ORGANIZATIONS = _ROLL_UP_USAGE.format(
    ids="array(select distinct organization_id from metrics_pendingusage"
    " order by 1 limit %(limit)s)"
)
_ROLL_UP_ORGANIZATIONS = _ROLL_UP_USAGE.format(ids="%(ids)s")


def roll_up_usage() -> None:
    """Roll up all pending usage, a limited number of rows per transaction.

    Each pending row is added exactly once: a run that is killed in a transaction has
    changed nothing there. Ends when it has caught up; usage recorded in the meantime
    waits for the next run. All pending rows of an organization go into the same
    transaction, because one may reduce what another adds.
    """
    while roll_up_fleet_totals() == _ROWS:
        pass
    while organization_ids := _roll_up_first_organizations():
        usage_rolled_up.send_robust(None, organization_ids=organization_ids)
        if len(organization_ids) < _ORGANIZATIONS:
            break


def roll_up_organizations(organization_ids: Sequence[int]) -> None:
    """Roll up the pending usage of these organizations in the caller's transaction.

    Every other roll-up waits until that transaction ends.
    """
    ids = sorted(set(organization_ids))
    with _roll_up_lock() as cursor:
        cursor.execute(_ROLL_UP_ORGANIZATIONS, {"ids": ids, "now": timezone.now()})


def lock_roll_up() -> None:
    """Take the roll-up lock in the caller's transaction, before other locks."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_ROLL_UP)


def roll_up_fleet_totals() -> int:
    """Roll up pending fleet usage; return the number of rows, at most `_ROWS`."""
    with _roll_up_lock() as cursor:
        cursor.execute(_ROLL_UP_FLEET, {"limit": _ROWS})
        return int(cursor.fetchone()[0])


def _roll_up_first_organizations() -> list[int]:
    """Roll up the first organizations with pending usage; return their IDs."""
    with _roll_up_lock() as cursor:
        cursor.execute(
            _ROLL_UP_FIRST_ORGANIZATIONS,
            {"limit": _ORGANIZATIONS, "now": timezone.now()},
        )
        return [id_ for (id_,) in cursor.fetchall()]


@contextmanager
def _roll_up_lock() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_ROLL_UP)
        yield cursor


# Daily usage minus totals minus pending rows, all from one snapshot: recordings that
# commit meanwhile are in none of the three. The difference is appended as pending rows.
_REPAIR_FLEET_TOTALS = """
insert into metrics_pendingfleetusage (white_label_id, day, product, meter, quantity,
    cost, benchmark_cost, unpriced_quantity)
select white_label_id, day, product, meter, sum(quantity), sum(cost),
    sum(benchmark_cost), sum(unpriced_quantity)
from (
    select o.white_label_id, u.day, u.product, u.meter, u.quantity, u.cost,
        u.benchmark_cost, u.unpriced_quantity
    from metrics_usage u join orgs_organization o on o.id = u.organization_id
    where o.white_label_id = any(%(ids)s)
    union all
    select white_label_id, day, product, meter, -quantity, -cost, -benchmark_cost,
        -unpriced_quantity
    from metrics_fleettotal where white_label_id = any(%(ids)s)
    union all
    select white_label_id, day, product, meter, -quantity, -cost, -benchmark_cost,
        -unpriced_quantity
    from metrics_pendingfleetusage where white_label_id = any(%(ids)s)
) as difference
group by 1, 2, 3, 4
having (sum(quantity), sum(cost), sum(benchmark_cost), sum(unpriced_quantity))
    <> (0, 0, 0, 0)
"""


def repair_fleet_totals(white_label_ids: Sequence[int]) -> int:
    """Append the differences of totals and daily usage; return how many sums differed.

    0 proves them equal: one statement compares all days of all organizations in one
    snapshot, while recording goes on. Costs a read of all their daily usage. Holds the
    roll-up lock, because two repairs would append the same difference twice.
    """
    with _roll_up_lock() as cursor:
        cursor.execute(_REPAIR_FLEET_TOTALS, {"ids": list(white_label_ids)})
        return int(cursor.rowcount)
