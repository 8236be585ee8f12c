"""What money knows of organizations, read in one statement however many they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from billing.models import Subscription
from billing.models.accounts import LimitKind
from billing.models.mirrors import LIVE, InvoiceStatus, SubscriptionKind
from orgs.queries.prepared import array, fetch_all
from orgs.sql import sql_list


@dataclass(frozen=True, slots=True)
class BillingFacts:
    """The live platform subscription, if any; the account, limits, what is overdue."""

    tier: str | None  # null: no subscription; so are the next four then
    cycle: str | None
    status: str | None
    trial_ends_at: datetime | None
    period_ends_at: datetime | None
    stripe_id: str | None
    free_balance: Decimal
    last_invoice_at: datetime | None
    soft: Decimal | None
    hard: Decimal | None
    overdue: timedelta | None  # since the oldest open invoice was due
    # When the ledger says that a limit as it is was crossed in the open period.
    soft_reached_at: datetime | None = None
    hard_reached_at: datetime | None = None

    @property
    def is_in_trial(self) -> bool:
        """A trial's end counts before Stripe says so."""
        return self.status == Subscription.Status.TRIALING and (
            self.trial_ends_at is None or self.trial_ends_at > timezone.now()
        )

    @property
    def paying_balance(self) -> Decimal:
        """What pays before money does: the free balance, in the trial and only then."""
        return self.free_balance if self.is_in_trial else Decimal(0)

    def payable(self, cost: Decimal) -> Decimal:
        """Of the open period's cost; what spending limits are compared with."""
        return max(cost - self.paying_balance, Decimal(0))

    def reached_at(self, kind: str) -> datetime | None:
        """The first time, where it was crossed again after less was payable."""
        return self.soft_reached_at if kind == LimitKind.SOFT else self.hard_reached_at

    @property
    def limits(self) -> list[tuple[str, Decimal]]:
        """Kind and amount, the lowest first."""
        both = ((LimitKind.SOFT, self.soft), (LimitKind.HARD, self.hard))
        found = [(kind, amount) for kind, amount in both if amount is not None]
        return sorted(found, key=lambda limit: limit[1])


_CROSSED = """
    (select min(l.reached_at) from billing_alert l
        join billing_billingperiod p on p.organization_id = l.organization_id
            and p.ends_at is null and p.number = l.billing_period
        join billing_spendinglimit m on m.organization_id = l.organization_id
            and m.kind = '{kind}' and m.version = l.limit_version
        where l.organization_id = o.id and l.kind = '{kind}_limit')"""
# The longest time overdue, not the first due day: that one the planner would look for
# among all invoices of the fleet, in the order of an index.
_FACTS = f"""
select o.id, s.tier, s.cycle, s.status, s.trial_ends_at, s.period_ends_at,
    a.stripe_id, coalesce(a.free_balance, 0), a.last_invoice_at,
    (select amount from billing_spendinglimit
        where organization_id = o.id and kind = '{LimitKind.SOFT}' and amount > 0),
    (select amount from billing_spendinglimit
        where organization_id = o.id and kind = '{LimitKind.HARD}' and amount > 0),
    (select max(%(now)s - due_at) from billing_invoice
        where organization_id = o.id and status = '{InvoiceStatus.OPEN}'
            and due_at < %(now)s),
    {", ".join(_CROSSED.format(kind=kind) for kind in LimitKind)}
from unnest(%(ids)s::bigint[]) o (id)
left join billing_subscription s on s.organization_id = o.id
    and s.kind = '{SubscriptionKind.PLATFORM}' and s.status in {sql_list(LIVE)}
left join billing_billingaccount a on a.organization_id = o.id
"""  # noqa: S608  statuses are our own


def billing_facts(organization_ids: Iterable[int]) -> dict[int, BillingFacts]:
    """By id; every organization has an entry, also one without anything."""
    rows = fetch_all(_FACTS, {"ids": array(organization_ids), "now": timezone.now()})
    return {id_: BillingFacts(*facts) for id_, *facts in rows}
