"""Whether an organization may be served just now, and if not, why and since when.

One statement of rows that are each found by an index, whatever was used: of the hard
limit only who is over it is prepared. What time decides, as a trial's end, is compared
when it is asked, and so is what a row says of another period or an older limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models.accounts import LimitKind
from billing.models.mirrors import LIVE, SubscriptionKind
from orgs.queries.prepared import fetch_all
from orgs.sql import sql_list


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to serve it; `code` is stable, `message` is for people."""

    code: str
    message: str
    since: datetime


# A row beside that of an organization, `o`. Of the subscriptions that are not live the
# newest; a trial was its end when no period came after.
BESIDE = f"""(
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
        where h.organization_id = o.id)
from (values (true)) one left join billing_subscription s on s.organization_id = o.id
    and s.kind = '{SubscriptionKind.PLATFORM}' and s.status in {sql_list(LIVE)}
)"""  # noqa: S608  statuses are our own
_SQL = f"""
select b.* from orgs_organization o cross join lateral {BESIDE} b where o.id = %(id)s
"""  # noqa: S608  ours


@dataclass(frozen=True, slots=True)
class _Row:
    """As the statement reads it."""

    deleted_at: datetime | None
    inactive_since: datetime | None
    status: str | None  # of the live platform subscription, and so the next three
    paused_at: datetime | None
    status_since: datetime | None
    trial_ends_at: datetime | None
    lost_at: datetime | None  # a trial's end that nothing came after
    over_since: datetime | None

    def since(self, now: datetime) -> dict[str, datetime | None]:
        """Since when each reason holds; null: it does not."""
        is_paused = self.status == "paused" or self.paused_at is not None
        ends_at = self.trial_ends_at if self.status == "trialing" else None
        has_ended = ends_at is not None and ends_at <= now
        return {
            "deleted": self.deleted_at,
            "inactive": self.inactive_since,
            "paused": (self.paused_at or self.status_since) if is_paused else None,
            "unpaid": self.status_since if self.status == "unpaid" else None,
            "trial_over": ends_at if has_ended else self.lost_at,
            "hard_limit": self.over_since,
        }


_MESSAGES = {
    "deleted": "The organization was deleted.",
    "inactive": "The organization is not active.",
    "paused": "The subscription is paused.",
    "unpaid": "Invoices are unpaid and no longer tried.",
    "trial_over": "The trial has ended.",
    "hard_limit": "The hard spending limit of this billing period is reached.",
}


def list_refusals(organization_id: int, *, now: datetime) -> list[Refusal]:
    """Every reason there is, the gravest first; none: it may be served."""
    [row] = fetch_all(_SQL, {"id": organization_id, "now": now})
    return refusals_of(row, now=now)


def refusals_of(row: Sequence[Any], *, now: datetime) -> list[Refusal]:
    """The same of what `BESIDE` read."""
    return [
        Refusal(code, _MESSAGES[code], since)
        for code, since in _Row(*row).since(now).items()
        if since is not None
    ]
