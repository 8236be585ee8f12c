"""Folding what recordings appended into daily usage, standings and fleet totals.

A recording only appends: no two of them wait for each other on a sum. What is read is
sum plus changes, so folding late makes a page slower, never wrong.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from metrics.commands.statements import USAGE_KEY
from metrics.signals import usage_rolled_up

# In a transaction; others fold what came meanwhile after it.
_ROWS, _ORGANIZATIONS = 200_000, 10_000

# One folder at a time, and nobody prepares a standing meanwhile.
_LOCK = "select pg_advisory_xact_lock(hashtext('usage changes'))"

_FOLD_FLEET = """
with taken as (
    delete from metrics_pendingfleetusage
    where ctid = any(array(select ctid from metrics_pendingfleetusage limit %(limit)s))
    returning *
), added as (
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
)
select count(*) from taken
"""

_CORRECTS = (
    "s.cost < 0 or s.benchmark_cost < 0 or s.unpriced_quantity < 0"
    " or s.quantity < s.unpriced_quantity"
)

# What could not stand alone as daily usage corrects a row that is there: it is updated,
# for an insertion is checked before it is known that there is one. If there is none, it
# is an error, loud and undone.
#
# A standing that was never prepared gets a date that the sweep takes for stale. Days
# after the last one prepared wait for the sweep, too: it sums the new 30 days whole.
_FOLD_USAGE = f"""
with taken as (
    delete from metrics_pendingusage where organization_id = any({{ids}}) returning *
), summed as materialized (
    select {USAGE_KEY}, sum(quantity) as quantity, sum(cost) as cost,
        sum(benchmark_cost) as benchmark_cost,
        sum(unpriced_quantity) as unpriced_quantity
    from taken group by {USAGE_KEY}
), corrected as (
    update metrics_dailyusage d set quantity = d.quantity + s.quantity,
        cost = d.cost + s.cost, benchmark_cost = d.benchmark_cost + s.benchmark_cost,
        unpriced_quantity = d.unpriced_quantity + s.unpriced_quantity
    from summed s
    where ({_CORRECTS}) and d.organization_id = any(array(
            select s.organization_id from summed s where {_CORRECTS}))
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
insert into metrics_organizationranking as s (organization_id, white_label_id,
    cost_30_days,
    last_usage_on, computed_on, computed_at, rolled_up_changes)
select o.id, o.white_label_id, coalesce(sum(t.cost) filter (
        where t.day > p.computed_on - 30 and t.day <= p.computed_on), 0),
    max(t.day), coalesce(p.computed_on, '2000-01-01'), %(now)s, count(*)
from taken t join orgs_organization o on o.id = t.organization_id
left join metrics_organizationranking p on p.organization_id = o.id
group by o.id, p.computed_on order by o.id
on conflict (organization_id) do update set
    cost_30_days = s.cost_30_days + excluded.cost_30_days,
    last_usage_on = greatest(s.last_usage_on, excluded.last_usage_on),
    computed_at = excluded.computed_at,
    rolled_up_changes = s.rolled_up_changes + excluded.rolled_up_changes
returning organization_id
"""  # noqa: S608  ours
_FOLD_SOME = _FOLD_USAGE.format(
    ids="array(select distinct organization_id from metrics_pendingusage"
    " order by 1 limit %(limit)s)"
)
_FOLD_THESE = _FOLD_USAGE.format(ids="%(ids)s")


def roll_up_usage() -> None:
    """Fold what there is, some at a time; each in exactly once.

    Takes rows away and adds them up in one statement: a folder that is killed has
    done nothing. Ends when it has caught up, not when nothing is left: what is
    recorded meanwhile waits for the next. All changes of an organization go together:
    one may correct what another has just added.
    """
    while roll_up_fleet_totals() == _ROWS:
        pass
    while folded := _fold_some():
        usage_rolled_up.send_robust(None, organization_ids=folded)
        if len(folded) < _ORGANIZATIONS:
            break


def roll_up_organizations(organization_ids: Sequence[int]) -> None:
    """Fold these now, in the caller's transaction; nobody folds until it ends."""
    ids = sorted(set(organization_ids))
    with _folding() as cursor:
        cursor.execute(_FOLD_THESE, {"ids": ids, "now": timezone.now()})


def roll_up_fleet_totals() -> int:
    """How many changes of the fleet were folded."""
    with _folding() as cursor:
        cursor.execute(_FOLD_FLEET, {"limit": _ROWS})
        return int(cursor.fetchone()[0])


def _fold_some() -> list[int]:
    """Whose changes were folded."""
    with _folding() as cursor:
        cursor.execute(_FOLD_SOME, {"limit": _ORGANIZATIONS, "now": timezone.now()})
        return [id_ for (id_,) in cursor.fetchall()]


@contextmanager
def _folding() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        yield cursor


_MEND = """
insert into metrics_pendingfleetusage (white_label_id, day, product, meter, quantity,
    cost,
    benchmark_cost, unpriced_quantity)
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
) as found
group by 1, 2, 3, 4
having (sum(quantity), sum(cost), sum(benchmark_cost), sum(unpriced_quantity))
    <> (0, 0, 0, 0)
"""


def repair_fleet_totals(white_label_ids: Sequence[int]) -> int:
    """Append what totals and daily usage differ by; answers how many sums differed.

    0 proves them equal: one statement compares all days of all organizations as they
    are at one instant, while recording goes on. Costs a read of their daily usage.
    """
    with _folding() as cursor:  # two menders would each append the same difference
        cursor.execute(_MEND, {"ids": list(white_label_ids)})
        return int(cursor.rowcount)
