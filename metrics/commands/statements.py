"""The statements of recording, in the order they run; see `metrics.commands.record`.

What is many comes by COPY, the rest as array literals, one for each column and sorted
by key: no temporary table whose making and emptying would cost more than a small batch.
Costs come as whole numbers of 10^-12, which `metrics.commands.sums` counts in.
"""

from metrics.catalog import DAILY_METRICS

# An event's price version and the rates its cost is made of must not differ: a change
# of the price book takes this lock alone. No row is written, so recordings don't queue.
LOCK_PRICES = (
    "select pg_advisory_xact_lock_shared(hashtext('price book'), %(white_label)s)"
)

# Closing a period takes the row for update: a recording in flight is finished first.
SHARE_PERIODS = """
select organization_id, number from metrics_openperiod
where organization_id = any(%(ids)s::bigint[])
order by organization_id for share
"""

PRICE_VERSION = """
select coalesce((select version from metrics_pricebook
    where white_label_id = %(white_label)s), 0)
"""

RATES = """
select product, meter, organization_id, effective_from,
    (unit_price * 1e12)::numeric(40, 0), (benchmark_unit_price * 1e12)::numeric(40, 0)
from metrics_rate
where white_label_id = %(white_label)s and product = any(%(products)s::text[])
    and removed_in is null
    and (organization_id is null or organization_id = any(%(ids)s::bigint[]))
"""

# What makes one sum of daily usage, wherever it is: appended, folded or computed again.
USAGE_KEY = "organization_id, day, product, meter, project_id, period"

_EVENT = "organization_id, event_id, at, product, project_id, quantities, period"

COPY_EVENTS = f"copy metrics_usageevent ({_EVENT}, price_version) from stdin"

_EVENTS = """
unnest(%(organizations)s::bigint[], %(events)s::text[], %(instants)s::timestamptz[],
    %(products)s::text[], %(projects)s::bigint[], %(quantities)s::jsonb[],
    %(periods)s::integer[])
"""

INSERT_NEW_EVENTS = f"""
insert into metrics_usageevent ({_EVENT}, price_version)
select *, %(version)s::integer from {_EVENTS}
on conflict do nothing
returning organization_id, event_id, at
"""  # noqa: S608  our own text

# A statement of its own: its snapshot sees what others committed while we inserted.
COMPARE = """
select e.organization_id, e.event_id, e.at, e.product, e.project_id, e.quantities
from unnest(%(organizations)s::bigint[], %(events)s::text[],
    %(instants)s::timestamptz[]) as k (organization_id, event_id, at)
join metrics_usageevent e using (organization_id, event_id, at)
"""

# Whoever adds changes up later does not hold up recordings: they append, and wait for
# nobody. An amount is given as so many millionths of a millionth: 25e-12.
COPY_CHANGES = f"""
copy metrics_pendingusage ({USAGE_KEY}, quantity, cost, benchmark_cost,
    unpriced_quantity) from stdin
"""

# The same for a few, which go with what else is sent: COPY would be a call of its own.
APPEND_CHANGES = f"""
insert into metrics_pendingusage ({USAGE_KEY}, quantity, cost, benchmark_cost,
    unpriced_quantity)
select o, d, p, m, j, n, q, c * 1e-12, b * 1e-12, u
from unnest(%(organizations)s::bigint[], %(days)s::date[], %(products)s::text[],
    %(meters)s::text[], %(projects)s::bigint[], %(periods)s::integer[],
    %(quantities)s::numeric[], %(costs)s::numeric[], %(benchmarks)s::numeric[],
    %(unpriced)s::numeric[]) as added (o, d, p, m, j, n, q, c, b, u)
"""  # noqa: S608  our own text

APPEND_FLEET = """
insert into metrics_pendingfleetusage (white_label_id, day, product, meter, quantity,
    cost,
    benchmark_cost, unpriced_quantity)
select %(white_label)s::bigint, d, p, m, q, c * 1e-12, b * 1e-12, u
from unnest(%(days)s::date[], %(products)s::text[], %(meters)s::text[],
    %(quantities)s::numeric[], %(costs)s::numeric[], %(benchmarks)s::numeric[],
    %(unpriced)s::numeric[]) as added (d, p, m, q, c, b, u)
"""


def _upsert_metrics() -> str:
    """Add to the columns of the daily metrics that the catalog names."""
    columns = list(DAILY_METRICS.values())
    updates = [f"{column} = d.{column} + excluded.{column}" for column in columns]
    arrays = [f"%({column})s::numeric[]" for column in columns]
    return f"""
insert into metrics_dailymetric as d (organization_id, day, {", ".join(columns)})
select * from unnest(%(organizations)s::bigint[], %(days)s::date[], {", ".join(arrays)})
on conflict (organization_id, day) do update set {", ".join(updates)}
"""  # noqa: S608  names come from our own catalog


UPSERT_METRICS = _upsert_metrics()
