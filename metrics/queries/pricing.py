"""What quantities cost at any version of the price book, in SQL.

Recording prices its batch itself; this is the same rule said a second time, so that
comparing the two proves something. A cost is quantity x price of the event's instant,
exact; an organization's own rate wins over the white label's from its start on.
"""

# Of an event `e`: whether sums are without it. An event that was made good by a credit
# is in the sums of its invoiced period still.
IS_VOIDED = """exists (
    select from metrics_usagevoid v where v.organization_id = e.organization_id
    and v.event_id = e.event_id and v.at = e.at and not v.is_credited)"""

# Common table expressions `wanted` to `summed`. Reads %(white_label)s and a CTE
# `quantity (organization_id, day, product, meter, project_id, period, at, quantity,
# version)`; gives `summed (organization_id, day, product, meter, project_id, period,
# quantity, cost, benchmark_cost, unpriced)`. `span` is which price holds from when
# until when, a general one until the first own one begins.
PRICED_SUMS = """
wanted as materialized (
    select distinct organization_id, product, meter, version from quantity
), offered as (
    select w.*, true as is_own, coalesce(r.effective_from, '-infinity') as since,
        r.unit_price, r.benchmark_unit_price
    from wanted w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id = w.organization_id and r.added_in <= w.version
        and (r.removed_in is null or r.removed_in > w.version)
    union all
    select w.*, false, coalesce(r.effective_from, '-infinity'), r.unit_price,
        r.benchmark_unit_price
    from wanted w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id is null and r.added_in <= w.version
        and (r.removed_in is null or r.removed_in > w.version)
), ranked as (
    select *, min(since) filter (where is_own) over (
        partition by organization_id, product, meter, version) as own_since
    from offered
), span as materialized (
    select *, lead(since, 1, 'infinity') over (
        partition by organization_id, product, meter, version order by since) as until
    from ranked where is_own or own_since is null or since < own_since
), summed as materialized (
    select q.organization_id, q.day, q.product, q.meter, q.project_id, q.period,
        sum(q.quantity) as quantity,
        sum(q.quantity * coalesce(s.unit_price, 0)) as cost,
        sum(q.quantity * coalesce(s.benchmark_unit_price, 0)) as benchmark_cost,
        coalesce(sum(q.quantity) filter (where s.unit_price is null), 0) as unpriced
    from quantity q
    left join span s on s.organization_id = q.organization_id
        and s.product = q.product and s.meter = q.meter and s.version = q.version
        and q.at >= s.since and q.at < s.until
    group by 1, 2, 3, 4, 5, 6
)"""


def price_events(events: str) -> str:
    """From `with` to `summed`: the cost of these events as it was fixed for them.

    A period that was re-rated is priced with the version it was re-rated to. Reads
    %(zone)s, and %(ids)s of the organizations, too.
    """
    return f"""
with rerated as materialized (
    select organization_id, period, max(price_version) as version
    from metrics_periodrepricing where organization_id = any(%(ids)s) group by 1, 2
), quantity as materialized (
    select e.organization_id, (e.at at time zone %(zone)s)::date as day, e.product,
        q.key as meter, e.project_id, e.period, e.at, q.value::bigint as quantity,
        greatest(e.price_version, coalesce(r.version, 0)) as version
    from ({events}) e
    left join rerated r on r.organization_id = e.organization_id
        and r.period = e.period
    cross join lateral jsonb_each(e.quantities) q
), {PRICED_SUMS}"""  # noqa: S608  ours
