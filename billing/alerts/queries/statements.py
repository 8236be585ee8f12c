"""The SQL that measures organizations and finds the thresholds they newly reached.

The statements `…_NOW` run after usage is recorded; `…_DAYS` evaluate complete days, in
the sweep. `ALL_…` return every measurement, `NEW_…` only thresholds that were reached
and have no alert yet. Each is one statement, however many organizations there are.
"""

from billing.alerts.kinds import ALERT_KINDS, AlertKind, fixed_thresholds
from billing.alerts.measures import ENTITLEMENTS
from billing.forecast.queries.forecasts import SETTLES_HOURS
from billing.ledger.queries.terms import USAGE_PERIOD_END
from billing.models.accounts import LimitKind
from billing.models.mirrors import (
    LIVE,
    UNPAID,
    InvoiceStatus,
    SubscriptionKind,
    SubscriptionStatus,
)
from billing.models.webhooks import FAULTS
from metrics.queries.subqueries import (
    DAY_COSTS,
    METERED_USE,
    OPEN_COST,
    UNPRICED_USE,
)
from orgs.sql import sql_list

# The start of a period or year is announced for so many days.
RESET_DAYS = 3
# Days before the evaluated one whose median is the typical cost, and how many of them
# must have usage.
MEDIAN_DAYS, MIN_MEDIAN_DAYS = 14, 7
# Complete days since the first usage before a forecast may trigger an alert.
MIN_HISTORY_DAYS = 7
REGULAR_DAYS = 14  # that many days in a row with usage make a day without it unusual
SILENT_DAYS = 7  # a longer silence is not reported any more
_READ_DAYS = REGULAR_DAYS + SILENT_DAYS + 2
_LIMIT_COLUMNS = [entitlement.limit for entitlement in ENTITLEMENTS.values()]

# The organizations, their local date and their entitlements. `last` is the last
# complete day: usage of a day may arrive some hours after its end. `year_on`, the start
# of the contract year, is the last anniversary not after today, by the same rule as
# `contract_year_start`: `y.anniversary` is this calendar year's, else the year before.
_EVALUATED = f"""
evaluated as materialized (
    select o.id, w.currency, w.time_zone, c.started_on, t.today, t.last,
        t.last - {_READ_DAYS} as since,
        case when y.anniversary > t.today and y.years > 0
            then (c.started_on + make_interval(years => y.years - 1))::date
            else y.anniversary end as year_on,
        {", ".join(f"e.{limit}, e.{limit}_version" for limit in _LIMIT_COLUMNS)},
        coalesce(e.compute_seconds_per_year, e.gpu_seconds_per_year, e.storage_bytes)
            is not null as is_metered
    from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
    left join orgs_entitlements e on e.organization_id = o.id
    cross join lateral (select (%(now)s at time zone w.time_zone)::date as today,
        ((%(now)s - interval '{SETTLES_HOURS} hours') at time zone w.time_zone)::date
            - 1 as last) t
    cross join lateral (select coalesce(o.contract_started_on,
        (o.created_at at time zone w.time_zone)::date) as started_on) c
    cross join lateral (select e.years,
            (c.started_on + make_interval(years => e.years))::date as anniversary
        from (select greatest(extract(year from t.today)::integer
            - extract(year from c.started_on)::integer, 0)) e (years)) y
    where o.id = any(%(ids)s::bigint[]) and o.deleted_at is null
)"""  # noqa: S608  only constants

# A scenario passes its own spend or limit; its limit counts as a new version, so that
# alerts recorded for the current limit do not hide its own.
_LIMIT = """
        case when %({kind}_given)s then %({kind})s::numeric else {kind}.amount end
            as {kind}, coalesce({kind}.version, 0) + %({kind}_given)s::integer
            as {kind}_version"""
_LIMIT_JOIN = """
    left join billing_spendinglimit {kind} on {kind}.organization_id = a.id
        and {kind}.kind = '{kind}' and {kind}.amount > 0"""

