"""What voiding usage does to the open bill, and what makes the closed ones good."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q

from billing.ledger.queries.credits import balances, open_costs
from billing.models import BillingPeriod, Charge
from billing.money import ZERO, Bill, exactly
from metrics.queries.voids import UsageRange, VoidPreview, credited_costs, preview_void
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class Voiding:
    """The range's events and costs, the open bill with and without them.

    `credit` is what would make good those of closed periods, which are not voided: what
    the free balance paid of them was never charged, and is not given back as money.
    """

    usage: VoidPreview
    before: Bill
    after: Bill
    credit: Decimal


def preview_voiding(chosen: UsageRange) -> Voiding:
    """Eleven statements at most, two of them over the range's events."""
    organization, usage = chosen.organization, preview_void(chosen)
    now, currency = balances(organization), organization.white_label.currency
    costs = open_costs(organization)
    return Voiding(
        usage=usage,
        before=now.bill(costs, currency),
        after=now.bill(_without(costs, usage), currency),
        credit=credit_for(organization, usage.closed_costs),
    )


def _without(costs: Mapping[str, Decimal], usage: VoidPreview) -> dict[str, Decimal]:
    left = dict(costs)
    with exactly():
        for line in usage.lines:
            if line.period == usage.open_period:
                # Damaged sums may be less than their events: rebuild_days mends them.
                rest = left.get(line.product, ZERO) - line.cost
                left[line.product] = max(rest, ZERO)
    return left


def credit_for(
    organization: Organization, costs: Mapping[int, Decimal], *, is_marked: bool = False
) -> Decimal:
    """What makes good these costs of closed periods, by number.

    Of a period not more, all credits of it together, than was invoiced. `is_marked`:
    these are among what counts as credited already.
    """
    if not costs:
        return ZERO
    invoiced, credited = invoiced_costs(organization.id), credited_costs(organization)
    amount = ZERO
    with exactly():
        for number, cost in costs.items():
            before = credited.get(number, ZERO) - (cost if is_marked else ZERO)
            amount += _credit(cost, invoiced.get(number, ZERO), before)
    return amount


def _credit(cost: Decimal, invoiced: Decimal, before: Decimal) -> Decimal:
    return min(before + cost, invoiced) - min(before, invoiced)


def invoiced_costs(organization_id: int) -> dict[int, Decimal]:
    """What was charged for each closed period, exact: its cost less free balance."""
    charged = Charge.objects.filter(period=OuterRef("pk"))
    rows = BillingPeriod.objects.filter(
        Q(invoice__isnull=False) | Exists(charged),
        organization_id=organization_id,
        cost__isnull=False,
        organization__is_billable=True,
    )
    found = rows.values_list("number", "cost", "free_balance_used")
    with exactly():
        return {number: (cost or ZERO) - free for number, cost, free in found}
