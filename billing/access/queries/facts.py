"""Queries of the facts that decide the access of organizations.

One statement, each row of which is found by an index, however much was used: whether
the hard limit is reached was recorded when the limits were evaluated. What depends on
the time, such as a trial's end, is compared when the query runs. A record of another
period, or of an older version of the limit, does not count.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.access.decision import AccessCase, AccessFacts, Refusal, Spending
from billing.ledger.queries.terms import USAGE_PERIOD_END
from billing.models.accounts import LimitKind
from billing.models.mirrors import (
    LIVE,
    InvoiceStatus,
    SubscriptionKind,
    SubscriptionStatus,
)
from metrics.queries.subqueries import OPEN_COST
from orgs.queries.prepared import array, fetch_all
from orgs.sql import sql_list

# A row to join laterally with an organization `o`, also in the statement of the fast
# path that reads the organization. `from (values (true))` yields the row even without a
# live subscription. Then the newest subscription counts: its trial is what ended if no
# paid period followed it. The open refusal costs one look into an index that has only
# those who are refused.
ACCESS_JOIN = f"""(
select o.deleted_at, case when not o.is_active then
        coalesce(o.inactive_since, o.updated_at) end,
    s.status, s.paused_at, coalesce(s.status_since, s.synced_at), s.trial_ends_at,
    case when s.status is null then (
        select case when n.trial_ends_at <= %(now)s and coalesce(
                n.period_ends_at <= n.trial_ends_at, true) then n.trial_ends_at end
        from billing_subscription n
        where n.organization_id = o.id and n.kind = '{SubscriptionKind.PLATFORM}'
        order by n.id desc limit 1) end,
    (select h.over_since from billing_accessstate h
        join billing_spendinglimit l on l.organization_id = h.organization_id
            and l.kind = '{LimitKind.HARD}' and l.amount > 0
            and l.version = h.limit_version
        join billing_billingperiod p on p.organization_id = h.organization_id
            and p.ends_at is null and p.number = h.period
        where h.organization_id = o.id),
    refusal.started_at, refusal.codes, refusal.starts
from (values (true)) single_row
left join lateral (
    select r.started_at, array_agg(c.code::text order by c.id) as codes,
        array_agg(c.started_at order by c.id) as starts
    from billing_accessrefusal r
    join billing_refusalreason c on c.refusal_id = r.id and c.ended_at is null
    where r.organization_id = o.id and r.ended_at is null
    group by r.id) refusal on true
left join billing_subscription s on s.organization_id = o.id
    and s.kind = '{SubscriptionKind.PLATFORM}' and s.status in {sql_list(LIVE)}
)"""  # noqa: S608  statuses are our own
_SQL = f"""
select b.* from orgs_organization o cross join lateral {ACCESS_JOIN} b
where o.id = %(id)s
"""  # noqa: S608  ours


def get_access_facts(organization_id: int, *, now: datetime) -> AccessFacts:
    """Return the facts that decide the access of an organization; one statement."""
    [row] = fetch_all(_SQL, {"id": organization_id, "now": now})
    return AccessFacts(*row)


def list_refusals(organization_id: int, *, now: datetime) -> list[Refusal]:
    """Return the reasons to refuse access, most severe first; empty if allowed."""
    return get_access_facts(organization_id, now=now).refusals(now)


@dataclass(frozen=True, slots=True)
class AccessDetails:
    """The case of an organization with the figures that explain it."""

    organization_id: int
    case: AccessCase
    currency: str  # of the white label, as the amounts of `case`
    period: int  # the number of the open period
    period_ends_at: datetime | None  # when it will close; None if that is not known
    hard_version: int | None  # of the hard limit
    subscription_id: int | None  # our key of the live platform subscription
    pause_reason: str
    invoices: tuple[str, ...]  # Stripe ids of what has to be paid, the oldest first
    owed: dict[str, Decimal]  # by currency


# An organization, the columns of `ACCESS_JOIN` and the figures around them. What has to
# be paid are the overdue invoices; if none is overdue, all that are open.
_DETAILS = f"""
select o.id, b.*, w.currency, p.number, p.cost,
    case when s.status = '{SubscriptionStatus.TRIALING}'
        and (s.trial_ends_at is null or s.trial_ends_at > %(now)s)
        then coalesce(account.free_balance, 0) else 0 end,
    soft.amount, hard.amount, hard.version, {USAGE_PERIOD_END}, s.id,
    coalesce(s.pause_reason, ''), i.ids, i.currencies, i.amounts
from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
cross join lateral {ACCESS_JOIN} b
cross join lateral (select o.id) a cross join lateral {OPEN_COST} p
left join billing_subscription s on s.organization_id = o.id
    and s.kind = '{SubscriptionKind.PLATFORM}' and s.status in {sql_list(LIVE)}
left join billing_billingaccount account on account.organization_id = o.id
left join billing_spendinglimit soft on soft.organization_id = o.id
    and soft.kind = '{LimitKind.SOFT}' and soft.amount > 0
left join billing_spendinglimit hard on hard.organization_id = o.id
    and hard.kind = '{LimitKind.HARD}' and hard.amount > 0
cross join lateral (
    select coalesce(array_agg(stripe_id order by issued_at, id), '{{}}') as ids,
        coalesce(array_agg(currency order by issued_at, id), '{{}}') as currencies,
        coalesce(array_agg(amount_remaining order by issued_at, id), '{{}}') as amounts
    from (select *, coalesce(overdue_from <= %(now)s, false) as is_overdue,
            bool_or(overdue_from <= %(now)s) over () as is_any_overdue
        from billing_invoice where organization_id = o.id
            and status = '{InvoiceStatus.OPEN}' and amount_remaining > 0) unpaid
    where is_overdue or is_any_overdue is not true) i
where o.id = any(%(ids)s::bigint[])
"""  # noqa: S608  only constants
FACT_COLUMNS = tuple(field.name for field in fields(AccessFacts))


def list_access_details(
    organization_ids: Iterable[int], *, now: datetime
) -> dict[int, AccessDetails]:
    """Return what decides and explains the access of organizations; one statement."""
    rows = fetch_all(_DETAILS, {"ids": array(organization_ids), "now": now})
    return {id_: _read_details(id_, *row) for id_, *row in rows}


def _read_details(id_: int, *row: Any) -> AccessDetails:
    facts = AccessFacts(*row[: len(FACT_COLUMNS)])
    currency, period, cost, balance, soft, hard, version, ends_at, *rest = row[
        len(FACT_COLUMNS) :
    ]
    subscription_id, pause_reason, invoices, currencies, amounts = rest
    owed: dict[str, Decimal] = {}
    for code, amount in zip(currencies, amounts, strict=True):
        owed[code] = owed.get(code, Decimal(0)) + amount
    return AccessDetails(
        organization_id=id_,
        case=AccessCase(facts, Spending(cost, balance, soft, hard)),
        currency=currency,
        period=period,
        period_ends_at=ends_at,
        hard_version=version,
        subscription_id=subscription_id,
        pause_reason=pause_reason,
        invoices=tuple(invoices),
        owed=owed,
    )
