"""The statements of recording, in the order they run; see `metrics.commands.record`.

Every multi-row write is sorted by its key.
"""

from metrics.catalog import DAILY_METRICS

# An event's price version and the rates its cost is made of must not differ: a change
# of the price book takes this lock alone. No row is written, so recordings don't queue.
LOCK_PRICES = "select pg_advisory_xact_lock_shared(hashtext('price book'), %s)"

# Closing a period takes the row for update: a recording in flight is finished first.
SHARE_PERIODS = """
select 1 from metrics_openperiod where organization_id = any(%s)
order by organization_id for share
"""

# Emptied at commit, and here too: in a caller's transaction the last batch is still in.
CREATE_BATCH = """
create temporary table if not exists usage_batch (
    index integer, organization_id bigint, event_id text, at timestamptz, product text,
    project_id bigint, quantities jsonb, is_repeated boolean not null default false
) on commit delete rows;
truncate usage_batch
"""

COPY_BATCH = """
copy usage_batch (index, organization_id, event_id, at, product, project_id, quantities)
from stdin
"""

INSERT_EVENTS = """
with inserted as (
    insert into metrics_usageevent (organization_id, event_id, at, product, project_id,
        quantities, period, price_version)
    select b.organization_id, b.event_id, b.at, b.product, b.project_id, b.quantities,
        p.number, coalesce((select version from metrics_pricebook
            where white_label_id = %(white_label)s), 0)
    from usage_batch b join metrics_openperiod p using (organization_id)
    order by b.organization_id, b.event_id, b.at
    on conflict do nothing
    returning organization_id, event_id, at
)
update usage_batch b set is_repeated = true
where not exists (
    select from inserted i where i.organization_id = b.organization_id
    and i.event_id = b.event_id and i.at = b.at)
returning b.index
"""

# A statement of its own: its snapshot sees what others committed while we inserted.
COMPARE = """
select b.index, e.product = b.product and e.project_id = b.project_id
    and e.quantities = b.quantities
from usage_batch b join metrics_usageevent e
    on e.organization_id = b.organization_id and e.event_id = b.event_id and e.at = b.at
where b.is_repeated
"""

# `span` is which price holds from when until when for each (organization, product,
# meter) of the batch: an organization's own rate wins from its start on. Changes are
# appended beside the sums: whoever adds them up later does not hold up recordings.
UPSERT_USAGE = """
with quantity as materialized (
    select b.organization_id, (b.at at time zone %(zone)s)::date as day, b.product,
        q.key as meter, b.project_id, b.at, q.value::numeric as quantity
    from usage_batch b cross join lateral jsonb_each(b.quantities) q
    where not b.is_repeated
), wanted as materialized (
    select distinct organization_id, product, meter from quantity
), own as materialized (
    select w.*, coalesce(r.effective_from, '-infinity') as since, r.unit_price,
        r.benchmark_unit_price
    from wanted w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id = w.organization_id and r.removed_in is null
), candidate as (
    select * from own
    union all
    select w.*, coalesce(r.effective_from, '-infinity'), r.unit_price,
        r.benchmark_unit_price
    from wanted w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id is null and r.removed_in is null
    where not exists (
        select from own o where o.organization_id = w.organization_id
        and o.product = w.product and o.meter = w.meter
        and o.since <= coalesce(r.effective_from, '-infinity'))
), span as materialized (
    select *, lead(since, 1, 'infinity') over (
        partition by organization_id, product, meter order by since) as until
    from candidate
), summed as materialized (
    select q.organization_id, q.day, q.product, q.meter, q.project_id,
        p.number as period, sum(q.quantity) as quantity,
        sum(q.quantity * coalesce(s.unit_price, 0)) as cost,
        sum(q.quantity * coalesce(s.benchmark_unit_price, 0)) as benchmark_cost,
        coalesce(sum(q.quantity) filter (where s.unit_price is null), 0) as unpriced
    from quantity q
    join metrics_openperiod p using (organization_id)
    left join span s on s.organization_id = q.organization_id
        and s.product = q.product and s.meter = q.meter
        and q.at >= s.since and q.at < s.until
    group by 1, 2, 3, 4, 5, 6
), changed as (
    insert into metrics_usagechange (organization_id, day, cost)
    select organization_id, day, sum(cost) from summed group by 1, 2
), fleet as (
    insert into metrics_fleetchange (white_label_id, day, product, meter, quantity,
        cost, benchmark_cost, unpriced_quantity)
    select %(white_label)s, day, product, meter, sum(quantity), sum(cost),
        sum(benchmark_cost), sum(unpriced)
    from summed group by 2, 3, 4
)
insert into metrics_dailyusage as d (organization_id, day, product, meter, project_id,
    period, quantity, cost, benchmark_cost, unpriced_quantity)
select * from summed order by 1, 2, 3, 4, 5, 6
on conflict (organization_id, day, product, meter, project_id, period) do update set
    quantity = d.quantity + excluded.quantity,
    cost = d.cost + excluded.cost,
    benchmark_cost = d.benchmark_cost + excluded.benchmark_cost,
    unpriced_quantity = d.unpriced_quantity + excluded.unpriced_quantity
"""


def _upsert_metrics() -> str:
    """Sum the meters that the catalog gives a column of the daily metrics."""
    columns = list(DAILY_METRICS.values())
    sums = [
        f"coalesce(sum((quantities->>'{meter}')::numeric), 0)"
        for meter in DAILY_METRICS
    ]
    updates = [f"{column} = d.{column} + excluded.{column}" for column in columns]
    return f"""
insert into metrics_dailymetric as d (organization_id, day, {", ".join(columns)})
select organization_id, (at at time zone %(zone)s)::date, {", ".join(sums)}
from usage_batch where not is_repeated and quantities ?| %(meters)s
group by 1, 2 order by 1, 2
on conflict (organization_id, day) do update set {", ".join(updates)}
"""  # noqa: S608  names come from our own catalog


UPSERT_METRICS = _upsert_metrics()
