"""What closed billing periods were billed, beside their usage."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from billing.ledger.queries.differences import list_differences_of_periods
from billing.models import BillingPeriod, Charge, ChargeLine, Invoice
from billing.money import ZERO, exactly

_Status = Invoice.Status
_CHARGING = (_Status.DRAFT, _Status.OPEN, _Status.PAID)


@dataclass(frozen=True, slots=True)
class InvoicedAmounts:
    """What was billed beside the usage of periods; amounts that pay are below 0.

    `adjustments` are usage that changed after the periods closed, and amounts of
    charges that Stripe's invoices do not have. `plan_and_seats` are all other lines of
    the invoices that closed the periods, taxes and discounts with them.
    """

    free_balance: Decimal = ZERO
    rounding: Decimal = ZERO
    credits: Decimal = ZERO
    adjustments: Decimal = ZERO
    plan_and_seats: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return (
            self.free_balance
            + self.rounding
            + self.credits
            + self.adjustments
            + self.plan_and_seats
        )


def sum_invoiced(
    periods: Sequence[BillingPeriod], usage: Decimal, *, currency: str
) -> InvoicedAmounts:
    """Return what was billed for closed periods beside their usage.

    `usage` is the exact sum of their daily usage; with `total` it adds up to what their
    invoices have. Four statements, however many periods. The steps are those of
    `billing.ledger.queries.reconciliation`.
    """
    ids = [period.pk for period in periods]
    charges = list(Charge.objects.filter(period__in=ids, attempt_number=1))
    charged = {charge.period_id for charge in charges}
    with exactly():
        cost = sum((period.cost or ZERO for period in periods), ZERO)
        free = sum((period.free_balance_used for period in periods), ZERO)
        # Nothing was charged for a period without charges, and nothing rounded.
        exact = sum(
            (
                (period.cost or ZERO) - period.free_balance_used
                for period in periods
                if period.pk not in charged
            ),
            ZERO,
        )
        billed = exact + _sum_charges(charges, Charge.Kind.USAGE)
        return InvoicedAmounts(
            free_balance=-free,
            rounding=billed - (cost - free),
            credits=_sum_charges(charges, Charge.Kind.CREDIT),
            adjustments=cost - usage + _sum_lost(ids, {row.pk for row in charges}),
            plan_and_seats=_sum_other_lines(ids, currency),
        )


def _sum_charges(charges: Sequence[Charge], kind: str) -> Decimal:
    return sum((charge.amount for charge in charges if charge.kind == kind), ZERO)


def _sum_lost(period_ids: Sequence[int], first: Collection[int]) -> Decimal:
    """Return what Stripe's invoices have of the sent charges, less what was sent.

    `first` are the charges that closed the periods. An amount that was charged again is
    on a further charge, so only what is on an invoice counts of that one.
    """
    lost = (
        row.observed - (row.amount if row.charge_id in first else ZERO)
        for row in list_differences_of_periods(period_ids)
    )
    return sum(lost, ZERO)


def _sum_other_lines(period_ids: Sequence[int], currency: str) -> Decimal:
    """Return the totals of the periods' invoices, less the lines of charges on them."""
    totals = dict(
        Invoice.objects.filter(
            period__in=period_ids, status__in=_CHARGING, currency=currency
        ).values_list("stripe_id", "total")
    )
    lines = ChargeLine.objects.filter(invoice_stripe_id__in=totals)
    charged = lines.aggregate(total=Sum("amount"))["total"] or ZERO
    return sum(totals.values(), ZERO) - charged
