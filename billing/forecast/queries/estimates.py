"""The estimated invoice: what an organization will owe at the end of its period.

One definition for pages, lists, CSV files, alerts and the API. Usage to date is exact;
the rest of the period is the forecast; plan, seats and everything else that Stripe
prices come from Stripe's preview of the next invoice where there is a current one, and
from the mirrored prices otherwise. Amounts are rounded as invoices are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.urls import reverse

from billing.forecast.backtests import Band, HitRate
from billing.forecast.queries.forecasts import Forecast
from billing.forecast.queries.invoice_terms import (
    BilledItem,
    InvoiceTerms,
    Preview,
    PreviewedUsage,
    PreviewLine,
    terms_of,
)
from billing.ledger.queries.facts import BillingFacts
from billing.models.mirrors import SubscriptionStatus
from billing.money import ZERO, Bill, compute_bill, exactly, round_money
from orgs.days import day_of
from orgs.models import Organization
from orgs.web.templatetags.display import money


class State(StrEnum):
    """What kind of invoice the open period will get."""

    SCHEDULED = "scheduled"
    TRIAL = "trial"  # at the end of the trial
    FINAL = "final"  # at the end of a canceled subscription
    DUE = "due"  # the period has ended; Stripe's invoice has not arrived
    PAUSED = "paused"
    NO_DATE = "no_date"  # Stripe has not said when the period ends
    NO_SUBSCRIPTION = "no_subscription"


PREVIEW_LASTS = timedelta(hours=24)  # then Stripe is asked again
_NEAR = Decimal("0.1")  # part of the usage that a preview's may differ by
BALANCE = "stripe_balance"  # the code of the customer's balance in Stripe
_ORDER = ("plan", "seats", "metered", "proration", "other")
WITHOUT_INVOICE = (State.PAUSED, State.NO_DATE, State.NO_SUBSCRIPTION)
_MESSAGES = {
    State.SCHEDULED: "",
    State.TRIAL: "The trial ends then: free balance pays for usage until its end.",
    State.FINAL: "The subscription ends then. This is its final invoice.",
    State.DUE: "The period has ended. Stripe's invoice has not arrived yet.",
    State.PAUSED: "The subscription is paused: no invoice until it is resumed."
    " Usage is billed after that.",
    State.NO_DATE: "The next billing date is not known.",
    State.NO_SUBSCRIPTION: "No plan: usage is not billed until one starts.",
}


class Source(StrEnum):
    """The origin of a line's amount."""

    USAGE = "usage"
    FORECAST = "forecast"
    BALANCE = "balance"  # credit, free balance, and charges of closed periods
    PRICE = "price"  # Orgdesk's mirror of Stripe's price
    STRIPE = "stripe"  # Stripe's preview of its next invoice


class Tax(StrEnum):
    """How much of the tax is in an estimated invoice."""

    INCLUDED = "included"
    PARTIAL = "partial"  # that of what Stripe prices, but not that of usage
    NOT_INCLUDED = "not_included"


