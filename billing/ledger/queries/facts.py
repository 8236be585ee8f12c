"""Query of the billing facts of any number of organizations, in one statement."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from billing.cycles import Cycle
from billing.ledger.queries.terms import USAGE_PERIOD_END
from billing.models import Subscription
from billing.models.accounts import LimitKind
from billing.models.mirrors import LIVE, InvoiceStatus, SubscriptionKind
from orgs.queries.prepared import array, fetch_all
from orgs.sql import sql_list


def left_of_free_balance(
    balance: Decimal, open_cost: Decimal, *, is_in_trial: bool
) -> Decimal:
    """Return what is left of a free balance after the open period's cost.

    Outside a trial it pays nothing, so all of it is left.
    """
    return max(balance - open_cost, Decimal(0)) if is_in_trial else balance


@dataclass(frozen=True, slots=True)
class BillingFacts:
    """An organization's live platform subscription, account, limits and arrears.

    The first six are None without a live platform subscription. `soft` and `hard` are
    the spending limits, None if there is none.
    """

    tier: str | None
    cycle_interval: str | None
    cycle_count: int | None
    status: str | None
    trial_ends_at: datetime | None
    period_ends_at: datetime | None
    stripe_id: str | None
    free_balance: Decimal
    last_invoice_at: datetime | None
    soft: Decimal | None
    hard: Decimal | None
    overdue: timedelta | None  # since the oldest overdue invoice was due
    # When the limit, in its current version, was first reached in the open period: the
    # earliest alert of it.
    soft_reached_at: datetime | None = None
    hard_reached_at: datetime | None = None
    cancels_at: datetime | None = None  # of the platform subscription

    @property
    def cycle(self) -> Cycle | None:
        """How often Stripe bills the platform subscription."""
        if self.cycle_interval is None or self.cycle_count is None:
            return None
        return Cycle(self.cycle_interval, self.cycle_count)

    @property
    def is_in_trial(self) -> bool:
        """The trial goes on; its end counts even before Stripe reports it."""
        return self.status == Subscription.Status.TRIALING and (
            self.trial_ends_at is None or self.trial_ends_at > timezone.now()
        )

    @property
    def closes_at(self) -> datetime | None:
        """Instant at which the open period will close; None if it is not known.

        That is its end, or the end of the trial or of the subscription before it. No
        period closes while the subscription is paused.
        """
        if self.status == Subscription.Status.PAUSED:
            return None
        trial_ends_at = self.trial_ends_at if self.is_in_trial else None
        ends = (self.period_ends_at, trial_ends_at, self.cancels_at)
        return min((end for end in ends if end is not None), default=None)

    @property
    def usable_free_balance(self) -> Decimal:
        """Free balance that can pay now: all of it during a trial, otherwise 0."""
        return self.free_balance if self.is_in_trial else Decimal(0)

    def free_balance_left(self, cost: Decimal) -> Decimal:
        """Return what is left of the free balance after an open period's cost."""
        return left_of_free_balance(
            self.free_balance, cost, is_in_trial=self.is_in_trial
        )

    def payable(self, cost: Decimal) -> Decimal:
        """Return the part of an open period's cost that the free balance does not pay.

        Spending limits are compared with it.
        """
        return max(cost - self.usable_free_balance, Decimal(0))

    def reached_at(self, kind: str) -> datetime | None:
        """Return when a limit was first reached in the open period; None if not yet.

        It may have been reached again later, after usage was voided.
        """
        return self.soft_reached_at if kind == LimitKind.SOFT else self.hard_reached_at

    @property
    def limits(self) -> list[tuple[str, Decimal]]:
        """Kinds and amounts of the limits that are set, the lowest first."""
        amounts = ((LimitKind.SOFT, self.soft), (LimitKind.HARD, self.hard))
        limits = [(kind, amount) for kind, amount in amounts if amount is not None]
        return sorted(limits, key=lambda limit: limit[1])


# The earliest alert of the open period for a limit as it is now: a changed limit has
# another version, so alerts of its former amount do not count.
_REACHED_AT = """
    (select min(l.reached_at) from billing_alert l
        join billing_billingperiod p on p.organization_id = l.organization_id
            and p.ends_at is null and p.number = l.billing_period
        join billing_spendinglimit m on m.organization_id = l.organization_id
            and m.kind = '{kind}' and m.version = l.limit_version
        where l.organization_id = o.id and l.kind = '{kind}_limit')"""
# One row for each organization asked for, also for those without any billing row. The
# joins do not multiply rows: at most one platform subscription of each is live.
# `max(now - overdue_from)` and not `min(overdue_from)`: PostgreSQL would answer the
# latter by walking an index on that column through the invoices of the whole fleet.
_FACTS = f"""
select o.id, s.tier, s.cycle_interval, s.cycle_count, s.status, s.trial_ends_at,
    {USAGE_PERIOD_END}, a.stripe_id, coalesce(a.free_balance, 0), a.last_invoice_at,
    (select amount from billing_spendinglimit
        where organization_id = o.id and kind = '{LimitKind.SOFT}' and amount > 0),
    (select amount from billing_spendinglimit
        where organization_id = o.id and kind = '{LimitKind.HARD}' and amount > 0),
    (select max(%(now)s - overdue_from) from billing_invoice
        where organization_id = o.id and status = '{InvoiceStatus.OPEN}'
            and overdue_from <= %(now)s),
    {", ".join(_REACHED_AT.format(kind=kind) for kind in LimitKind)},
    s.cancels_at
from unnest(%(ids)s::bigint[]) o (id)
left join billing_subscription s on s.organization_id = o.id
    and s.kind = '{SubscriptionKind.PLATFORM}' and s.status in {sql_list(LIVE)}
left join billing_billingaccount a on a.organization_id = o.id
"""  # noqa: S608  statuses are our own


def billing_facts(organization_ids: Iterable[int]) -> dict[int, BillingFacts]:
    """Return the billing facts of each organization by its id; one statement.

    Every id has an entry, also that of an organization without any billing data.
    """
    rows = fetch_all(_FACTS, {"ids": array(organization_ids), "now": timezone.now()})
    return {id_: BillingFacts(*facts) for id_, *facts in rows}