# In a trial the free balance pays first, and limits apply to the rest.
_PAID = f"""
paid as materialized (  -- else the cost would be summed once for each use
    select a.*, p.number, p.starts_at, coalesce(%(spend)s::numeric, p.cost) as cost,
        s.status, s.trial_ends_at, {USAGE_PERIOD_END} as ends_at, s.stripe_id,
        case when s.status = '{SubscriptionStatus.TRIALING}'
            and (s.trial_ends_at is null or s.trial_ends_at > %(now)s)
            then coalesce(b.free_balance, 0) else 0 end as paying_balance,
        {",".join(_LIMIT.format(kind=kind) for kind in LimitKind)}
    from evaluated a cross join lateral {OPEN_COST} p
    left join billing_subscription s on s.organization_id = a.id
        and s.kind = '{SubscriptionKind.PLATFORM}' and s.status in {sql_list(LIVE)}
    left join billing_billingaccount b on b.organization_id = a.id
    {"".join(_LIMIT_JOIN.format(kind=kind) for kind in LimitKind)}
), known as materialized (
    select *, greatest(cost - paying_balance, 0) as payable from paid
)"""  # noqa: S608  only constants

_HEADCOUNT = """(select count(*) from orgs_{table}
        where organization_id = a.id and deleted_at is null and a.{limit} is not null)
    """
_USED = {  # by subject: the SQL of its usage
    "compute_seconds": "u.compute_seconds",
    "gpu_seconds": "u.gpu_seconds",
    "storage_bytes": "u.storage_bytes",
    "projects": _HEADCOUNT.format(table="project", limit="projects"),
    "users": _HEADCOUNT.format(table="member", limit="users"),
}
_ENTITLEMENT = """
        select 'entitlement', '{subject}', {used}::numeric, a.{limit}::numeric,
            a.{limit}_version, a.year_on::text where a.{limit} is not null
        union all"""
_SPENDING_LIMIT = """
        select '{kind}', '', a.payable, a.{kind}, a.{kind}_version, a.number::text
        where a.{kind} > 0
        union all"""
# One row for each measure of each organization. Dates, period numbers and instants in
# `period` are text: they only have to differ from one occasion to the next.
_MEASURED_NOW = f"""
measured as (
    select a.id, m.*, true as is_conclusive, null::jsonb as context
    from known a cross join lateral {METERED_USE} u cross join lateral (
        {"".join(_SPENDING_LIMIT.format(kind=kind) for kind in LimitKind)}
        {
    "".join(
        _ENTITLEMENT.format(
            subject=subject, used=_USED[subject], limit=entitlement.limit
        )
        for subject, entitlement in ENTITLEMENTS.items()
    )
}
        select 'balance', '', a.cost, a.paying_balance, 0, a.number::text
        where a.paying_balance > 0
        union all
        select 'payment', coalesce(a.stripe_id, ''), 1, 1, 0, a.number::text
        where a.status in {sql_list(UNPAID)} or exists (
            select from billing_invoice i where i.organization_id = a.id
                and i.status = '{InvoiceStatus.OPEN}' and i.attempt_count > 0
                and i.overdue_from <= %(now)s)
        union all
        select 'trial', a.stripe_id,
            extract(epoch from a.trial_ends_at - %(now)s) / 86400, 0, 0,
            to_char(a.trial_ends_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI')
        where a.status = '{SubscriptionStatus.TRIALING}' and a.trial_ends_at > %(now)s
        union all
        select 'unpriced', u.product || ' ' || u.meter, u.quantity, 1, 0,
            a.number::text
        from {UNPRICED_USE} u
        union all
        select 'webhook_fault',
            left(coalesce(nullif(w.description, ''), w.url), 255), 1, 1, 0,
            to_char(w.disabled_at at time zone 'UTC', 'YYYYMMDDHH24MISS')
                || '-' || w.id
        from billing_webhookendpoint w join orgs_whitelabel l on l.id = w.white_label_id
        where w.disabled_because in {sql_list(FAULTS)}
            and coalesce(w.organization_id, l.owner_id) = a.id
        union all
        select 'reset', 'billing_period', 1, 1, 0, a.number::text
        where a.number > 1 and (a.soft > 0 or a.hard > 0) and a.starts_at <= %(now)s
            and a.starts_at > %(now)s - interval '{RESET_DAYS} days'
        union all
        select 'reset', 'contract_year', 1, 1, 0, a.year_on::text
        where a.is_metered and a.year_on > a.started_on
            and a.today - a.year_on < {RESET_DAYS}
    ) m (measure, subject, value, base, version, period)
)"""  # noqa: S608  only constants