_TAX_MESSAGES = {
    Tax.INCLUDED: "Tax and discounts are those of Stripe's preview.",
    Tax.PARTIAL: "Tax and discounts on usage are not included.",
    Tax.NOT_INCLUDED: "Tax and discounts are not included.",
}
_NOTES = {
    Source.USAGE: "",
    Source.FORECAST: "Forecast by weekday from the last 8 weeks",
    Source.BALANCE: "",
    Source.PRICE: "Price synced from Stripe",
    Source.STRIPE: "Stripe's preview",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the estimated invoice; `amount` is None if only Stripe knows it."""

    code: str
    label: str
    amount: Decimal | None
    currency: str
    source: Source
    as_of: datetime
    organization_id: int
    page: str  # the URL name of the page that explains it
    suffix: str = ""  # of that URL

    @property
    def url(self) -> str:
        """URL of the page that explains the amount."""
        return reverse(self.page, args=[self.organization_id]) + self.suffix

    @property
    def note(self) -> str:
        """How the amount is known; empty if it is exact and Orgdesk's."""
        return _NOTES[self.source]


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of the lines in one currency; the range is None if it is not known."""

    currency: str
    amount: Decimal
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LaterLine:
    """A line of another invoice, and its day."""

    on: date
    line: Line


@dataclass(frozen=True, slots=True)
class EstimatedInvoice:
    """The invoice that an open period is expected to get, or why it gets none.

    `totals` are empty without an invoice. They begin with the white label's currency,
    which is that of usage.
    """

    state: State
    as_of: datetime
    at: datetime | None
    on: date | None
    currency: str
    lines: tuple[Line, ...]
    totals: tuple[Total, ...]
    later: tuple[LaterLine, ...]
    forecast: Forecast
    charges_usage: bool
    # What Stripe taxes and discounts as usage: that of this and of earlier periods,
    # after free balance and before credit.
    charged_usage: Decimal
    usage_subscription: str  # in Stripe, whose invoice has the usage; empty if none has
    tax: Tax
    needs_preview: bool  # of Stripe: it was not read, or is out of date
    needs_range: bool = False  # it was not prepared for today
    hit_rate: HitRate | None = None

    @property
    def has_invoice(self) -> bool:
        return self.state not in WITHOUT_INVOICE

    @property
    def total(self) -> Total | None:
        """The total in the white label's currency; None without an invoice."""
        return self.totals[0] if self.totals else None

    @property
    def is_complete(self) -> bool:
        """True if the amount of every line is known."""
        return all(line.amount is not None for line in self.lines)

    @property
    def tax_message(self) -> str:
        """How much of the tax is included, as a sentence; empty without an invoice."""
        return _TAX_MESSAGES[self.tax] if self.has_invoice else ""

    @property
    def message(self) -> str:
        """What is special about this invoice, as sentences; empty if nothing is."""
        texts = [_MESSAGES[self.state]]
        if not self.charges_usage:
            texts.append("Usage is not charged to this organization.")
        if not self.is_complete:
            texts.append("The total lacks an amount that only Stripe knows.")
        return " ".join(filter(None, texts))


@dataclass(frozen=True, slots=True)
class _Builder:
    """The data that the lines of one organization's estimate are built from."""

    organization: Organization
    forecast: Forecast
    terms: InvoiceTerms
    now: datetime
    state: State
    on: date | None

    @property
    def currency(self) -> str:
        return self.organization.white_label.currency

    @property
    def zone(self) -> ZoneInfo:
        return self.organization.white_label.zone

    @property
    def usage_preview(self) -> tuple[str, Preview | None]:
        """The subscription whose invoice has the usage, and Stripe's preview of it."""
        for id_, items in self.terms.by_subscription().items():
            if any(self.bills(item) and item.is_platform for item in items):
                if items[0].currency != self.currency:
                    return "", None
                return id_, current_preview(self.terms, items)
        return "", None

    @property
    def stated_usage(self) -> tuple[Preview, PreviewedUsage] | None:
        """What Stripe would take off and add to usage, with its preview, if known."""
        _, preview = self.usage_preview
        if preview and preview.has_invoice and preview.usage and preview.usage.amount:
            return preview, preview.usage
        return None

    def bills(self, item: BilledItem) -> bool:
        """Return whether the estimated invoice bills an item."""
        if self.on is None or item.bills_at is None or not item.renews:
            return False
        return day_of(item.bills_at, self.zone) == self.on

    def line(self, code: str, label: str, amount: Decimal | None, page: str) -> Line:
        """Return a line in the currency of usage, from a balance."""
        return Line(
            code,
            label,
            amount,
            self.currency,
            Source.BALANCE,
            self.now,
            self.organization.pk,
            page,
        )


def build_estimate(
    organization: Organization,
    forecast: Forecast,
    terms: InvoiceTerms,
    *,
    now: datetime,
    band: Band | None = None,
    has_band: bool = True,
    hit_rate: HitRate | None = None,
) -> EstimatedInvoice:
    """Return the estimate from data that was read already; no query.

    `band` is the interval of the rest of the period; None if the history is too short
    for one, or, without `has_band`, because it was not prepared.
    """
    state = _state_of(forecast.facts, now)
    closes_at = None if state in WITHOUT_INVOICE else forecast.facts.closes_at
    on = day_of(closes_at, organization.white_label.zone) if closes_at else None
    builder = _Builder(organization, forecast, terms, now, state, on)
    stripe_lines, later = _stripe_lines(builder)
    usage_lines = _usage_lines(builder, forecast.rest or ZERO)
    charged = _charged_usage(builder, forecast.rest or ZERO)
    subscription, _ = builder.usage_preview
    lines = _apply_balance((*usage_lines, *stripe_lines))
    return EstimatedInvoice(
        state=state,
        as_of=now,
        at=closes_at,
        on=on,
        currency=builder.currency,
        lines=lines,
        totals=() if on is None else _totals(builder, lines, stripe_lines, band),
        later=later,
        forecast=forecast,
        charges_usage=organization.is_billable,
        charged_usage=charged,
        usage_subscription=subscription,
        tax=_tax_of(builder, charged),
        needs_preview=_needs_preview(terms, now) or _needs_usage(builder, charged),
        needs_range=on is not None and bool(forecast.rest) and not has_band,
        hit_rate=hit_rate,
    )


def _state_of(facts: BillingFacts, now: datetime) -> State:
    closes_at = facts.closes_at
    if facts.status is None:
        return State.NO_SUBSCRIPTION
    if facts.status == SubscriptionStatus.PAUSED:
        return State.PAUSED
    if closes_at is None:
        return State.NO_DATE
    if closes_at <= now:
        return State.DUE
    if facts.cancels_at == closes_at:
        return State.FINAL
    return State.TRIAL if facts.is_in_trial else State.SCHEDULED


def _usage_lines(builder: _Builder, rest: Decimal) -> tuple[Line, ...]:
    """Return the lines of usage, and of what pays for it; their sum is rounded once."""
    forecast, currency = builder.forecast, builder.currency
    if not builder.organization.is_billable:
        return ()
    to_date = round_money(forecast.cost.cost, currency)
    usage = builder.line("usage", "Usage to date", to_date, "billing:costs")
    lines = [replace(usage, source=Source.USAGE, suffix="?range=period")]
    if builder.on is None:
        return tuple(lines)
    bill = _bill(builder, rest)
    whole = round_money(bill.cost, currency)
    if rest:
        line = builder.line(
            "expected_usage", "Expected usage", whole - to_date, "billing:costs"
        )
        suffix = "?view=cumulative"
        lines.append(replace(line, source=Source.FORECAST, suffix=suffix))
    lines += _paying_lines(builder, whole, bill)
    lines += _reduction_lines(builder, bill)
    return tuple(lines)


def _charged_usage(builder: _Builder, rest: Decimal) -> Decimal:
    """Return the usage that Stripe gets as charges, with that of closed periods."""
    if builder.on is None or not builder.organization.is_billable:
        return ZERO
    waiting = builder.terms.waiting.get(builder.currency, ZERO)
    with exactly():
        return max(_bill(builder, rest).usage + waiting, ZERO)


def _reduction_lines(builder: _Builder, bill: Bill) -> Iterator[Line]:
    """Yield the discount and tax of usage as far as Stripe's preview states them.

    Stripe taxes what is left after discounts, and credits as items below 0.
    """
    if (stated := builder.stated_usage) is None:
        return
    preview, usage = stated
    waiting = builder.terms.waiting.get(builder.currency, ZERO)
    charged = max(bill.usage + waiting, ZERO)
    discount = round_money(usage.discount_of(charged), builder.currency)
    taxed = charged - discount - bill.credit_used
    tax = round_money(usage.tax_of(taxed), builder.currency)
    for code, label, amount in (
        ("usage_discount", "Discounts on usage", -discount),
        ("usage_tax", "Tax on usage", tax),
    ):
        if amount:
            line = builder.line(code, label, amount, "billing:billing")
            yield replace(line, source=Source.STRIPE, as_of=preview.read_at)


def _tax_of(builder: _Builder, charged: Decimal) -> Tax:
    """Return how much of the tax the previews of this invoice state."""
    billed = [
        current_preview(builder.terms, items)
        for items in builder.terms.by_subscription().values()
        if any(map(builder.bills, items))
    ]
    if not any(billed):
        return Tax.NOT_INCLUDED
    is_stated = not charged or builder.stated_usage is not None
    return Tax.INCLUDED if all(billed) and is_stated else Tax.PARTIAL


def _bill(builder: _Builder, rest: Decimal) -> Bill:
    """Return the bill of the whole period with a cost expected of its rest."""
    facts = builder.forecast.facts
    with exactly():
        cost = builder.forecast.cost.cost + rest
    return compute_bill(
        {"": cost},
        builder.currency,
        free_balance=facts.usable_free_balance,
        credit=builder.terms.credit,
    )


def _paying_lines(builder: _Builder, whole: Decimal, bill: Bill) -> Iterable[Line]:
    """Yield the lines of free balance, credit, and charges of earlier periods."""
    if builder.forecast.facts.usable_free_balance:
        paid = bill.usage - whole
        yield builder.line("free_balance", "Free balance", paid, "billing:credits")
    if bill.credit_used:
        paid = -bill.credit_used
        yield builder.line("credit", "Credit", paid, "billing:credits")
    for currency, amount in builder.terms.waiting.items():
        line = builder.line(
            "earlier_usage",
            "Earlier usage, not invoiced yet",
            amount,
            "billing:periods",
        )
        yield replace(line, currency=currency)


def _stripe_lines(
    builder: _Builder,
) -> tuple[tuple[Line, ...], tuple[LaterLine, ...]]:
    """Return the lines that Stripe prices: of this invoice, and of later ones."""
    lines: list[Line] = []
    later: list[LaterLine] = []
    for items in builder.terms.by_subscription().values():
        for on, line in _subscription_lines(builder, items):
            if builder.on == on:
                lines.append(line)
            elif on >= day_of(builder.now, builder.zone) and line.amount != ZERO:
                later.append(LaterLine(on, line))
    lines += _balance_lines(builder)
    return tuple(lines), tuple(sorted(later, key=lambda line: line.on))


def _subscription_lines(
    builder: _Builder, items: Sequence[BilledItem]
) -> Iterator[tuple[date, Line]]:
    """Yield the lines of a subscription in Stripe, and the day of their invoice.

    Stripe's preview is of the next invoice: items that are billed later, which a
    subscription with several cycles has, come from their mirrored prices.
    """
    billed = [item for item in items if item.renews]
    days = {item.bills_at for item in billed if item.bills_at is not None}
    preview = current_preview(builder.terms, items)
    for at in sorted(days):
        on, due = (
            day_of(at, builder.zone),
            [row for row in billed if row.bills_at == at],
        )
        trials = (line for item in due for line in _trial_line(builder, item))
        yield from ((on, line) for line in trials)
        if preview is None or at != min(days):
            yield from ((on, _item_line(builder, item)) for item in due)
        elif preview.has_invoice:
            yield from ((on, line) for line in _preview_lines(builder, due, preview))


def current_preview(terms: InvoiceTerms, items: Sequence[BilledItem]) -> Preview | None:
    """Return Stripe's preview of a subscription if it was read for its terms."""
    preview = terms.previews.get(items[0].subscription_stripe_id)
    return preview if preview and preview.terms == terms_of(items) else None


def _needs_preview(terms: InvoiceTerms, now: datetime) -> bool:
    """Return whether Stripe has to be asked for the preview of a subscription."""
    for items in terms.by_subscription().values():
        if any(item.renews for item in items):
            preview = current_preview(terms, items)
            if preview is None or preview.is_outdated:
                return True
            if preview.read_at < now - PREVIEW_LASTS:
                return True
    return False


def _needs_usage(builder: _Builder, charged: Decimal) -> bool:
    """Return whether Stripe was asked about quite another amount of usage.

    Percentages stay the same, but a discount of an amount is shared with the plan.
    """
    _, preview = builder.usage_preview
    if preview is None or not preview.has_invoice or preview.usage is None:
        return False
    return abs(charged - preview.usage.amount) > charged * _NEAR


def _preview_lines(
    builder: _Builder, items: Sequence[BilledItem], preview: Preview
) -> Iterator[Line]:
    """Yield the lines of a preview, added up where they are of one item."""
    by_price = {item.price_stripe_id: item for item in items}
    groups: dict[tuple[str, str], Decimal] = {}
    for line in preview.lines:
        key = _group_of(line, by_price.get(line.price_stripe_id))
        groups[key] = groups.get(key, ZERO) + line.amount
    groups["discount", "Discounts"] = -preview.discount
    groups["tax", "Tax on what Stripe prices"] = preview.tax
    whole = _item_line(builder, items[0])
    for (code, label), amount in sorted(groups.items(), key=_order_of):
        if amount or code in {"plan", "seats"}:
            yield replace(
                whole,
                code=code,
                label=label,
                amount=amount,
                currency=preview.currency,
                source=Source.STRIPE,
                as_of=preview.read_at,
            )


def _order_of(group: tuple[tuple[str, str], Decimal]) -> int:
    """Return the place of a group: plan and seats first, then in Stripe's order."""
    (code, _), _ = group
    return _ORDER.index(code) if code in _ORDER else len(_ORDER)


def _group_of(line: PreviewLine, item: BilledItem | None) -> tuple[str, str]:
    """Return the code and label that a line of a preview is added up under."""
    if line.is_proration:
        return "proration", "Prorations of changes"
    if item is None:
        return "other", line.description or "Other items in Stripe"
    return _code_of(item), _label_of(item)


def _balance_lines(builder: _Builder) -> list[Line]:
    """Return the line of the customer's balance in Stripe, of which all may be used.

    How much of it is used is known with the other lines: see `_apply_balance`.
    """
    previews = [
        preview
        for items in builder.terms.by_subscription().values()
        if (preview := current_preview(builder.terms, items)) and preview.has_invoice
    ]
    latest = max(previews, key=lambda preview: preview.read_at, default=None)
    if latest is None or not latest.customer_balance or builder.on is None:
        return []
    label = "Customer balance in Stripe"
    line = builder.line(BALANCE, label, latest.customer_balance, "billing:billing")
    currency = latest.currency
    return [
        replace(line, currency=currency, source=Source.STRIPE, as_of=latest.read_at)
    ]


def _apply_balance(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines with as much of a credit in Stripe as the others need."""
    return tuple(
        replace(line, amount=max(line.amount or ZERO, -_owed(lines, line.currency)))
        if line.code == BALANCE
        else line
        for line in lines
    )


def _owed(lines: Iterable[Line], currency: str) -> Decimal:
    rows = [line for line in lines if line.code != BALANCE]
    return max(_sum(rows).get(currency, ZERO), ZERO)


def _trial_line(builder: _Builder, item: BilledItem) -> list[Line]:
    """Return the line of a plan's trial, which costs nothing."""
    if not (item.is_in_trial and item.is_platform):
        return []
    line = _item_line(builder, item)
    label = f"{item.tier.title()} plan in the trial"
    return [replace(line, code="trial", label=label, amount=ZERO)]


def _item_line(builder: _Builder, item: BilledItem) -> Line:
    amount = item.amount
    return Line(
        code=_code_of(item),
        label=_label_of(item),
        amount=None if amount is None else round_money(amount, item.currency),
        currency=item.currency,
        source=Source.PRICE,
        as_of=item.synced_at,
        organization_id=builder.organization.pk,
        page="billing:billing",
        suffix=f"#subscription-{item.subscription_id}",
    )


def _code_of(item: BilledItem) -> str:
    if item.quantity is None:
        return "metered"
    return "plan" if item.is_platform else "seats"


def _label_of(item: BilledItem) -> str:
    tier = item.tier.title()
    if item.quantity is None:
        return f"{tier}, metered by Stripe"
    if item.is_platform:
        which = "first" if item.is_in_trial else "next"
        return f"{tier} plan, {which} {_describe_cycle(item)}"
    seats = f"{item.quantity:,} seat{'' if item.quantity == 1 else 's'}"
    if item.unit_amount is None:
        return f"{tier}, {seats}"
    return f"{tier}, {seats} at {money(item.unit_amount, item.currency)}"


def _describe_cycle(item: BilledItem) -> str:
    """Return `month` or `3 months`: what the fee is paid for, in advance."""
    cycle = item.cycle.normalized
    return cycle.interval if cycle.count == 1 else f"{cycle.count} {cycle.interval}s"


def _totals(
    builder: _Builder,
    lines: Sequence[Line],
    stripe_lines: Sequence[Line],
    band: Band | None,
) -> tuple[Total, ...]:
    """Return the sum in each currency; the range is that of usage, in its currency."""
    sums = _sum(lines)
    sums.setdefault(builder.currency, round_money(ZERO, builder.currency))
    low, high = _range(builder, stripe_lines, band)
    first = Total(builder.currency, sums.pop(builder.currency), low, high)
    return (first, *(Total(code, amount) for code, amount in sorted(sums.items())))


def _sum(lines: Iterable[Line]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    with exactly():
        for line in lines:
            if line.amount is not None:
                sums[line.currency] = sums.get(line.currency, ZERO) + line.amount
    return sums


def _range(
    builder: _Builder, stripe_lines: Sequence[Line], band: Band | None
) -> tuple[Decimal | None, Decimal | None]:
    rest = builder.forecast.rest
    if rest is None or not builder.organization.is_billable:
        return None, None
    if not rest and builder.forecast.usage.history_days:
        band = Band(1.0, 1.0)  # nothing is expected any more
    if band is None:
        return None, None
    with exactly():
        ends = [rest * Decimal(str(factor)) for factor in (band.low, band.high)]
    low, high = (
        _sum(_apply_balance((*_usage_lines(builder, end), *stripe_lines))).get(
            builder.currency
        )
        for end in ends
    )
    return low, high
