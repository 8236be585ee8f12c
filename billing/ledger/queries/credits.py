"""What an organization was given, what is left, and what it makes of the open bill."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from billing.ledger.queries.facts import BillingFacts, billing_facts
from billing.models import CreditEntry
from billing.money import ZERO, Bill, bill, exactly
from metrics.queries.periods import list_open_periods
from metrics.queries.products import product_costs
from orgs.models import Organization

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Balances:
    """What is left of each kind; free balance pays in the trial and only then."""

    credit: Decimal
    free_balance: Decimal
    is_in_trial: bool

    def of(self, kind: str) -> Decimal:
        if kind == CreditEntry.Kind.FREE_BALANCE:
            return self.free_balance
        return self.credit

    def plus(self, kind: str, amount: Decimal) -> "Balances":
        with exactly():
            changed = self.of(kind) + amount
        if kind == CreditEntry.Kind.FREE_BALANCE:
            return Balances(self.credit, changed, self.is_in_trial)
        return Balances(changed, self.free_balance, self.is_in_trial)

    def bill(self, costs: Mapping[str, Decimal], currency: str) -> Bill:
        """Of a period with these costs, were it closed now."""
        free = self.free_balance if self.is_in_trial else ZERO
        return bill(costs, currency, free_balance=free, credit=self.credit)


@dataclass(frozen=True, slots=True)
class CreditPreview:
    """The open period's bill as it stands, and with the grant (or less what is taken).

    `is_allowed` is false when more would be taken than is left.
    """

    balances: Balances
    changed: Balances
    before: Bill
    after: Bill
    is_allowed: bool


def credit_balance(organization_id: int) -> Decimal:
    """What is left of its credits: the sum of the ledger's lines."""
    lines = CreditEntry.objects.filter(
        organization_id=organization_id, kind=CreditEntry.Kind.CREDIT
    )
    return lines.aggregate(left=Sum("amount"))["left"] or ZERO


def balances(organization: Organization, facts: BillingFacts | None = None) -> Balances:
    """Two statements, one where the `facts` are known."""
    facts = facts or billing_facts([organization.id])[organization.id]
    return Balances(
        credit=credit_balance(organization.id),
        free_balance=facts.free_balance,
        is_in_trial=facts.is_in_trial,
    )


def preview_credit(
    organization: Organization, *, kind: str, amount: Decimal
) -> CreditPreview:
    """What the open period's bill would become; `amount` below 0 takes back.

    Four statements; writes nothing.
    """
    now = balances(organization)
    costs, currency = open_costs(organization), organization.white_label.currency
    changed = now.plus(kind, amount)
    is_allowed = changed.of(kind) >= 0
    return CreditPreview(
        balances=now,
        changed=changed,
        before=now.bill(costs, currency),
        after=(changed if is_allowed else now).bill(costs, currency),
        is_allowed=is_allowed,
    )


def open_costs(organization: Organization) -> dict[str, Decimal]:
    """Of the open period, by product."""
    period = next(iter(list_open_periods([organization.id])), None)
    if period is None:
        return {}
    return product_costs(organization.id, number=period.number)


def list_credits(organization_id: int) -> list[CreditEntry]:
    """The ledger, newest line first."""
    lines = CreditEntry.objects.filter(organization_id=organization_id)
    return list(lines.select_related("period").order_by("-id")[:_SHOWN])