# The daily costs of recent weeks, summed up. `percentile_disc` returns the lower of two
# middle days: an amount that was really spent.
_DAILY = f"""
daily as (
    select a.*, d.*, a.last - d.last_used_on as silent
    from known a cross join lateral (
        select max(day) filter (where is_reported) as last_used_on,
            sum(cost) filter (where day = a.last) as last_cost,
            count(*) filter (where day >= a.last - {MEDIAN_DAYS} and day < a.last)
                as median_days,
            percentile_disc(0.5) within group (order by cost) filter (
                where day >= a.last - {MEDIAN_DAYS} and day < a.last) as median,
            count(*) filter (where is_reported and day > newest - {REGULAR_DAYS})
                as regular_days
        from (select *, max(day) filter (where is_reported) over () as newest
            from {DAY_COSTS} c) days
    ) d
)"""  # noqa: S608  only constants

# The forecast is computed in Python, by the function that pages use, and passed in: see
# `billing.alerts.queries.expectations`. A last complete day without usage is not a
# cheap day: its usage may still arrive.
_MEASURED_DAYS = f"""
measured as (
    select a.id, m.* from daily a cross join lateral (
        select 'run_rate', '', f.value, a.soft, a.soft_version, a.number::text,
            f.history_days >= {MIN_HISTORY_DAYS},
            jsonb_build_object('run_rate_per_day', f.per_day::text,
                'days_with_usage', f.history_days, 'projected_on', f.projected_on,
                'estimated_invoice', f.estimated_invoice::text,
                'estimated_invoice_on', f.estimated_on)
        from unnest(%(expected_ids)s::bigint[], %(expected_values)s::numeric[],
            %(expected_per_day)s::numeric[], %(expected_history)s::integer[],
            %(expected_on)s::date[], %(estimated_invoices)s::numeric[],
            %(estimated_on)s::date[]) f (id, value, per_day, history_days,
                projected_on, estimated_invoice, estimated_on)
        where f.id = a.id and a.soft > a.payable
        union all
        select 'spike', '', coalesce(a.last_cost, 0), coalesce(a.median, 0), 0,
            a.last::text,
            a.last_cost is not null and a.median_days >= {MIN_MEDIAN_DAYS},
            jsonb_build_object('day', a.last, 'days_with_usage', a.median_days)
        where a.median_days > 0
        union all
        select 'silence', '', greatest(a.silent, 0), 1, 0, a.last_used_on::text,
            a.regular_days = {REGULAR_DAYS} and a.silent <= {SILENT_DAYS},
            jsonb_build_object('last_used_on', a.last_used_on,
                'days_with_usage', a.regular_days)
        where a.last_used_on is not null
    ) m (measure, subject, value, base, version, period, is_conclusive, context)
)"""  # noqa: S608  only constants

_CONTEXT = """jsonb_build_object('currency', a.currency, 'cost', a.cost::text,
        'payable', a.payable::text, 'free_balance', a.paying_balance::text,
        'soft', a.soft::text, 'hard', a.hard::text, 'starts_at', a.starts_at,
        'ends_at', a.ends_at, 'status', a.status, 'trial_ends_at', a.trial_ends_at,
        'contract_year', a.year_on, 'today', a.today)
    || coalesce(m.context, '{}')"""
