"""Queries of credit, free balance, and what they make of the open period's bill."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Sum

from billing.ledger.queries.facts import (
    BillingFacts,
    billing_facts,
    left_of_free_balance,
)
from billing.models import CreditEntry
from billing.money import ZERO, Bill, compute_bill, exactly
from metrics.queries.periods import list_open_periods
from metrics.queries.products import product_costs
from orgs.models import Organization

_MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Balances:
    """The remaining credit and free balance; the latter pays during a trial only."""

    credit: Decimal
    free_balance: Decimal  # before the open period's usage
    is_in_trial: bool
    open_cost: Decimal = ZERO  # of the open period

    @property
    def free_balance_left(self) -> Decimal:
        """What is left of the free balance after the open period's cost to date."""
        return left_of_free_balance(
            self.free_balance, self.open_cost, is_in_trial=self.is_in_trial
        )

    def get(self, kind: str) -> Decimal:
        """Return the remaining balance of a `CreditEntry.Kind`."""
        if kind == CreditEntry.Kind.FREE_BALANCE:
            return self.free_balance
        return self.credit

    def add(self, kind: str, amount: Decimal) -> "Balances":
        """Return the balances after a change of one kind by `amount`."""
        with exactly():
            changed = self.get(kind) + amount
        if kind == CreditEntry.Kind.FREE_BALANCE:
            return replace(self, free_balance=changed)
        return replace(self, credit=changed)

    def bill(self, costs: Mapping[str, Decimal], currency: str) -> Bill:
        """Return the bill of a period with these costs by product, if it closed now."""
        free_balance = self.free_balance if self.is_in_trial else ZERO
        return compute_bill(
            costs, currency, free_balance=free_balance, credit=self.credit
        )


@dataclass(frozen=True, slots=True)
class CreditPreview:
    """Balances and the open period's bill, before and after a change of credit.

    `is_allowed` is false when more would be removed than is left; `after` is then the
    bill without the change.
    """

    balances: Balances
    changed_balances: Balances
    before: Bill
    after: Bill
    is_allowed: bool


def credit_balance(organization_id: int) -> Decimal:
    """Return an organization's remaining credit: the sum of its ledger's entries."""
    entries = CreditEntry.objects.filter(
        organization_id=organization_id, kind=CreditEntry.Kind.CREDIT
    )
    return entries.aggregate(balance=Sum("amount"))["balance"] or ZERO


def get_balances(
    organization: Organization,
    facts: BillingFacts | None = None,
    *,
    open_cost: Decimal = ZERO,
) -> Balances:
    """Return an organization's balances; two statements, one if `facts` are given.

    What is left of the free balance also needs the cost of the open period.
    """
    facts = facts or billing_facts([organization.id])[organization.id]
    return Balances(
        credit=credit_balance(organization.id),
        free_balance=facts.free_balance,
        is_in_trial=facts.is_in_trial,
        open_cost=open_cost,
    )


def preview_credit(
    organization: Organization, *, kind: str, amount: Decimal
) -> CreditPreview:
    """Return what a change of credit would make of the open period's bill.

    An `amount` below 0 removes. Four statements; writes nothing.
    """
    current = get_balances(organization)
    costs, currency = open_period_costs(organization), organization.white_label.currency
    changed = current.add(kind, amount)
    is_allowed = changed.get(kind) >= 0
    return CreditPreview(
        balances=current,
        changed_balances=changed,
        before=current.bill(costs, currency),
        after=(changed if is_allowed else current).bill(costs, currency),
        is_allowed=is_allowed,
    )


def open_period_costs(organization: Organization) -> dict[str, Decimal]:
    """Return the costs of an organization's open period by product."""
    period = next(iter(list_open_periods([organization.id])), None)
    if period is None:
        return {}
    return product_costs(organization.id, number=period.number)


def list_credits(organization_id: int) -> list[CreditEntry]:
    """Return the latest 100 entries of a credit ledger, newest first."""
    entries = CreditEntry.objects.filter(organization_id=organization_id)
    return list(entries.select_related("period").order_by("-id")[:_MAX_SHOWN])
