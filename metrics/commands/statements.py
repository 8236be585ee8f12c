"""The SQL statements of recording, in the order in which they run.

`metrics.commands.record` executes them. Events, and pending usage of large batches,
come by COPY. Everything else comes as array parameters, one for each column and sorted
by key: filling and emptying a temporary table would cost more than a small batch.
Costs are passed as whole numbers, with the unit that `metrics.commands.sums` chose.
"""

from metrics.catalog import DAILY_METRICS

# Closing a period locks the row `for update`, so it waits until the recordings in
# flight have committed. The order by ID prevents deadlocks with other lockers.
LOCK_PERIODS_SHARED = """
select organization_id, number from metrics_openperiod
where organization_id = any(%(ids)s::bigint[])
order by organization_id for share
"""

# A white label without rates has no price book: its version is 0.
SELECT_PRICE_VERSION = """
select coalesce((select version from metrics_pricebook
    where white_label_id = %(white_label)s), 0)
"""

# Prices as whole numbers of 10^-places, so that Python multiplies integers: as few
# places as the most precise of these prices needs, because short numbers are faster.
SELECT_RATES = """
with rate as materialized (
    select product, meter, organization_id, effective_from, base_price,
        base_benchmark_price
    from metrics_rate
    where white_label_id = %(white_label)s and product = any(%(products)s::text[])
        and removed_in is null
        and (organization_id is null or organization_id = any(%(ids)s::bigint[]))
), precision as (
    select coalesce(max(greatest(min_scale(base_price),
        min_scale(base_benchmark_price))), 0) as places
    from rate
)
select product, meter, organization_id, effective_from,
    trim_scale(base_price * ('1e' || places)::numeric),
    trim_scale(base_benchmark_price * ('1e' || places)::numeric), places
from rate cross join precision
"""

# The key of daily usage: also of pending usage and of recomputed usage.
USAGE_KEY = "organization_id, day, product, meter, project_id, period"

_EVENT_COLUMNS = (
    "organization_id, event_id, at, product, project_id, quantities, period"
)

COPY_EVENTS = f"copy metrics_usageevent ({_EVENT_COLUMNS}, price_version) from stdin"

_UNNESTED_EVENTS = """
unnest(%(organizations)s::bigint[], %(events)s::text[], %(instants)s::timestamptz[],
    %(products)s::text[], %(projects)s::bigint[], %(quantities)s::jsonb[],
    %(periods)s::integer[])
"""

# Skips events that exist; returns the keys of those that it inserted.
INSERT_NEW_EVENTS = f"""
insert into metrics_usageevent ({_EVENT_COLUMNS}, price_version)
select *, %(version)s::integer from {_UNNESTED_EVENTS}
on conflict do nothing
returning organization_id, event_id, at
"""  # noqa: S608  no user input

# A separate statement after the insert, because its snapshot includes the events that
# other transactions committed while the insert waited for them.
SELECT_EXISTING_EVENTS = """
select e.organization_id, e.event_id, e.at, e.product, e.project_id, e.quantities
from unnest(%(organizations)s::bigint[], %(events)s::text[],
    %(instants)s::timestamptz[]) as k (organization_id, event_id, at)
join metrics_usageevent e using (organization_id, event_id, at)
"""

# Recordings append pending rows instead of updating sums, so they never wait for each
# other or for the roll-up. Costs are written with an exponent: 25e-6.
COPY_PENDING_USAGE = f"""
copy metrics_pendingusage ({USAGE_KEY}, quantity, cost, benchmark_cost,
    unpriced_quantity) from stdin
"""

# For small batches: unlike COPY, it travels with the other statements of the pipeline.
INSERT_PENDING_USAGE = f"""
insert into metrics_pendingusage ({USAGE_KEY}, quantity, cost, benchmark_cost,
    unpriced_quantity)
select organization_id, day, product, meter, project_id, period, quantity,
    cost * %(cost_unit)s::numeric, benchmark * %(cost_unit)s::numeric, unpriced
from unnest(%(organizations)s::bigint[], %(days)s::date[], %(products)s::text[],
    %(meters)s::text[], %(projects)s::bigint[], %(periods)s::integer[],
    %(quantities)s::numeric[], %(costs)s::numeric[], %(benchmarks)s::numeric[],
    %(unpriced)s::numeric[]) as added (organization_id, day, product, meter, project_id,
    period, quantity, cost, benchmark, unpriced)
"""  # noqa: S608  no user input

INSERT_PENDING_FLEET_USAGE = """
insert into metrics_pendingfleetusage (white_label_id, day, product, meter, quantity,
    cost, benchmark_cost, unpriced_quantity)
select %(white_label)s::bigint, day, product, meter, quantity,
    cost * %(cost_unit)s::numeric, benchmark * %(cost_unit)s::numeric, unpriced
from unnest(%(days)s::date[], %(products)s::text[], %(meters)s::text[],
    %(quantities)s::numeric[], %(costs)s::numeric[], %(benchmarks)s::numeric[],
    %(unpriced)s::numeric[]) as added (day, product, meter, quantity, cost, benchmark,
    unpriced)
"""


def _upsert_daily_metrics() -> str:
    """Return the statement that adds to the daily metrics named in the catalog."""
    columns = list(DAILY_METRICS.values())
    updates = [f"{column} = d.{column} + excluded.{column}" for column in columns]
    arrays = [f"%({column})s::numeric[]" for column in columns]
    return f"""
insert into metrics_dailymetric as d (organization_id, day, {", ".join(columns)})
select * from unnest(%(organizations)s::bigint[], %(days)s::date[], {", ".join(arrays)})
on conflict (organization_id, day) do update set {", ".join(updates)}
"""  # noqa: S608  column names come from the catalog


UPSERT_DAILY_METRICS = _upsert_daily_metrics()
