"""Queries of what voiding usage changes: the open bill, and credit for closed ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q

from billing.ledger.queries.credits import get_balances, open_period_costs
from billing.models import BillingPeriod, Charge
from billing.money import ZERO, Bill, exactly
from metrics.queries.voids import UsageRange, VoidPreview, credited_costs, preview_void
from orgs.catalog import MONEY_PLACES
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class VoidPreviewWithBills:
    """The usage of a range, and the open period's bill with and without it.

    `credit` is the refund for usage of closed periods, which cannot be voided. What the
    free balance paid of that usage was never charged, so it is not refunded.
    """

    usage: VoidPreview
    before: Bill
    after: Bill
    credit: Decimal


def preview_void_with_bills(usage_range: UsageRange) -> VoidPreviewWithBills:
    """Return what voiding a range of usage would change.

    Eleven statements at most, two of them over the range's events; writes nothing.
    """
    organization, usage = usage_range.organization, preview_void(usage_range)
    balances, currency = get_balances(organization), organization.white_label.currency
    costs = open_period_costs(organization)
    return VoidPreviewWithBills(
        usage=usage,
        before=balances.bill(costs, currency),
        after=balances.bill(_subtract_usage(costs, usage), currency),
        credit=credit_owed(organization, usage.closed_costs),
    )


def _subtract_usage(
    costs: Mapping[str, Decimal], usage: VoidPreview
) -> dict[str, Decimal]:
    remaining = dict(costs)
    with exactly():
        for line in usage.lines:
            if line.period == usage.open_period:
                # Damaged daily sums may be less than their events, until rebuild_days
                # repairs them: a bill does not go below 0 for that.
                cost = remaining.get(line.product, ZERO) - line.cost
                remaining[line.product] = max(cost, ZERO)
    return remaining


def credit_owed(
    organization: Organization,
    costs: Mapping[int, Decimal],
    *,
    is_recorded: bool = False,
) -> Decimal:
    """Return the credit owed for costs of closed periods, given by period number.

    All credits of a period together never exceed what was invoiced for it. Set
    `is_recorded` when the usage is marked as credited already, so that these costs are
    not counted twice.
    """
    if not costs:
        return ZERO
    invoiced, credited = invoiced_costs(organization.id), credited_costs(organization)
    amount = ZERO
    with exactly():
        for number, cost in costs.items():
            before = credited.get(number, ZERO) - (cost if is_recorded else ZERO)
            amount += _credit_up_to(invoiced.get(number, ZERO), cost, before)
        return round(amount, MONEY_PLACES)


def _credit_up_to(invoiced: Decimal, cost: Decimal, before: Decimal) -> Decimal:
    return min(before + cost, invoiced) - min(before, invoiced)


def invoiced_costs(organization_id: int) -> dict[int, Decimal]:
    """Return what was charged for each closed period by its number.

    Exact: the period's cost less the free balance used. A period that closed without an
    invoice and without charges is left out.
    """
    charges = Charge.objects.filter(period=OuterRef("pk"))
    periods = BillingPeriod.objects.filter(
        Q(invoice__isnull=False) | Exists(charges),
        organization_id=organization_id,
        cost__isnull=False,
        organization__is_billable=True,
    )
    rows = periods.values_list("number", "cost", "free_balance_used")
    with exactly():
        return {number: (cost or ZERO) - free for number, cost, free in rows}
