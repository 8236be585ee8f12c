"""Query that reconciles a billing period from its events to its invoice.

Events, daily usage, the period's cost and the invoice items must agree. Each step is
shown as a sum, with the causes of its difference from the step before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from billing.ledger.queries.charges import OTHER_PRODUCTS
from billing.models import BillingPeriod, Charge, Invoice
from billing.money import ZERO, exactly, smallest_charge
from metrics.queries.reconciliation import (
    PeriodSpan,
    ProductCheck,
    RerateFacts,
    check_period,
    list_rerates,
)
from orgs.decimals import round_guard_digits
from orgs.models import Organization

_EXACT_UNIT = Decimal(1).scaleb(-12)  # the last place of exact amounts
_MAX_PERIODS = 120


class Cause(StrEnum):
    """Why the amount of a step or product differs from the one before it."""

    DAYS_DIFFER = "Daily usage does not match its events; run rebuild_days"
    CHANGED = "Daily usage changed after the period closed"
    NOT_ADDED_UP = "Charges do not add up to the cost"
    EVENTS_DROPPED = "Some events are past retention; not recalculated"
    FREE_BALANCE = "Paid by free balance"
    ROUNDING = "Rounding"
    MERGED = "Charged together with other products"
    CREDIT = "Paid by credit"
    NOT_CHARGED = "Nothing was charged for this period"
    FAILED = "Charge failed; needs action"
    AWAITING_DRAFT = "Charged on the next draft invoice"
    SENDING = "Charge in progress"
    INVOICE_VOIDED = "Invoice voided"
    INVOICE_MISSING = "Invoice no longer exists"
    # These explain no difference, but belong to the amount.
    LATE = "Used before the period, recorded in it"
    VOIDED = "Voided, not in totals"
    CREDITED = "Refunded as credit, still in totals"

    @property
    def is_problem(self) -> bool:
        """The cause needs action by staff; the others are expected."""
        return self in _PROBLEMS


_PROBLEMS = (
    Cause.DAYS_DIFFER,
    Cause.CHANGED,
    Cause.NOT_ADDED_UP,
    Cause.FAILED,
    Cause.INVOICE_MISSING,
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause and the amount by which it explains a difference.

    Of a cause that explains no difference, `amount` is the amount concerned. `detail`
    is the error of a failed charge.
    """

    cause: Cause
    amount: Decimal
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ProductRow:
    """The amounts of a product from its events to the invoice, exact until charged.

    `charged` is None before the period is closed, and where nothing was charged;
    `events` is None where some events are past their retention.
    """

    product: str  # empty: the row of credit
    events: Decimal | None
    daily: Decimal
    charged: Decimal | None  # rounded, after free balance
    on_invoice: Decimal
    invoice_stripe_id: str
    reasons: tuple[Reason, ...]

    @property
    def is_problem(self) -> bool:
        return any(reason.cause.is_problem for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Step:
    """A sum of the whole period, and why it differs from the step before it.

    `amount` is None where it is not known.
    """

    label: str
    amount: Decimal | None
    difference: Decimal
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The reconciliation of a period; `invoice` is the one that closed it, if any."""

    period: BillingPeriod
    currency: str
    steps: tuple[Step, ...]
    rows: tuple[ProductRow, ...]
    rerates: tuple[RerateFacts, ...]
    invoice: Invoice | None

    @property
    def is_reconciled(self) -> bool:
        """Every difference has an expected cause."""
        step_reasons = (reason for step in self.steps for reason in step.reasons)
        has_problem = any(reason.cause.is_problem for reason in step_reasons)
        return not has_problem and not any(row.is_problem for row in self.rows)


def list_periods(organization_id: int) -> list[BillingPeriod]:
    """Return an organization's periods with their invoices, newest first; 120 at most.

    The open period, if there is one, is the first.
    """
    rows = BillingPeriod.objects.filter(organization_id=organization_id)
    return list(rows.select_related("invoice").order_by("-number")[:_MAX_PERIODS])


def reconcile_period(organization: Organization, number: int) -> Reconciliation:
    """Return the reconciliation of a period by its number.

    Seven statements, one of them over the period's events. Raises
    `BillingPeriod.DoesNotExist` for a number that the organization does not have.
    """
    rows = BillingPeriod.objects.select_related("invoice")
    period = rows.get(organization=organization, number=number)
    closed_at = max(filter(None, (period.closed_at, period.ends_at, timezone.now())))
    checks = check_period(
        organization, PeriodSpan(period.number, period.starts_at, closed_at)
    )
    lines = _list_charge_lines(period)
    currency = organization.white_label.currency
    with exactly():
        return Reconciliation(
            period=period,
            currency=currency,
            steps=tuple(_build_steps(period, checks, lines, currency)),
            rows=tuple(_build_rows(period, checks, lines)),
            rerates=tuple(list_rerates(organization.id, number)),
            invoice=getattr(period, "invoice", None),
        )


@dataclass(frozen=True, slots=True)
class _ChargeLine:
    """A charge and the status of its invoice, empty if the invoice is not mirrored."""

    charge: Charge
    invoice_status: str

    @property
    def is_on_invoice(self) -> bool:
        is_done = self.charge.state == Charge.State.DONE
        return is_done and self.invoice_status not in ("", Invoice.Status.VOID)

    @property
    def invoiced_amount(self) -> Decimal:
        return self.charge.amount if self.is_on_invoice else ZERO

    @property
    def missing_reason(self) -> Reason:
        """Why the charge is not on an invoice."""
        return Reason(self._missing_cause(), -self.charge.amount, self.charge.error)

    def _missing_cause(self) -> Cause:
        match Charge.State(self.charge.state):
            case Charge.State.DONE if self.invoice_status:
                return Cause.INVOICE_VOIDED
            case Charge.State.DONE:
                return Cause.INVOICE_MISSING
            case Charge.State.FAILED:
                return Cause.FAILED
        has_draft = bool(self.charge.invoice_stripe_id)
        return Cause.SENDING if has_draft else Cause.AWAITING_DRAFT


def _list_charge_lines(period: BillingPeriod) -> list[_ChargeLine]:
    charges = Charge.objects.filter(period=period).order_by("-kind", "product")
    invoice = Invoice.objects.filter(stripe_id=OuterRef("invoice_stripe_id"))
    rows = charges.annotate(invoice_status=Subquery(invoice.values("status")[:1]))
    # A charge of 0 is done without an item and so without an invoice: any status that
    # is not void makes it count as on one.
    return [
        _ChargeLine(
            charge, charge.invoice_status or ("" if charge.stripe_id else "draft")
        )
        for charge in rows
    ]


def _build_steps(
    period: BillingPeriod,
    checks: Sequence[ProductCheck],
    lines: Sequence[_ChargeLine],
    currency: str,
) -> Iterator[Step]:
    known = [check.events for check in checks if check.events is not None]
    events = sum(known, ZERO) if len(known) == len(checks) else None
    daily = sum((check.daily for check in checks), ZERO)
    yield Step("Events", events, ZERO)
    yield _daily_usage_step(events, daily)
    if period.cost is None:
        return
    changed = period.cost - daily
    yield _build_step("Period", period.cost, changed, Cause.CHANGED)
    if lines:
        yield from _invoice_steps(period, period.cost, lines, currency)
    elif period.cost:
        yield _build_step("On invoices", ZERO, -period.cost, Cause.NOT_CHARGED)


def _daily_usage_step(events: Decimal | None, daily: Decimal) -> Step:
    if events is None:
        return Step("Daily usage", daily, ZERO, (Reason(Cause.EVENTS_DROPPED, daily),))
    return _build_step("Daily usage", daily, daily - events, Cause.DAYS_DIFFER)


def _invoice_steps(
    period: BillingPeriod, cost: Decimal, lines: Sequence[_ChargeLine], currency: str
) -> Iterator[Step]:
    free, credit = period.free_balance_used, period.credit_used
    charges = [line.charge for line in lines]
    usage = sum((c.amount for c in charges if c.kind == Charge.Kind.USAGE), ZERO)
    total = sum((c.amount for c in charges), ZERO)
    invoiced = sum((line.invoiced_amount for line in lines), ZERO)
    yield _build_step("After free balance", cost - free, -free, Cause.FREE_BALANCE)
    rounding = usage - (cost - free)
    # The total was rounded once, half up or down: by half a unit at most.
    is_small = round_guard_digits(abs(rounding) * 2) <= smallest_charge(currency)
    cause = Cause.ROUNDING if is_small else Cause.NOT_ADDED_UP
    yield _build_step("Charged for usage", usage, rounding, cause)
    cause = Cause.CREDIT if total - usage == -credit else Cause.NOT_ADDED_UP
    yield _build_step("After credits", total, total - usage, cause)
    reasons = tuple(line.missing_reason for line in lines if not line.is_on_invoice)
    yield Step("On invoices", invoiced, invoiced - total, reasons)


def _build_step(label: str, amount: Decimal, difference: Decimal, cause: Cause) -> Step:
    reasons = (Reason(cause, difference),) if difference else ()
    return Step(label, amount, difference, reasons)


def _build_rows(
    period: BillingPeriod,
    checks: Sequence[ProductCheck],
    lines: Sequence[_ChargeLine],
) -> Iterator[ProductRow]:
    usage = [line for line in lines if line.charge.kind == Charge.Kind.USAGE]
    by_product = {line.charge.product: line for line in usage}
    for check in checks:
        line = by_product.pop(check.product, None)
        yield _build_row(period, check, line, has_charges=bool(lines))
    # Charges without usage of their name: of many products together, or of usage that
    # was removed after the period closed.
    for product, line in by_product.items():
        no_usage = ProductCheck(product, None, ZERO, ZERO, ZERO, ZERO)
        yield _build_row(period, no_usage, line, has_charges=True)
    for line in lines:
        if line.charge.kind == Charge.Kind.CREDIT:
            yield _build_credit_row(line)


def _build_row(
    period: BillingPeriod,
    check: ProductCheck,
    line: _ChargeLine | None,
    *,
    has_charges: bool,
) -> ProductRow:
    reasons = [*_usage_reasons(check)]
    charge = line.charge if line else None
    if line is not None:
        reasons += _charge_reasons(period, check, line)
    elif check.daily and period.cost is not None:
        cause = Cause.MERGED if has_charges else Cause.NOT_CHARGED
        reasons.append(Reason(cause, -check.daily))
    return ProductRow(
        product=check.product,
        events=check.events,
        daily=check.daily,
        charged=charge.amount if charge else None,
        on_invoice=line.invoiced_amount if line else ZERO,
        invoice_stripe_id=charge.invoice_stripe_id if charge else "",
        reasons=tuple(reasons),
    )


def _usage_reasons(check: ProductCheck) -> Iterator[Reason]:
    if check.events is not None and check.events != check.daily:
        yield Reason(Cause.DAYS_DIFFER, check.daily - check.events)
    for cause, amount in (
        (Cause.LATE, check.late),
        (Cause.VOIDED, check.voided),
        (Cause.CREDITED, check.credited),
    ):
        if amount:
            yield Reason(cause, amount)


def _charge_reasons(
    period: BillingPeriod, check: ProductCheck, line: _ChargeLine
) -> Iterator[Reason]:
    charge = line.charge
    if charge.cost != check.daily:
        is_merged = charge.product == OTHER_PRODUCTS
        cause = Cause.MERGED if is_merged else Cause.CHANGED
        yield Reason(cause, charge.cost - check.daily)
    free_balance = _free_balance_share(charge.cost, period)
    if free_balance:
        yield Reason(Cause.FREE_BALANCE, -free_balance)
    rounding = charge.amount - (charge.cost - free_balance)
    if rounding:
        yield Reason(Cause.ROUNDING, rounding)
    if not line.is_on_invoice:
        yield line.missing_reason


def _free_balance_share(cost: Decimal, period: BillingPeriod) -> Decimal:
    """Return a product's share of the free balance used, in proportion to its cost."""
    if not period.cost or not period.free_balance_used:
        return ZERO
    share = Fraction(period.free_balance_used) * Fraction(cost) / Fraction(period.cost)
    return (Decimal(share.numerator) / share.denominator).quantize(_EXACT_UNIT)


def _build_credit_row(line: _ChargeLine) -> ProductRow:
    charge = line.charge
    reason = Reason(Cause.CREDIT, charge.amount)
    return ProductRow(
        product="",
        events=None,
        daily=ZERO,
        charged=charge.amount,
        on_invoice=line.invoiced_amount,
        invoice_stripe_id=charge.invoice_stripe_id,
        reasons=(reason,) if line.is_on_invoice else (reason, line.missing_reason),
    )
