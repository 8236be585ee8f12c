"""SQL that prices usage events at any version of the price book.

Recording prices its batch in Python; this states the same rule independently, so that
comparing the two detects errors. A cost is the exact product of the quantity and the
price of a base unit at the event's instant. From the start of an organization's special
rate on, that rate applies instead of the white label's. A rate without a price is the
end of the one before it: its span joins, but with null prices, like no rate at all.

Usage without a rate is unpriced. When its period is closed, it gets the price that was
set meanwhile (see `metrics.commands.late_pricing`) or is carried into the next one (see
`metrics.commands.carrying`): it counts in the first period, from that of its event on,
at whose prices it has a rate, and otherwise in the last one it is carried to.
"""

from metrics.catalog import UNBILLED_METERS

_UNBILLED = "array[" + ", ".join(f"'{meter}'" for meter in UNBILLED_METERS) + "]"

# Whether an event `e` is voided, and so excluded from sums. An event of an invoiced
# period is refunded by a credit instead and stays in the sums of that period.
IS_VOIDED = """exists (
    select from metrics_usagevoid v where v.organization_id = e.organization_id
    and v.event_id = e.event_id and v.at = e.at and not v.is_credited)"""
# The open period when an event was credited: from then on it is carried no further.
_CREDITED_IN = """(
        select v.open_period from metrics_usagevoid v
        where v.organization_id = q.organization_id and v.event_id = q.event_id
            and v.at = q.at and v.is_credited)"""

# The versions of the price book that periods were re-rated with. At current prices, the
# open periods count as re-rated with the current version.
_RERATED = """
select organization_id, period, price_version as version
from metrics_periodrerating where organization_id = any(%(ids)s)
"""
_CURRENT_VERSIONS = """
union all
select p.organization_id, p.number, coalesce((
    select version from metrics_pricebook where white_label_id = %(white_label)s), 0)
from metrics_openperiod p where p.organization_id = any(%(ids)s)
"""


def priced_sums(events: str, *, is_current: bool = False) -> str:
    """Return the CTEs, from `with` to `summed`, that price and sum a query's events.

    `events` returns rows of usage events. Each is priced at the version of its
    recording, or at the later version that its period was re-rated to; `is_current`
    prices the open periods with the current price book instead. Reads %(zone)s,
    %(white_label)s, and %(ids)s, the IDs of all organizations in `events`.

    The last CTE is `summed (organization_id, day, product, meter, project_id, period,
    quantity, cost, benchmark_cost, unpriced, free)`. Of the quantity, `unpriced` has
    no rate, `free` a rate of 0.

    chain: the periods to which unpriced usage of a period is carried. late: the
    versions that price what was unpriced when a period closed. candidate: the periods
    that such a quantity may count in, with their versions. requested: the prices that
    are needed. offered: all rates that were in the price book at that version, special
    ones of the organization first. ranked: adds when the organization's first special
    rate starts. span: from when until when each rate applies; a general rate ends where
    the first special rate starts. Materialized, so that the planner does not compute
    them again for every event.
    """
    rerated = _RERATED + (_CURRENT_VERSIONS if is_current else "")
    return f"""
with recursive rerated as materialized (
    select organization_id, period, max(version) as version from ({rerated}) versions
    group by 1, 2
), chain as (
    select organization_id, product, meter, period as first, period + 1 as period
    from metrics_carriedusage where organization_id = any(%(ids)s)
    union all
    select c.organization_id, c.product, c.meter, c.first, c.period + 1
    from chain c join metrics_carriedusage k using (organization_id, product, meter,
        period)
), late as materialized (
    select * from metrics_latepricing where organization_id = any(%(ids)s)
), quantity as materialized (
    select e.organization_id, (e.at at time zone %(zone)s)::date as day, e.product,
        q.key as meter, e.project_id, e.event_id, e.at, e.period,
        q.value::bigint as quantity, e.price_version,
        greatest(e.price_version, r.version) as version,
        q.value <> '0' and (exists (
            select from chain c where c.organization_id = e.organization_id
                and c.product = e.product and c.meter = q.key and c.first = e.period)
        or exists (
            select from late l where l.organization_id = e.organization_id
                and l.product = e.product and l.meter = q.key and l.period = e.period))
            as is_carried
    from ({events}) e
    left join rerated r on r.organization_id = e.organization_id
        and r.period = e.period
    cross join lateral jsonb_each(e.quantities) q
), place as materialized (
    select q.*, q.period as counted_in, q.version as counted_version
    from quantity q where q.is_carried
    union all
    select q.*, c.period, greatest(q.price_version, (
        select max(version) from rerated r where r.organization_id = q.organization_id
            and r.period between q.period and c.period))
    from quantity q join chain c on c.organization_id = q.organization_id
        and c.product = q.product and c.meter = q.meter and c.first = q.period
    where q.is_carried and c.period < coalesce({_CREDITED_IN}, c.period + 1)
), candidate as materialized (
    select * from place
    union all
    select q.organization_id, q.day, q.product, q.meter, q.project_id, q.event_id, q.at,
        q.period, q.quantity, q.price_version, q.version, q.is_carried, q.counted_in,
        greatest(q.counted_version, l.price_version)
    from place q join late l on l.organization_id = q.organization_id
        and l.product = q.product and l.meter = q.meter and l.period = q.counted_in
), requested as materialized (
    select organization_id, product, meter, version from quantity
    union
    select organization_id, product, meter, counted_version from candidate
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
), priced as (
    select q.organization_id, q.day, q.product, q.meter, q.project_id, q.period,
        q.quantity, s.base_price, s.base_benchmark_price
    from quantity q
    left join span s on s.organization_id = q.organization_id
        and s.product = q.product and s.meter = q.meter and s.version = q.version
        and q.at >= s.since and q.at < s.until
    where not q.is_carried
    union all
    select organization_id, day, product, meter, project_id, counted_in, quantity,
        base_price, base_benchmark_price
    from (
        select distinct on (q.organization_id, q.event_id, q.at, q.meter)
            q.*, s.base_price, s.base_benchmark_price
        from candidate q
        left join span s on s.organization_id = q.organization_id
            and s.product = q.product and s.meter = q.meter
            and s.version = q.counted_version and q.at >= s.since and q.at < s.until
        order by q.organization_id, q.event_id, q.at, q.meter, s.base_price is null,
            case when s.base_price is null then -q.counted_in else q.counted_in end,
            q.counted_version
    ) carried
), summed as materialized (
    select organization_id, day, product, meter, project_id, period,
        sum(quantity) as quantity,
        sum(quantity * coalesce(base_price, 0)) as cost,
        sum(quantity * coalesce(base_benchmark_price, 0)) as benchmark_cost,
        coalesce(sum(quantity) filter (
            where base_price is null and meter <> all({_UNBILLED})), 0) as unpriced,
        coalesce(sum(quantity) filter (where base_price = 0
            or base_price is null and meter = any({_UNBILLED})), 0) as free
    from priced group by 1, 2, 3, 4, 5, 6
)"""  # noqa: S608  ours
