"""The statements that write a fleet, table by table; see `bench.data`.

Each writes the organizations from number `start` to `stop`. Nothing is random: the same
size and day give the same data. The open period is the second and began 20 days ago.
"""

PRODUCTS = tuple(f"model-{number:02d}" for number in range(20))
METERS = ("completion_tokens", "prompt_tokens", "requests")
UNIT_PRICE = "0.000002"  # of every product and meter
CHART_DAYS, CHART_PRODUCTS = 30, 5
METRIC_DAYS = 365
USAGE_DAYS = 12  # every other day
ROWS_PER_ORGANIZATION = USAGE_DAYS * len(METERS)

_NUMBERS = "generate_series(%(start)s::bigint, %(stop)s::bigint) i"

_ADJECTIVES = "{Alpine,Blue,Bright,Calm,Clear,Deep,Fresh,Grand,Happy,Iron,Kind,Lucky}"
_NOUNS = (
    "{Harbor,Garden,Forest,Bridge,River,Castle,Meadow,Anchor,Falcon,Lantern,Orchard,"
    "Summit,Valley,Willow,Compass,Beacon,Canyon,Glacier,Prairie,Quarry,Robotics,Foods}"
)
_SUFFIXES = "{AG,GmbH,Inc,Labs,Ltd,Systems,Works}"
# Names of people are made of these: 400 first names and 8,000 last names.
_SYLLABLES = "{ba,che,di,fo,gu,ha,jen,ki,lo,mar,na,or,pe,ri,sa,ta,ul,vi,wes,zo}"


def _syllables(number: str, count: int) -> str:
    """Return SQL of a name of `count` syllables, given by the digits of a number."""
    parts = (
        f"('{_SYLLABLES}'::text[])[1 + ({number}) / {20**at} %% 20]"
        for at in range(count)
    )
    return f"initcap({' || '.join(parts)})"


_PERSON = "((i * 2 + m) * 1327217885 %% 3200000)"  # another for each member, almost

