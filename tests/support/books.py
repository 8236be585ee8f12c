"""The books of an organization, and what Stripe's invoices say: they must agree.

Used in tests of random changes: at every step all recorded usage is on an invoice,
waits to be, was paid by a balance, written off, or is in the open period.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from billing.ledger.queries.credits import get_balances
from billing.ledger.queries.differences import list_period_differences
from billing.models import BillingPeriod, Charge, ChargeDecision, CreditEntry
from billing.money import ZERO, exactly
from metrics.models import Usage
from metrics.queries.periods import current_period
from orgs.models import Organization
from tests.support.fake_stripe import FakeStripe

_HALF_A_CENT = Decimal("0.005")


@dataclass(frozen=True)
class Books:
    """Amounts of all usage of an organization, in the currency's major units."""

    recorded: Decimal
    open: Decimal  # in the open period
    free: Decimal  # paid by free balance
    charged: Decimal  # usage that is on invoices which count
    waiting: Decimal  # usage that is not sent yet
    written_off: Decimal
    returned: Decimal  # charged twice, and returned as credit
    lost: Decimal  # usage that nothing explains: an open discrepancy
    credit_used: Decimal  # on invoices, or waiting for one; below 0
    closed: int  # periods

    @property
    def rounding(self) -> Decimal:
        """What rounding each closed period once added to the recorded cost."""
        with exactly():
            explained = self.open + self.free + self.charged + self.waiting
            explained += self.written_off + self.returned + self.lost
            return explained - self.recorded


def read_books(organization: Organization) -> Books:
    with exactly():
        return _read(organization)


def _read(organization: Organization) -> Books:
    periods = BillingPeriod.objects.filter(organization=organization, cost__gte=0)
    rows = [row for period in periods for row in list_period_differences(period.pk)]
    usage = [row for row in rows if row.kind == Charge.Kind.USAGE]
    credit = [row for row in rows if row.kind == Charge.Kind.CREDIT]
    unsent = Charge.objects.filter(period__in=periods).exclude(state="done")
    decisions = ChargeDecision.objects.filter(
        charge__period__in=periods, charge__kind=Charge.Kind.USAGE
    )

    def total(queryset: Any, name: str = "amount") -> Decimal:
        return queryset.aggregate(sum=Sum(name))["sum"] or ZERO

    waiting_credit = total(unsent.filter(kind=Charge.Kind.CREDIT))
    return Books(
        recorded=total(Usage.objects.filter(organization_id=organization.pk), "cost"),
        open=current_period(organization.pk).cost.cost,
        free=total(periods, "free_balance_used"),
        charged=sum((row.observed for row in usage), ZERO),
        waiting=total(unsent.filter(kind=Charge.Kind.USAGE)),
        written_off=total(decisions.filter(kind=ChargeDecision.Kind.WRITE_OFF)),
        returned=total(decisions.filter(kind=ChargeDecision.Kind.RETURN)),
        lost=sum((row.open_amount for row in usage), ZERO),
        credit_used=sum((row.observed for row in credit), waiting_credit),
        closed=periods.count(),
    )


def check_books(fake: FakeStripe, organization: Organization, customer: str) -> None:
    """Fail unless every amount is explained, in Orgdesk and on Stripe's invoices."""
    books = read_books(organization)
    assert abs(books.rounding) <= _HALF_A_CENT * books.closed, books
    stripe = {"usage": ZERO, "credit": ZERO}
    for invoice in fake.objects("invoice"):
        is_charging = invoice["status"] not in {"void", "uncollectible"}
        if invoice["customer"] != customer or not is_charging:
            continue
        for line in invoice["lines"]["data"]:
            if "orgdesk_charge" in line["metadata"]:
                kind = "usage" if line["amount"] >= 0 else "credit"
                stripe[kind] += Decimal(line["amount"]) / 100
    assert books.charged == stripe["usage"], books
    granted = CreditEntry.objects.filter(
        organization=organization, kind=CreditEntry.Kind.CREDIT, period=None
    )
    entries = granted.exclude(idempotency_key__startswith="charge-")
    given = entries.aggregate(sum=Sum("amount"))["sum"] or ZERO
    balance = get_balances(organization).credit
    open_credit = _lost_credit(organization)
    assert given + books.returned * -1 + books.credit_used + open_credit == balance, (
        given,
        books,
        balance,
    )


def check_settled(organization: Organization, *, loses: bool) -> None:
    """Fail if a charge still waits, or if usage is lost and no step may lose any.

    Ask it of an organization that has a customer after some cycles whose drafts were
    seen: then nothing is left to wait for.
    """
    books = read_books(organization)
    assert books.waiting == 0, books
    assert loses or books.lost == 0, books


def _lost_credit(organization: Organization) -> Decimal:
    """Return the credit that no invoice has and that was not returned; below 0."""
    periods = BillingPeriod.objects.filter(organization=organization, cost__gte=0)
    rows = [row for period in periods for row in list_period_differences(period.pk)]
    credit = [row for row in rows if row.kind == Charge.Kind.CREDIT]
    off = ChargeDecision.objects.filter(
        charge__period__in=periods,
        charge__kind=Charge.Kind.CREDIT,
        kind=ChargeDecision.Kind.WRITE_OFF,
    )
    written_off = off.aggregate(sum=Sum("amount"))["sum"] or ZERO
    return sum((row.open_amount for row in credit), written_off)


def list_books(organization: Organization) -> list[tuple[Any, ...]]:
    """Return the periods of an organization with the charges of each."""
    return [
        (
            period.number,
            period.starts_at,
            period.ends_at,
            period.cost,
            period.free_balance_used,
            period.credit_used,
            sorted(period.charges.values_list("kind", "product", "amount")),
        )
        for period in BillingPeriod.objects.filter(organization=organization).order_by(
            "number"
        )
    ]
