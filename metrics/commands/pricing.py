"""What quantities cost: the fragment of SQL that recording and recomputing share.

A cost is quantity x price of the event's own instant, exact; an organization's own
rate wins over the white label's from its start on.
"""

# Of the price book as it stands, and as it stood at `wanted.version`.
NOW = "r.removed_in is null"
THEN = "r.added_in <= w.version and (r.removed_in is null or r.removed_in > w.version)"

_KEY = ("organization_id", "product", "meter")


def summed(*, rates: str, versioned: bool) -> str:
    """Common table expressions `wanted` to `summed`, without a leading `with`.

    Reads a CTE `quantity (organization_id, day, product, meter, project_id, period,
    at, quantity)`, with a column `version` if `versioned`, and %(white_label)s. Gives
    `summed (organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced)`, exact. `span` is which price holds from when until
    when, a general one until the first own one begins; `rates` says which rows of the
    price book count: `NOW` or `THEN`.
    """
    columns = (*_KEY, "version") if versioned else _KEY
    priced = " and ".join(f"s.{name} = q.{name}" for name in columns)
    key = ", ".join(columns)
    return f"""
wanted as materialized (
    select distinct {key} from quantity
), offered as (
    select w.*, true as is_own, coalesce(r.effective_from, '-infinity') as since,
        r.unit_price, r.benchmark_unit_price
    from wanted w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id = w.organization_id and {rates}
    union all
    select w.*, false, coalesce(r.effective_from, '-infinity'), r.unit_price,
        r.benchmark_unit_price
    from wanted w join metrics_rate r on r.white_label_id = %(white_label)s
        and r.product = w.product and r.meter = w.meter
        and r.organization_id is null and {rates}
), ranked as (
    select *, min(since) filter (where is_own) over (partition by {key}) as own_since
    from offered
), span as materialized (
    select *, lead(since, 1, 'infinity') over (
        partition by {key} order by since) as until
    from ranked where is_own or own_since is null or since < own_since
), summed as materialized (
    select q.organization_id, q.day, q.product, q.meter, q.project_id, q.period,
        sum(q.quantity) as quantity,
        sum(q.quantity * coalesce(s.unit_price, 0)) as cost,
        sum(q.quantity * coalesce(s.benchmark_unit_price, 0)) as benchmark_cost,
        coalesce(sum(q.quantity) filter (where s.unit_price is null), 0) as unpriced
    from quantity q
    left join span s on {priced} and q.at >= s.since and q.at < s.until
    group by 1, 2, 3, 4, 5, 6
)"""  # noqa: S608  ours
