"""Query of the reasons to refuse access to an organization, and since when they apply.

One statement, each row of which is found by an index, however much was used: whether
the hard limit is reached was recorded when the limits were evaluated. What depends on
the time, such as a trial's end, is compared when the query runs. A record of another
period, or of an older version of the limit, does not count.
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
    """A reason to refuse access; `code` is stable, `message` is a text for people."""

    code: str
    message: str
    since: datetime


# A row to join laterally with an organization `o`, also in the statement of the fast
# path that reads the organization. `from (values (true))` yields the row even without a
# live subscription. Then the newest subscription counts: its trial is what ended if no
# paid period followed it.
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
        where h.organization_id = o.id)
from (values (true)) single_row
left join billing_subscription s on s.organization_id = o.id
    and s.kind = '{SubscriptionKind.PLATFORM}' and s.status in {sql_list(LIVE)}
)"""  # noqa: S608  statuses are our own
_SQL = f"""
select b.* from orgs_organization o cross join lateral {ACCESS_JOIN} b
where o.id = %(id)s
"""  # noqa: S608  ours


@dataclass(frozen=True, slots=True)
class _AccessRow:
    """The row of `ACCESS_JOIN`."""

    deleted_at: datetime | None
    inactive_since: datetime | None
    status: str | None  # of the live platform subscription, as the next three
    paused_at: datetime | None
    status_since: datetime | None
    trial_ends_at: datetime | None
    lost_at: datetime | None  # end of a trial without a subscription after it
    over_since: datetime | None

    def since_by_code(self, now: datetime) -> dict[str, datetime | None]:
        """Return since when each reason applies; None if it does not.

        The most severe reason comes first.
        """
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
    """Return the reasons to refuse access, most severe first; empty if allowed."""
    [row] = fetch_all(_SQL, {"id": organization_id, "now": now})
    return read_refusals(row, now=now)


def read_refusals(row: Sequence[Any], *, now: datetime) -> list[Refusal]:
    """Return the reasons to refuse access from a row of `ACCESS_JOIN`."""
    return [
        Refusal(code, _MESSAGES[code], since)
        for code, since in _AccessRow(*row).since_by_code(now).items()
        if since is not None
    ]
