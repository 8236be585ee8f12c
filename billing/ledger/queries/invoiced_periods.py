"""What closed billing periods were billed, beside their usage."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from billing.ledger.queries.differences import list_differences_of_periods
from billing.models import BillingPeriod, Charge, ChargeLine, Invoice, Price
from billing.models.mirrors import SubscriptionKind
from billing.money import ZERO, exactly

_Status = Invoice.Status
_CHARGING = (_Status.DRAFT, _Status.OPEN, _Status.PAID)


@dataclass(frozen=True, slots=True)
class InvoicedAmounts:
    """What was billed beside the usage of periods; amounts that pay are below 0.

    `adjustments` are usage that changed after the periods closed, and amounts of
    charges that Stripe's invoices do not have. `plan`, `seats`, and `other_lines` are
    all other lines of the invoices that closed the periods; the last has taxes,
    discounts, and lines whose price is of neither. If `is_divided` is false, the lines
    of an invoice were not read, and `other_lines` has all of them.
    """

    free_balance: Decimal = ZERO
    rounding: Decimal = ZERO
    credits: Decimal = ZERO
    adjustments: Decimal = ZERO
    plan: Decimal = ZERO
    seats: Decimal = ZERO
    other_lines: Decimal = ZERO
    is_divided: bool = True

    @property
    def plan_and_seats(self) -> Decimal:
        """All lines that are not of charges."""
        return self.plan + self.seats + self.other_lines

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
    invoices have. Five statements, however many periods. The steps are those of
    `billing.ledger.queries.reconciliation`.
    """
    ids = [period.pk for period in periods]
    charges = list(Charge.objects.filter(period__in=ids, attempt_number=1))
    charged = {charge.period_id for charge in charges}
    with exactly():
        lines = _sum_other_lines(ids, currency)
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
            plan=lines.plan,
            seats=lines.seats,
            other_lines=lines.other,
            is_divided=lines.is_divided,
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


class _OtherLines(NamedTuple):
    plan: Decimal
    seats: Decimal
    other: Decimal
    is_divided: bool


def _sum_other_lines(period_ids: Sequence[int], currency: str) -> _OtherLines:
    """Return the totals of the periods' invoices, less the lines of charges on them."""
    invoices = Invoice.objects.filter(
        period__in=period_ids, status__in=_CHARGING, currency=currency
    )
    rows = list(invoices.values_list("stripe_id", "total", "price_totals"))
    charges = ChargeLine.objects.filter(invoice_stripe_id__in=[row[0] for row in rows])
    charged = charges.aggregate(total=Sum("amount"))["total"] or ZERO
    rest = sum((total for _, total, _ in rows), ZERO) - charged
    read = [totals for _, _, totals in rows if totals is not None]
    if len(read) < len(rows):
        return _OtherLines(ZERO, ZERO, rest, is_divided=False)
    sums = _sum_kinds(read)
    plan, seats = sums[SubscriptionKind.PLATFORM], sums[SubscriptionKind.SPACES]
    return _OtherLines(plan, seats, rest - plan - seats, is_divided=True)


def _sum_kinds(totals: Sequence[Mapping[str, str]]) -> Mapping[str, Decimal]:
    """Return the sums of invoices' prices by what the price is of."""
    amounts = [(price, Decimal(text)) for row in totals for price, text in row.items()]
    prices = Price.objects.filter(stripe_id__in={price for price, _ in amounts})
    kinds = dict(prices.values_list("stripe_id", "kind"))
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for price, amount in amounts:
        sums[kinds.get(price, "")] += amount
    return sums
