"""Query that reconciles a billing period from its events to its invoice.

Events, daily usage, the period's cost, its charges and the lines of Stripe's invoices
must agree. Each step is shown as a sum, with the causes of its difference from the step
before.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from django.utils import timezone

from billing.ledger.queries.charges import OTHER_PRODUCTS
from billing.ledger.queries.differences import (
    ChargeDifference,
    LossCause,
    list_period_differences,
)
from billing.models import (
    BillingPeriod,
    Charge,
    ChargeDecision,
    Invoice,
    UnpricedWriteOff,
)
from billing.money import ZERO, exactly, smallest_charge
from metrics.queries.reconciliation import (
    MeterCheck,
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
    INVOICE_VOIDED = LossCause.INVOICE_VOIDED.value
    INVOICE_MISSING = LossCause.INVOICE_MISSING.value
    UNCOLLECTIBLE = LossCause.UNCOLLECTIBLE.value
    CREDIT_NOTE = LossCause.CREDIT_NOTE.value
    LINE_REMOVED = LossCause.LINE_REMOVED.value
    LINE_CHANGED = LossCause.LINE_CHANGED.value
    CHARGED_TWICE = LossCause.CHARGED_TWICE.value
    WRITTEN_OFF = "Written off"
    RETURNED = "Returned as credit"
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
    *(Cause[cause.name] for cause in LossCause),
)
_Kind = ChargeDecision.Kind
_DECISION_CAUSES = {
    _Kind.WRITE_OFF: Cause.WRITTEN_OFF,
    _Kind.RETURN: Cause.RETURNED,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause and the amount by which it explains a difference.

    Of a cause that explains no difference, `amount` is the amount concerned. `detail`
    is the error of a failed charge, or the note of a decision. `charge_id` is set where
    a person must decide about the amount.
    """

    cause: Cause
    amount: Decimal
    detail: str = ""
    charge_id: int | None = None


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
    meters: tuple[MeterCheck, ...]
    write_offs: tuple[UnpricedWriteOff, ...]  # of its unpriced usage
    invoice: Invoice | None

    @property
    def is_reconciled(self) -> bool:
        """Every difference has an expected cause."""
        step_reasons = (reason for step in self.steps for reason in step.reasons)
        has_problem = any(reason.cause.is_problem for reason in step_reasons)
        has_problem |= any(row.is_problem for row in self.rows)
        return not has_problem and all(meter.is_complete for meter in self.meters)

    @property
    def is_complete(self) -> bool:
        """Each recorded quantity is priced, free, or unpriced and written off."""
        return not self.unpriced and all(meter.is_complete for meter in self.meters)

    @property
    def unpriced(self) -> list[MeterCheck]:
        """The meters with unpriced usage that was not written off."""
        written_off = {(row.product, row.meter) for row in self.write_offs}
        return [
            meter
            for meter in self.meters
            if meter.unpriced and (meter.product, meter.meter) not in written_off
        ]


def list_periods(organization_id: int) -> list[BillingPeriod]:
    """Return an organization's periods with their invoices, newest first; 120 at most.

    The open period, if there is one, is the first.
    """
    rows = BillingPeriod.objects.filter(organization_id=organization_id)
    return list(rows.select_related("invoice").order_by("-number")[:_MAX_PERIODS])


def reconcile_period(organization: Organization, number: int) -> Reconciliation:
    """Return the reconciliation of a period by its number.

    Eleven statements at most, one of them over the period's events. Raises
    `BillingPeriod.DoesNotExist` for a number that the organization does not have.
    """
    rows = BillingPeriod.objects.select_related("invoice")
    period = rows.get(organization=organization, number=number)
    closed_at = max(filter(None, (period.closed_at, period.ends_at, timezone.now())))
    check = check_period(
        organization, PeriodSpan(period.number, period.starts_at, closed_at)
    )
    checks = check.products
    lines = _list_charge_lines(period)
    currency = organization.white_label.currency
    with exactly():
        return Reconciliation(
            period=period,
            currency=currency,
            steps=tuple(_build_steps(period, checks, lines, currency)),
            rows=tuple(_build_rows(period, checks, lines)),
            rerates=tuple(list_rerates(organization.id, number)),
            meters=tuple(check.meters),
            write_offs=tuple(period.write_offs.order_by("product", "meter")),
            invoice=getattr(period, "invoice", None),
        )


