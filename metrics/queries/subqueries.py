"""Usage of many organizations, as parts of a statement that compares it with limits.

Each is a lateral subquery: it reads the columns it names of `a`, a row for each
organization, by an index. A plain join would be planned as a read of the whole fleet.
"""

# Number and start of the open period of `a.id`, and its cost so far.
OPEN_COST = """(
    select p.number, p.starts_at, (
        select coalesce(sum(cost), 0) from metrics_usage
        where organization_id = a.id and period = p.number) as cost
    from metrics_openperiod p where p.organization_id = a.id
)"""

# Compute and GPU seconds since `a.year_on`, and bytes stored; nothing, but a row, where
# `a.is_metered` is false.
METERED_USE = """(
    select coalesce(sum(cpu_seconds + gpu_seconds) filter (where day >= a.year_on), 0)
            as compute_seconds,
        coalesce(sum(gpu_seconds) filter (where day >= a.year_on), 0) as gpu_seconds,
        coalesce(sum(storage_bytes_added - storage_bytes_deleted), 0) as storage_bytes
    from metrics_dailymetric where organization_id = a.id and a.is_metered
)"""

# The days with usage after `a.since` up to and including `a.today`: what each cost.
DAY_COSTS = """(
    select day, sum(cost) as cost from metrics_usage
    where organization_id = a.id and day > a.since and day <= a.today group by day
)"""
