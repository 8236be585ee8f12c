"""Lateral subqueries that read an organization's usage to compare it with limits.

Each reads columns of `a`, a row for each organization, and looks its usage up by an
index. A plain join would be planned as a read of the whole fleet's usage.
"""

from metrics.catalog import STORAGE_METER
from orgs.decimals import SHOWN_PLACES

# The open period of `a.id`: its number, start and cost to date, without guard digits,
# so that it can equal a limit.
OPEN_COST = f"""(
    select p.number, p.starts_at, (
        select round(coalesce(sum(cost), 0), {SHOWN_PLACES}) from metrics_usage
        where organization_id = a.id and period = p.number) as cost
    from metrics_openperiod p where p.organization_id = a.id
)"""  # noqa: S608  only constants

# Compute and GPU seconds since `a.year_on`, and bytes stored now. A row of zeros where
# `a.is_metered` is false, without reading anything.
METERED_USE = """(
    select coalesce(sum(cpu_seconds + gpu_seconds) filter (where day >= a.year_on), 0)
            as compute_seconds,
        coalesce(sum(gpu_seconds) filter (where day >= a.year_on), 0) as gpu_seconds,
        coalesce(sum(storage_bytes_added - storage_bytes_deleted), 0) as storage_bytes
    from metrics_dailymetric where organization_id = a.id and a.is_metered
)"""

# The cost of each day with usage after `a.since`, up to and including `a.today`, and
# whether a client reported some of it: stored bytes are recorded every day.
DAY_COSTS = f"""(
    select day, sum(cost) as cost, bool_or(meter <> '{STORAGE_METER}') as is_reported
    from metrics_usage
    where organization_id = a.id and day > a.since and day <= a.today group by day
)"""  # noqa: S608  only constants

# Quantities without a price in the open period `a.number`, by product and meter. The
# index `daily_usage_unpriced` has only such rows, so there is usually nothing to read.
UNPRICED_USE = """(
    select product, meter, sum(unpriced_quantity) as quantity from metrics_usage
    where organization_id = a.id and period = a.number and unpriced_quantity <> 0
    group by product, meter having sum(unpriced_quantity) > 0
)"""
