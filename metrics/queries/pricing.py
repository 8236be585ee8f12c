"""SQL that prices usage events at any version of the price book.

Recording prices its batch in Python; this states the same rule independently, so that
comparing the two detects errors. A cost is the exact product of the quantity and the
price at the event's instant. From the start of an organization's special rate on, that
rate applies instead of the white label's.
"""

# Whether an event `e` is voided, and so excluded from sums. An event of an invoiced
# period is refunded by a credit instead and stays in the sums of that period.
IS_VOIDED = """exists (
    select from metrics_usagevoid v where v.organization_id = e.organization_id
    and v.event_id = e.event_id and v.at = e.at and not v.is_credited)"""

# Common table expressions that price quantities and sum them by day.
#
# Reads %(white_label)s and a CTE `quantity (organization_id, day, product, meter,
# project_id, period, at, quantity, version)`. The last CTE is `summed (organization_id,
# day, product, meter, project_id, period, quantity, cost, benchmark_cost, unpriced)`.
#
# requested: the prices that the quantities need. offered: all rates that were in the
# price book at that version, special ones of the organization first. ranked: adds when
# the organization's first special rate starts. span: from when until when each rate
# applies; a general rate ends where the first special rate starts. Materialized, so
# that the planner does not compute them again for every event.
PRICED_SUMS = """
requested as materialized (
    select distinct organization_id, product, meter, version from quantity
), offered as (
    select w.*, true as is_special, coalesce(r.effective_from, '-infinity') as since,
        r.base_price, r.base_benchmark_price
    from requested w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id = w.organization_id and r.added_in <= w.version
        and (r.removed_in is null or r.removed_in > w.version)
    union all
    select w.*, false, coalesce(r.effective_from, '-infinity'), r.base_price,
        r.base_benchmark_price
    from requested w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id is null and r.added_in <= w.version
        and (r.removed_in is null or r.removed_in > w.version)
), ranked as (
    select *, min(since) filter (where is_special) over (
        partition by organization_id, product, meter, version) as special_since
    from offered
), span as materialized (
    select *, lead(since, 1, 'infinity') over (
        partition by organization_id, product, meter, version order by since) as until
    from ranked where is_special or special_since is null or since < special_since
), summed as materialized (
    select q.organization_id, q.day, q.product, q.meter, q.project_id, q.period,
        sum(q.quantity) as quantity,
        sum(q.quantity * coalesce(s.base_price, 0)) as cost,
        sum(q.quantity * coalesce(s.base_benchmark_price, 0)) as benchmark_cost,
        coalesce(sum(q.quantity) filter (where s.base_price is null), 0) as unpriced
    from quantity q
    left join span s on s.organization_id = q.organization_id
        and s.product = q.product and s.meter = q.meter and s.version = q.version
        and q.at >= s.since and q.at < s.until
    group by 1, 2, 3, 4, 5, 6
)"""


def price_events(events: str) -> str:
    """Return the CTEs, from `with` to `summed`, that price the events of a query.

    Each event is priced at the version of its recording, or at the later version that
    its period was re-rated to. Reads %(zone)s, %(white_label)s, and %(ids)s, the ids of
    all organizations in `events`.
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