STATEMENTS = {
    "organizations": f"""
insert into orgs_organization (id, white_label_id, external_id, name, billing_email,
    contract_started_on, rate_limit, is_active, is_billable, is_personal, created_at,
    updated_at, deleted_at, created_by, domain, logo_url, header_image_url, readme,
    experiments, hubspot_id, address_line_1, address_line_2, address_zip, address_city,
    address_state, address_country)
select %(base)s + i, %(white_label)s, 'org-' || lpad(i::text, 7, '0'),
    concat_ws(' ', ('{_ADJECTIVES}'::text[])[1 + i * 7919 %% 12],
        ('{_NOUNS}'::text[])[1 + i * 104729 %% 22],
        case when i * 31 %% 20 = 3 then 'Energy' end,
        case when i %% greatest(%(size)s / 10, 1) = 7 then 'Zyzzyva' end,
        ('{_SUFFIXES}'::text[])[1 + i * 13 %% 7], i),
    'billing@customer-' || i || '.example',
    case when i %% 2 = 0 then %(today)s::date - 200 - (i %% 500)::int end, null,
    i %% 50 <> 49, true, i %% 25 = 24,
    %(today)s::date - interval '600 days'
        - (i * 7919 %% 31536000) * interval '1 second', now(),
    case when i %% 100 = 99 and i > 2 * %(charted)s then now() - interval '9 days' end,
    '', '', '', '', '', '{{}}', '', '', '', '', '', '', ''
from {_NUMBERS}
""",
    "entitlements": f"""
insert into orgs_entitlements (organization_id, storage_bytes,
    compute_seconds_per_year, gpu_seconds_per_year, projects, users)
select %(base)s + i, 8796093022208, 36000000, 3600000, 100, 50
from {_NUMBERS} where i %% 2 = 0
""",
    "members": f"""
insert into orgs_member (organization_id, external_id, email, name, role, is_staff,
    added_at, deleted_at)
select %(base)s + i, 'u-' || m, 'u' || m || '@customer-' || i || '.example',
    {_syllables(_PERSON, 2)} || ' ' || {_syllables(f"{_PERSON} / 400", 3)},
    case m when 1 then 'admin' else 'member' end, m = 1,
    %(today)s::date - interval '300 days', null
from {_NUMBERS}, generate_series(1, 2) m
""",
    "projects": f"""
insert into orgs_project (organization_id, external_id, name, is_public, added_at,
    deleted_at)
select %(base)s + i, 'p-' || p, 'Project ' || p, false,
    %(today)s::date - interval '300 days', null
from {_NUMBERS}, generate_series(1, 2) p
""",
    "periods": f"""
with opened as (
    insert into metrics_openperiod (organization_id, number, starts_at)
    select %(base)s + i, 2, %(today)s::date - interval '20 days' from {_NUMBERS}
), closed as (
    insert into billing_billingperiod (organization_id, number, starts_at, ends_at,
        closed_at, cost)
    select %(base)s + i, 1, %(today)s::date - interval '50 days',
        %(today)s::date - interval '20 days', %(today)s::date - interval '20 days',
        17.25
    from {_NUMBERS}
)
insert into billing_billingperiod (organization_id, number, starts_at)
select %(base)s + i, 2, %(today)s::date - interval '20 days' from {_NUMBERS}
""",
    "accounts": f"""
with account as (
    insert into billing_billingaccount (organization_id, stripe_id, free_balance,
        last_invoice_at)
    select %(base)s + i, 'cus_' || i, i %% 10, null from {_NUMBERS} where i %% 3 = 0
), subscription as (
    insert into billing_subscription (organization_id, white_label_id, stripe_id, kind,
        status, tier, cycle_interval, cycle_count, stripe_price_id, seats,
        trial_ends_at, cancels_at, pause_reason, paused_at, period_starts_at,
        period_ends_at, synced_at)
    select %(base)s + i, %(white_label)s, 'sub_' || i, 'platform',
        case when i %% 30 = 0 then 'trialing' when i %% 99 = 0 then 'paused'
            else 'active' end,
        'growth', 'month', 1, 'price_7', null,
        case when i %% 30 = 0 then %(today)s::date + (i %% 70 - 30)::int end, null, '',
        null, %(today)s::date - interval '20 days',
        %(today)s::date + interval '10 days', now()
    from {_NUMBERS} where i %% 3 = 0
)
insert into billing_invoice (organization_id, white_label_id, period_id, stripe_id,
    number, status, currency, total, amount_due, amount_paid, amount_remaining,
    credited_before_payment, credited_after_payment, issued_at, collection_method,
    attempt_count, due_at, overdue_from, paid_at, hosted_url, synced_at)
select %(base)s + i, %(white_label)s, null, 'in_' || i || '_' || n,
    'N-' || i || '-' || n,
    case when n = 1 and i %% 90 = 0 then 'open' else 'paid' end, 'usd', 17.25, 17.25,
    case when n = 1 and i %% 90 = 0 then 0 else 17.25 end,
    case when n = 1 and i %% 90 = 0 then 17.25 else 0 end, 0, 0,
    %(today)s::date - n * interval '30 days', 'charge_automatically', 1, null,
    case when n = 1 and i %% 90 = 0 then %(today)s::date - interval '30 days' end, null,
    '', now()
from {_NUMBERS}, generate_series(1, 3) n where i %% 3 = 0
""",
    "daily usage": f"""
insert into metrics_dailyusage (organization_id, day, product, meter, project_id,
    period, quantity, cost, benchmark_cost, unpriced_quantity)
select %(base)s + i, %(today)s::date - 2 * d,
    'model-' || lpad(((i + d) %% 20)::text, 2, '0'), m.slug, 0,
    case when 2 * d > 20 then 1 else 2 end, q.quantity,
    q.quantity * {UNIT_PRICE}, q.quantity * {UNIT_PRICE} * 1.5, 0
from {_NUMBERS}, generate_series({USAGE_DAYS} - 1, 0, -1) d,
    (values (1, 'completion_tokens'), (2, 'prompt_tokens'), (3, 'requests')) m(n, slug),
    lateral (select 1 + (i * 31 + d * 17 + m.n * 7) %% 9973 * (1 + i * 7 %% 89)
        as quantity) q
where i > %(charted)s
order by i, d desc, m.n
""",
    "daily usage for charts": f"""
insert into metrics_dailyusage (organization_id, day, product, meter, project_id,
    period, quantity, cost, benchmark_cost, unpriced_quantity)
select %(base)s + i, %(today)s::date - d, 'model-' || lpad(p::text, 2, '0'),
    'requests', 0, case when d > 20 then 1 else 2 end, q.quantity,
    q.quantity * {UNIT_PRICE},
    q.quantity * {UNIT_PRICE} * 1.5, 0
from {_NUMBERS}, generate_series({CHART_DAYS} - 1, 0, -1) d,
    generate_series(0, {CHART_PRODUCTS} - 1) p,
    lateral (select 1 + (i * 31 + d * 17 + p * 7) %% 9973 * 97 as quantity) q
where i <= %(charted)s
order by i, d desc, p
""",
    "daily metrics of people": f"""
insert into metrics_dailymetric (organization_id, day, members_added, staff_added,
    projects_added)
select %(base)s + i, %(today)s::date - 400, 2, 1, 2 from {_NUMBERS}
""",
    "daily metrics of a year": f"""
insert into metrics_dailymetric (organization_id, day, cpu_seconds, gpu_seconds,
    storage_bytes_added, storage_bytes_deleted)
select %(base)s + i, %(today)s::date - d, 3600 + (i + d) %% 997, 60 + (i + d) %% 97,
    1000000 + d, 500000 + i %% 1000
from {_NUMBERS}, generate_series({METRIC_DAYS} - 1, 0, -1) d
where i <= %(metered)s
""",
    "rankings": f"""
insert into metrics_organizationranking (organization_id, white_label_id, currency,
    cost_30_days, cost_30_days_before, last_usage_on, computed_on, computed_at)
select %(base)s + i, %(white_label)s, 'usd', u.cost, u.cost * (i %% 200) / 100, u.day,
    %(today)s, now()
from {_NUMBERS}, lateral (
    select sum(cost) as cost, max(day) as day from metrics_dailyusage
    where organization_id = %(base)s + i and day > %(today)s::date - 30) u
""",
    "rankings by limit": f"""
insert into billing_limitranking (organization_id, white_label_id, reached_on,
    entitlement_use)
select %(base)s + i, %(white_label)s,
    case when i %% 40 = 1 then %(today)s::date + (i %% 60)::int end,
    case when i %% 2 = 0 then i * 7919 %% 1100 / 1000.0 else -1 end
from {_NUMBERS}
""",
    # One of 40 organizations has a reason of each kind, so that a million has many more
    # than are read of a kind.
    "reasons": f"""
with usage_reason as (
    insert into billing_usagereason (organization_id, white_label_id, kind, subject,
        since, value, base, reached_on)
    select %(base)s + i, %(white_label)s, k.kind, k.subject,
        %(today)s::date - (i %% 50)::int, 110, 100, %(today)s::date + (i %% 9)::int
    from {_NUMBERS}, (values (1, 'soft_limit', 'soft'), (2, 'limit_forecast', 'hard'),
        (3, 'entitlement', 'users'), (4, 'entitlement_forecast', 'projects'),
        (5, 'unpriced', 'model-99 requests')) k (n, kind, subject)
    where i %% 40 = k.n
), alert as (
    insert into billing_alert (organization_id, white_label_id, kind, subject,
        threshold, period, limit_version, billing_period, facts, reached_at, state,
        reason, sent_at)
    select %(base)s + i, %(white_label)s, k.kind, '', k.n, '2', 1, 2,
        jsonb_build_object('value', 300, 'base', 100, 'day', %(today)s::date,
            'last_used_on', %(today)s::date),
        %(today)s::date - (i %% 9)::int, k.state, '',
        case when k.state = 'sent' then now() end
    from {_NUMBERS}, (values (6, 'spike', 'sent'), (7, 'stale_data', 'sent'),
        (8, 'soft_limit', 'failed'), (9, 'soft_limit', 'no_recipient'))
        k (n, kind, state)
    where i %% 40 = k.n
), discrepancy as (
    insert into billing_discrepancy (organization_id, white_label_id, kind, stripe_id,
        orgdesk_value, stripe_value, stripe_read_at, first_seen_at, last_seen_at,
        resolved_by)
    select %(base)s + i, %(white_label)s, k.kind, 'sub_' || i, 'a', 'b', now(),
        %(today)s::date - (i %% 9)::int, now(), ''
    from {_NUMBERS}, (values (10, 'tier'), (11, 'charges'), (12, 'two_live'),
        (13, 'unknown_price')) k (n, kind)
    where i %% 40 = k.n
)
insert into billing_reasonsnooze (organization_id, white_label_id, reason, until, note,
    by, created_at, level, ending, ended_by)
select %(base)s + i, %(white_label)s, 'soft_limit', now() + interval '20 days',
    'Customer was called', 'support', now(), 1, '', ''
from {_NUMBERS} where i %% 2000 = 1
""",
}

# Triggers were off: what they would have added, from the names that there are.
WORDS = f"""
insert into orgs_searchword (word)
select distinct lower(word) from (
    select unnest('{_ADJECTIVES}'::text[] || '{_NOUNS}' || '{_SUFFIXES}'
        || '{{Energy,Zyzzyva,Project,billing,customer,example}}')
    union all
    select {_syllables("n", 2)} from generate_series(0, 399) n
    union all
    select {_syllables("n", 3)} from generate_series(0, 7999) n) words (word)
where length(word) > 2
"""

FLEET_TOTALS = """
insert into metrics_fleettotal as t (white_label_id, day, product, meter, quantity,
    cost, benchmark_cost, unpriced_quantity)
select o.white_label_id, u.day, u.product, u.meter, sum(u.quantity), sum(u.cost),
    sum(u.benchmark_cost), sum(u.unpriced_quantity)
from metrics_dailyusage u join orgs_organization o on o.id = u.organization_id
group by 1, 2, 3, 4
on conflict (white_label_id, day, product, meter) do update set
    quantity = excluded.quantity, cost = excluded.cost,
    benchmark_cost = excluded.benchmark_cost,
    unpriced_quantity = excluded.unpriced_quantity
"""