_COLUMNS = f"""m.id, m.measure, m.subject, m.value, m.base, m.version, m.period,
    m.is_conclusive, a.number, {_CONTEXT}"""
_ALL = f"""
select {_COLUMNS} from measured m join known a on a.id = m.id
order by m.id, m.measure, m.subject
"""  # noqa: S608  only constants

# The percentages that an organization has chosen; null for the default ones.
_CHOSEN = """case k.percent_list when 'limits' then c.limit_percents
        when 'entitlements' then c.entitlement_percents end::numeric[]"""
# The rule of `AlertKind.is_reached` and `Measurement.is_reached`, without alerts that
# are recorded already: `not exists` probes the unique index `alert_once`. Before it,
# the rule of `kinds_at`: a kind has its threshold, or every chosen one that no kind of
# the measure has (`others`). Measurements are joined once, in one branch: a second one
# for chosen thresholds was joined by a nested loop, which grew with the square.
_NEW = """
select {columns}, k.slug,
    case when k.is_limit_amount then m.base else t.threshold end as threshold
from measured m join known a on a.id = m.id
join (values {kinds}) k (slug, measure, threshold, counts_down, is_limit_amount,
    percent_list, is_mandatory, others) on k.measure = m.measure
left join billing_alertsettings c on c.organization_id = m.id
cross join lateral unnest(case when k.others is null then array[k.threshold]
    else {chosen} end) t (threshold)
where case when k.counts_down then m.value <= t.threshold
        else m.value > 0 and m.value * 100 >= m.base * t.threshold end
    and m.is_conclusive
    and case when k.others is null
        then k.is_mandatory or {chosen} is null or t.threshold = any ({chosen})
        else t.threshold <> all (k.others) end
    and not exists (
        select from billing_alert l where l.organization_id = m.id and l.kind = k.slug
            and l.subject = m.subject and l.period = m.period
            and l.limit_version = m.version
            and l.threshold = case when k.is_limit_amount then m.base
                else t.threshold end)
"""


def _new(*, daily: bool) -> str:
    kinds = [kind for kind in ALERT_KINDS.values() if kind.definition.is_daily is daily]
    values = ", ".join(map(_values, kinds))
    return _NEW.format(columns=_COLUMNS, kinds=values, chosen=_CHOSEN)


def _values(kind: AlertKind) -> str:
    fixed = fixed_thresholds(kind.measure)
    others = f"array{fixed}::numeric[]" if kind.label_at else "null::numeric[]"
    has_amount = kind.definition.is_limit_amount and not kind.label_at
    return (
        f"('{kind.slug}', '{kind.measure}', {kind.threshold}::numeric,"
        f" {kind.counts_down}, {has_amount}, '{kind.percent_list or ''}',"
        f" {kind.is_mandatory}, {others})"
    )


# Organizations whose stored access state is not that of this period and this version
# of the limit; nothing is written for one that never exceeded its limit. These rows
# have no `slug`, so that one statement finds alerts and access changes.
_ACCESS = """
union all
select a.id, '', '', a.payable, a.hard, a.hard_version, a.number::text, true, a.number,
    '{}'::jsonb, null, null
from known a left join billing_accessstate stored on stored.organization_id = a.id
where a.hard > 0 and (stored.over_since is not null and stored.period = a.number
    and stored.limit_version = a.hard_version) <> (a.payable >= a.hard)
    and (stored.organization_id is not null or a.payable >= a.hard)
"""
_ORDER = "order by id, slug, subject"

_NOW = f"with {_EVALUATED}, {_PAID}, {_MEASURED_NOW}"
_DAYS = f"with {_EVALUATED}, {_PAID}, {_DAILY}, {_MEASURED_DAYS}"
ALL_NOW, ALL_DAYS = _NOW + _ALL, _DAYS + _ALL
NEW_NOW = f"{_NOW} {_new(daily=False)} {_ACCESS} {_ORDER}"
NEW_DAYS = f"{_DAYS} {_new(daily=True)} {_ORDER}"
