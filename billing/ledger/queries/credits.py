"""Queries of credit, free balance, and what they make of the open period's bill."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from billing.ledger.queries.facts import BillingFacts, billing_facts
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
    free_balance: Decimal
    is_in_trial: bool

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
            return Balances(self.credit, changed, self.is_in_trial)
        return Balances(changed, self.free_balance, self.is_in_trial)

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
    organization: Organization, facts: BillingFacts | None = None
) -> Balances:
    """Return an organization's balances; two statements, one if `facts` are given."""
    facts = facts or billing_facts([organization.id])[organization.id]
    return Balances(
        credit=credit_balance(organization.id),
        free_balance=facts.free_balance,
        is_in_trial=facts.is_in_trial,
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