@dataclass(frozen=True, slots=True)
class _ChargeLine:
    """A charge with what Stripe's invoices have of it, and what was decided.

    `difference` is None for a charge that Stripe does not have, or that is 0.
    """

    charge: Charge
    difference: ChargeDifference | None
    decisions: Sequence[ChargeDecision]

    @property
    def is_first(self) -> bool:
        """The charge replaces no other one."""
        return self.charge.attempt_number == 1

    @property
    def invoiced_amount(self) -> Decimal:
        return self.difference.observed if self.difference else ZERO

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the charge is not on an invoice, with decided amounts.

        An amount that was charged again is another charge's and not repeated here.
        Credit that pays for such a charge is no credit of the period's closing.
        """
        is_further_credit = self.charge.kind == Charge.Kind.CREDIT and not self.is_first
        paid = (Reason(Cause.CREDIT, self.charge.amount),) if is_further_credit else ()
        if self.difference is None:
            return (*paid, *self._unsent_reasons())
        decided = (
            Reason(_DECISION_CAUSES[_Kind(row.kind)], -row.amount, row.note)
            for row in self.decisions
            if _Kind(row.kind) in _DECISION_CAUSES
        )
        left = self.difference.open_amount
        if not left:
            return (*paid, *decided)
        cause = Cause[self.difference.cause.name]
        return (*paid, *decided, Reason(cause, -left, charge_id=self.charge.pk))

    def _unsent_reasons(self) -> tuple[Reason, ...]:
        if not self.charge.amount:
            return ()
        cause = self._unsent_cause()
        return (Reason(cause, -self.charge.amount, self.charge.error),)

    def _unsent_cause(self) -> Cause:
        if self.charge.state == Charge.State.FAILED:
            return Cause.FAILED
        has_draft = bool(self.charge.invoice_stripe_id)
        return Cause.SENDING if has_draft else Cause.AWAITING_DRAFT


def _list_charge_lines(period: BillingPeriod) -> list[_ChargeLine]:
    """Return the charges of a period, usage before credit; three statements."""
    charges = Charge.objects.filter(period=period).prefetch_related("decisions")
    rows = charges.order_by("-kind", "product", "attempt_number")
    by_charge = {row.charge_id: row for row in list_period_differences(period.pk)}
    return [
        _ChargeLine(charge, by_charge.get(charge.pk), list(charge.decisions.all()))
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
    charges = [line.charge for line in lines if line.is_first]
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
    reasons = tuple(reason for line in lines for reason in line.reasons)
    yield Step("On invoices", invoiced, invoiced - total, reasons)


def _build_step(label: str, amount: Decimal, difference: Decimal, cause: Cause) -> Step:
    reasons = (Reason(cause, difference),) if difference else ()
    return Step(label, amount, difference, reasons)


def _build_rows(
    period: BillingPeriod,
    checks: Sequence[ProductCheck],
    lines: Sequence[_ChargeLine],
) -> Iterator[ProductRow]:
    by_product: dict[str, list[_ChargeLine]] = defaultdict(list)
    for line in lines:
        by_product[line.charge.product].append(line)
    credit = by_product.pop("", [])
    for check in checks:
        lines_of_product = by_product.pop(check.product, [])
        yield _build_row(period, check, lines_of_product, has_charges=bool(lines))
    # Charges without usage of their name: of many products together, or of usage that
    # was removed after the period closed.
    for product, lines_of_product in by_product.items():
        no_usage = ProductCheck(product, None, ZERO, ZERO, ZERO, ZERO)
        yield _build_row(period, no_usage, lines_of_product, has_charges=True)
    if credit:
        yield _build_credit_row(credit)


def _build_row(
    period: BillingPeriod,
    check: ProductCheck,
    lines: Sequence[_ChargeLine],
    *,
    has_charges: bool,
) -> ProductRow:
    """Return the row of a product; its first charge is the one of the closing."""
    reasons = [*_usage_reasons(check)]
    if lines:
        reasons += _charge_reasons(period, check, lines)
    elif check.daily and period.cost is not None:
        cause = Cause.MERGED if has_charges else Cause.NOT_CHARGED
        reasons.append(Reason(cause, -check.daily))
    return ProductRow(
        product=check.product,
        events=check.events,
        daily=check.daily,
        charged=lines[0].charge.amount if lines else None,
        on_invoice=sum((line.invoiced_amount for line in lines), ZERO),
        invoice_stripe_id=lines[-1].charge.invoice_stripe_id if lines else "",
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
    period: BillingPeriod, check: ProductCheck, lines: Sequence[_ChargeLine]
) -> Iterator[Reason]:
    charge = lines[0].charge
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
    for line in lines:
        yield from line.reasons


def _free_balance_share(cost: Decimal, period: BillingPeriod) -> Decimal:
    """Return a product's share of the free balance used, in proportion to its cost."""
    if not period.cost or not period.free_balance_used:
        return ZERO
    share = Fraction(period.free_balance_used) * Fraction(cost) / Fraction(period.cost)
    return (Decimal(share.numerator) / share.denominator).quantize(_EXACT_UNIT)


def _build_credit_row(lines: Sequence[_ChargeLine]) -> ProductRow:
    """Return the row of the credit that paid at the closing, and of further credit."""
    amount = sum((line.charge.amount for line in lines if line.is_first), ZERO)
    reasons = [Reason(Cause.CREDIT, amount)] if amount else []
    return ProductRow(
        product="",
        events=None,
        daily=ZERO,
        charged=amount,
        on_invoice=sum((line.invoiced_amount for line in lines), ZERO),
        invoice_stripe_id=lines[-1].charge.invoice_stripe_id,
        reasons=(*reasons, *(reason for line in lines for reason in line.reasons)),
    )
