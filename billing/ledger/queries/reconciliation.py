"""Events = daily usage = period = invoice: shown step by step, and why it is not so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from billing.ledger.queries.charges import OTHER
from billing.models import BillingPeriod, Charge, Invoice
from billing.money import ZERO, exactly, smallest
from metrics.queries.reconciling import (
    PeriodSpan,
    ProductCheck,
    RerateFacts,
    check_period,
    list_rerates,
)
from orgs.models import Organization

_PLACES = Decimal(1).scaleb(-12)


class Why(StrEnum):
    """Why a number is not the one before it."""

    DAYS_DIFFER = "Daily usage does not match its events; run rebuild_days"
    CHANGED = "Daily usage changed after the period closed"
    NOT_ADDED_UP = "Charges do not add up to the cost"
    EVENTS_DROPPED = "Some events are past retention; not recalculated"
    FREE_BALANCE = "Paid by free balance"
    ROUNDING = "Rounding"
    TOGETHER = "Charged together with other products"
    CREDIT = "Paid by credit"
    NOT_CHARGED = "Nothing was charged for this period"
    FAILED = "Charge failed; needs action"
    WAITING = "Charged on the next draft invoice"
    SENDING = "Charge in progress"
    VOID = "Invoice voided"
    GONE = "Invoice no longer exists"
    # Not of a difference, but worth knowing of a number.
    LATE = "Used before the period, recorded in it"
    VOIDED = "Voided, not in totals"
    CREDITED = "Refunded as credit, still in totals"

    @property
    def is_trouble(self) -> bool:
        return self in _TROUBLE


_TROUBLE = (Why.DAYS_DIFFER, Why.CHANGED, Why.NOT_ADDED_UP, Why.FAILED, Why.GONE)


@dataclass(frozen=True, slots=True)
class Reason:
    """`amount` is what it makes of the difference, or what it is about."""

    why: Why
    amount: Decimal
    detail: str = ""  # of a charge that failed: what Stripe said


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product from its events to the invoice, exact until it is charged.

    `charged` is null before the period is closed, and where nothing was charged.
    """

    product: str
    events: Decimal | None
    daily: Decimal
    charged: Decimal | None  # rounded, after free balance
    on_invoice: Decimal
    invoice_stripe_id: str
    reasons: tuple[Reason, ...]

    @property
    def is_trouble(self) -> bool:
        return any(reason.why.is_trouble for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Step:
    """A sum, and why it differs from the one before; null: not known, or not yet."""

    label: str
    amount: Decimal | None
    difference: Decimal
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Of one period of an organization. `invoice` is the one that closed it."""

    period: BillingPeriod
    currency: str
    steps: tuple[Step, ...]
    rows: tuple[ProductRow, ...]
    rerates: tuple[RerateFacts, ...]
    invoice: Invoice | None

    @property
    def is_whole(self) -> bool:
        """Nothing differs but for what has to."""
        of_steps = (reason for step in self.steps for reason in step.reasons)
        of_rows = (reason for row in self.rows for reason in row.reasons)
        return not any(r.why.is_trouble for r in (*of_steps, *of_rows))


def list_periods(organization_id: int) -> list[BillingPeriod]:
    """Newest first, the open one before them; with the invoice of each."""
    rows = BillingPeriod.objects.filter(organization_id=organization_id)
    return list(rows.select_related("invoice").order_by("-number")[:120])


def reconciliation(organization: Organization, number: int) -> Reconciliation:
    """Seven statements, one of them over the period's events.

    Raises `BillingPeriod.DoesNotExist` for a number that is none of its periods.
    """
    rows = BillingPeriod.objects.select_related("invoice")
    period = rows.get(organization=organization, number=number)
    closed_at = max(filter(None, (period.closed_at, period.ends_at, timezone.now())))
    checks = check_period(
        organization, PeriodSpan(period.number, period.starts_at, closed_at)
    )
    charges = _charges(period)
    currency = organization.white_label.currency
    with exactly():
        return Reconciliation(
            period=period,
            currency=currency,
            steps=tuple(_steps(period, checks, charges, currency)),
            rows=tuple(_rows(period, checks, charges)),
            rerates=tuple(list_rerates(organization.id, number)),
            invoice=getattr(period, "invoice", None),
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """A charge, and what became of the invoice that it is on; empty: no such row."""

    charge: Charge
    invoice_status: str

    @property
    def is_sent(self) -> bool:
        is_done = self.charge.state == Charge.State.DONE
        return is_done and self.invoice_status not in ("", Invoice.Status.VOID)

    @property
    def on_invoice(self) -> Decimal:
        return self.charge.amount if self.is_sent else ZERO

    @property
    def unsent(self) -> Reason:
        return Reason(self._why(), -self.charge.amount, self.charge.error)

    def _why(self) -> Why:
        match Charge.State(self.charge.state):
            case Charge.State.DONE:
                return Why.VOID if self.invoice_status else Why.GONE
            case Charge.State.FAILED:
                return Why.FAILED
        return Why.SENDING if self.charge.invoice_stripe_id else Why.WAITING


def _charges(period: BillingPeriod) -> list[_Line]:
    charges = Charge.objects.filter(period=period).order_by("-kind", "product")
    status = Invoice.objects.filter(stripe_id=OuterRef("invoice_stripe_id"))
    found = charges.annotate(invoice_status=Subquery(status.values("status")[:1]))
    return [
        _Line(charge, charge.invoice_status or ("" if charge.stripe_id else "draft"))
        for charge in found
    ]


# --- the sums -----------------------------------------------------------------------


def _steps(
    period: BillingPeriod,
    checks: Sequence[ProductCheck],
    charges: Sequence[_Line],
    currency: str,
) -> Iterator[Step]:
    known = [check.events for check in checks if check.events is not None]
    events = sum(known, ZERO) if len(known) == len(checks) else None
    daily = sum((check.daily for check in checks), ZERO)
    yield Step("Events", events, ZERO)
    yield _daily(events, daily)
    if period.cost is None:
        return
    changed = period.cost - daily
    yield _step("Period", period.cost, changed, Why.CHANGED)
    if charges:
        yield from _charged(period, period.cost, charges, currency)
    elif period.cost:
        yield _step("On invoices", ZERO, -period.cost, Why.NOT_CHARGED)


def _daily(events: Decimal | None, daily: Decimal) -> Step:
    if events is None:
        return Step("Daily usage", daily, ZERO, (Reason(Why.EVENTS_DROPPED, daily),))
    return _step("Daily usage", daily, daily - events, Why.DAYS_DIFFER)


def _charged(
    period: BillingPeriod, cost: Decimal, charges: Sequence[_Line], currency: str
) -> Iterator[Step]:
    free, credit = period.free_balance_used, period.credit_used
    rows = [line.charge for line in charges]
    usage = sum((c.amount for c in rows if c.kind == Charge.Kind.USAGE), ZERO)
    whole = sum((c.amount for c in rows), ZERO)
    sent = sum((line.on_invoice for line in charges), ZERO)
    yield _step("After free balance", cost - free, -free, Why.FREE_BALANCE)
    rounding = usage - (cost - free)
    is_small = abs(rounding) * 2 <= smallest(currency)
    why = Why.ROUNDING if is_small else Why.NOT_ADDED_UP
    yield _step("Charged for usage", usage, rounding, why)
    why = Why.CREDIT if whole - usage == -credit else Why.NOT_ADDED_UP
    yield _step("After credits", whole, whole - usage, why)
    reasons = tuple(line.unsent for line in charges if not line.is_sent)
    yield Step("On invoices", sent, sent - whole, reasons)


def _step(label: str, amount: Decimal, difference: Decimal, why: Why) -> Step:
    reasons = (Reason(why, difference),) if difference else ()
    return Step(label, amount, difference, reasons)


# --- row by row ---------------------------------------------------------------------


def _rows(
    period: BillingPeriod, checks: Sequence[ProductCheck], charges: Sequence[_Line]
) -> Iterator[ProductRow]:
    usage = [line for line in charges if line.charge.kind == Charge.Kind.USAGE]
    by_product = {line.charge.product: line for line in usage}
    for check in checks:
        line = by_product.pop(check.product, None)
        yield _row(period, check, line, has_charges=bool(charges))
    for product, line in by_product.items():  # of several, or its usage is gone
        alone = ProductCheck(product, None, ZERO, ZERO, ZERO, ZERO)
        yield _row(period, alone, line, has_charges=True)
    for line in charges:
        if line.charge.kind == Charge.Kind.CREDIT:
            yield _credit(line)


def _row(
    period: BillingPeriod,
    check: ProductCheck,
    line: _Line | None,
    *,
    has_charges: bool,
) -> ProductRow:
    reasons = [*_of_usage(check)]
    charge = line.charge if line else None
    if line is not None:
        reasons += _of_charge(period, check, line)
    elif check.daily and period.cost is not None:
        why = Why.TOGETHER if has_charges else Why.NOT_CHARGED
        reasons.append(Reason(why, -check.daily))
    return ProductRow(
        product=check.product,
        events=check.events,
        daily=check.daily,
        charged=charge.amount if charge else None,
        on_invoice=line.on_invoice if line else ZERO,
        invoice_stripe_id=charge.invoice_stripe_id if charge else "",
        reasons=tuple(reasons),
    )


def _of_usage(check: ProductCheck) -> Iterator[Reason]:
    if check.events is not None and check.events != check.daily:
        yield Reason(Why.DAYS_DIFFER, check.daily - check.events)
    for why, amount in (
        (Why.LATE, check.late),
        (Why.VOIDED, check.voided),
        (Why.CREDITED, check.credited),
    ):
        if amount:
            yield Reason(why, amount)


def _of_charge(
    period: BillingPeriod, check: ProductCheck, line: _Line
) -> Iterator[Reason]:
    charge = line.charge
    if charge.cost != check.daily:
        why = Why.TOGETHER if charge.product == OTHER else Why.CHANGED
        yield Reason(why, charge.cost - check.daily)
    free = _share(charge.cost, period)
    if free:
        yield Reason(Why.FREE_BALANCE, -free)
    rounding = charge.amount - (charge.cost - free)
    if rounding:
        yield Reason(Why.ROUNDING, rounding)
    if not line.is_sent:
        yield line.unsent


def _share(cost: Decimal, period: BillingPeriod) -> Decimal:
    """Of the free balance, by what the product cost; to the last place of money."""
    if not period.cost or not period.free_balance_used:
        return ZERO
    share = Fraction(period.free_balance_used) * Fraction(cost) / Fraction(period.cost)
    return (Decimal(share.numerator) / share.denominator).quantize(_PLACES)


def _credit(line: _Line) -> ProductRow:
    charge = line.charge
    reason = Reason(Why.CREDIT, charge.amount)
    return ProductRow(
        product="",
        events=None,
        daily=ZERO,
        charged=charge.amount,
        on_invoice=line.on_invoice,
        invoice_stripe_id=charge.invoice_stripe_id,
        reasons=(reason,) if line.is_sent else (reason, line.unsent),
    )
