"""Why the cost of a range differs from that of another: terms that add up exactly."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from billing.ledger.queries.cost_spans import CostSpan, SpanChoice, read_spans
from billing.ledger.queries.invoiced_periods import InvoicedAmounts, sum_invoiced
from billing.money import ZERO, exactly
from metrics.catalog import METERS
from metrics.periods import DayRange
from metrics.queries.cost_differences import (
    CostPart,
    PartDifference,
    PartKey,
    Terms,
    explain_difference,
    group_differences,
)
from metrics.queries.cost_parts import (
    list_cost_parts,
    list_many_cost_parts,
    list_period_cost_parts,
    list_project_names,
)
from metrics.queries.rates import list_price_changes
from orgs.models import Organization


class TermKind(StrEnum):
    """The terms of a difference, in the order in which they are listed."""

    VOLUME = "volume"
    PRICE = "price"
    MIX = "mix"
    NEW = "new"
    ENDED = "ended"
    PLAN = "plan"
    SEATS = "seats"
    OTHER_LINES = "other_lines"
    PLAN_AND_SEATS = "plan_and_seats"  # in place of the three, where lines are unknown
    CREDITS = "credits"
    FREE_BALANCE = "free_balance"
    ADJUSTMENTS = "adjustments"
    ROUNDING = "rounding"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def is_usage(self) -> bool:
        """The term is of usage; the others are of whole invoiced periods only."""
        return self in USAGE_KINDS


USAGE_KINDS = (
    TermKind.VOLUME,
    TermKind.PRICE,
    TermKind.MIX,
    TermKind.NEW,
    TermKind.ENDED,
)
_LINE_KINDS = (TermKind.PLAN, TermKind.SEATS, TermKind.OTHER_LINES)
_LABELS = {
    TermKind.VOLUME: "Volume",
    TermKind.PRICE: "Price",
    TermKind.MIX: "Mix",
    TermKind.NEW: "New products",
    TermKind.ENDED: "Ended products",
    TermKind.PLAN: "Plan",
    TermKind.SEATS: "Seats",
    TermKind.OTHER_LINES: "Taxes, discounts, and other lines",
    TermKind.PLAN_AND_SEATS: "Plan, seats, and other lines",
    TermKind.CREDITS: "Credits",
    TermKind.FREE_BALANCE: "Free balance",
    TermKind.ADJUSTMENTS: "Adjustments",
    TermKind.ROUNDING: "Rounding",
}


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the difference and its exact amount; 0 where it does not apply."""

    kind: TermKind
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of the difference: a term of one product, or one of the invoices.

    The causes of a difference add up to it. `price_changes` are the days on which a
    price of the product changed.
    """

    kind: TermKind
    amount: Decimal
    product: str = ""
    meters: tuple[str, ...] = ()
    price_changes: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectDifference:
    """The difference of a project; 0 is usage without one."""

    project_id: int
    name: str
    difference: PartDifference
    is_new: bool  # no usage in the compared range
    is_ended: bool

    @property
    def amount(self) -> Decimal:
        return self.difference.part.cost - self.difference.compared.cost


@dataclass(frozen=True, slots=True)
class UnpricedPart:
    """Usage without a price in either range: it is in none of the terms."""

    product: str
    meter: str
    quantity: int
    compare_quantity: int


@dataclass(frozen=True)
class CostDifference:
    """The costs of two ranges, and why they differ.

    If both ranges are whole closed periods, the totals are what was billed for them;
    otherwise they are the cost of the usage. In both cases the terms add up exactly to
    the difference of the totals.
    """

    organization: Organization
    span: CostSpan
    compare_span: CostSpan
    parts: Sequence[PartDifference]
    invoiced: InvoicedAmounts
    compare_invoiced: InvoicedAmounts
    project_names: dict[int, str] = field(default_factory=dict)
    price_changes: dict[tuple[str, str], list[date]] = field(default_factory=dict)

    @property
    def is_invoiced(self) -> bool:
        return self.span.is_invoiced and self.compare_span.is_invoiced

    @property
    def is_divided(self) -> bool:
        """Return whether plan and seats are two terms: all lines were read."""
        return self.invoiced.is_divided and self.compare_invoiced.is_divided

    @property
    def currency(self) -> str:
        return self.organization.white_label.currency

    @cached_property
    def usage(self) -> Decimal:
        return sum((row.part.cost for row in self.parts), ZERO)

    @cached_property
    def compare_usage(self) -> Decimal:
        return sum((row.compared.cost for row in self.parts), ZERO)

    @property
    def total(self) -> Decimal:
        return self.usage + self.invoiced.total

    @property
    def compare_total(self) -> Decimal:
        return self.compare_usage + self.compare_invoiced.total

    @property
    def difference(self) -> Decimal:
        return self.total - self.compare_total

    @cached_property
    def usage_terms(self) -> Terms:
        return sum((row.terms for row in self.parts), Terms())

    @cached_property
    def terms(self) -> list[Term]:
        """Return every term, also those that are 0; they add up to the difference."""
        return [Term(kind, self._amount(kind)) for kind in TermKind]

    def _amount(self, kind: TermKind) -> Decimal:
        if kind.is_usage:
            amount: Decimal = getattr(self.usage_terms, kind)
            return amount
        now, before = self.invoiced_amounts(kind)
        return now - before

    def invoiced_amounts(self, kind: TermKind) -> tuple[Decimal, Decimal]:
        """Return what was billed of a kind beside usage, and the same before."""
        is_unknown = kind in _LINE_KINDS and not self.is_divided
        if is_unknown or (kind is TermKind.PLAN_AND_SEATS and self.is_divided):
            return ZERO, ZERO
        return getattr(self.invoiced, kind), getattr(self.compare_invoiced, kind)

    @cached_property
    def products(self) -> list[PartDifference]:
        """Return the difference of each product, the largest first."""
        return self._group(lambda key: key.product)

    @cached_property
    def meters(self) -> list[PartDifference]:
        """Return the difference of each product and meter, the largest first."""
        return self._group(lambda key: (key.product, key.meter))

    def _group(self, key: Callable[[PartKey], Hashable]) -> list[PartDifference]:
        rows = group_differences(self.parts, key).values()
        return sorted(rows, key=lambda row: (-abs(row.terms.total), row.key))

    @cached_property
    def projects(self) -> list[ProjectDifference]:
        """Return the difference of each project, the largest first."""
        return [
            ProjectDifference(
                row.key.project_id,
                self.project_names[row.key.project_id],
                row,
                is_new=not _is_used(row.compared),
                is_ended=not _is_used(row.part),
            )
            for row in self._group(lambda key: key.project_id)
        ]

    @cached_property
    def causes(self) -> list[Cause]:
        """Return the parts of the difference, the largest first, without zeros.

        Together they are the difference.
        """
        causes = [
            cause
            for row in self.products
            for cause in self._product_causes(row)
            if cause.amount
        ]
        causes += [
            Cause(term.kind, term.amount)
            for term in self.terms
            if not term.kind.is_usage and term.amount
        ]
        return sorted(causes, key=lambda cause: -abs(cause.amount))

    def _product_causes(self, row: PartDifference) -> list[Cause]:
        product = row.key.product
        return [
            Cause(
                kind,
                getattr(row.terms, kind),
                product,
                self._meters_with(product, kind),
                self._changes_of(product) if kind is TermKind.PRICE else (),
            )
            for kind in USAGE_KINDS
        ]

    def _meters_with(self, product: str, kind: TermKind) -> tuple[str, ...]:
        """Return the meters of a product that have the term, the largest first."""
        return tuple(
            row.key.meter
            for row in self.meters
            if row.key.product == product and getattr(row.terms, kind)
        )

    def _changes_of(self, product: str) -> tuple[date, ...]:
        days = {
            day
            for (name, _), changed in self.price_changes.items()
            if name == product
            for day in changed
        }
        return tuple(sorted(days))

    @cached_property
    def unpriced(self) -> list[UnpricedPart]:
        """Return the products and meters with usage that has no price, by name."""
        rows = group_differences(self.parts, lambda key: (key.product, key.meter))
        return [
            UnpricedPart(
                *meter, row.part.unpriced_quantity, row.compared.unpriced_quantity
            )
            for meter, row in sorted(rows.items())
            if row.part.unpriced_quantity or row.compared.unpriced_quantity
        ]


def _is_used(part: CostPart) -> bool:
    return bool(part.quantity or part.unpriced_quantity)


def meter_label(slug: str) -> str:
    """Return the label of a meter; its slug if it is not in the catalog."""
    return METERS[slug].label if slug in METERS else slug


def explain_costs(organization: Organization, choice: SpanChoice) -> CostDifference:
    """Return why the cost of a range differs from that of another.

    At most seven statements, and for whole closed periods ten more. Raises
    `InvalidDateRange` and `NotFound` as `read_spans` does.
    """
    return explain_spans(organization, *read_spans(organization, choice))


def explain_spans(
    organization: Organization, span: CostSpan, compare_span: CostSpan
) -> CostDifference:
    """Return why the cost of a span differs from that of another one."""
    with exactly():
        parts, compared = (
            _read_parts(organization, one) for one in (span, compare_span)
        )
        differences = explain_difference(parts, compared)
        is_invoiced = span.is_invoiced and compare_span.is_invoiced
        invoiced, compare_invoiced = (
            _read_invoiced(organization, one, costs) if is_invoiced else _NOTHING
            for one, costs in ((span, parts), (compare_span, compared))
        )
    repriced = {row.key.product for row in differences if row.terms.price}
    return CostDifference(
        organization=organization,
        span=span,
        compare_span=compare_span,
        parts=differences,
        invoiced=invoiced,
        compare_invoiced=compare_invoiced,
        project_names=list_project_names(
            organization.pk, [row.key.project_id for row in differences]
        ),
        price_changes=_read_price_changes(organization, repriced, span, compare_span),
    )


_NOTHING = InvoicedAmounts()


def explain_usage(
    organizations: Sequence[Organization],
    ranges: Sequence[tuple[DayRange, DayRange]],
) -> list[CostDifference]:
    """Return the differences of usage of many organizations, without project names.

    `ranges` has the days and those to compare with for each organization. One query,
    and one more for each organization whose prices changed.
    """
    spans = [
        (organization.pk, days)
        for organization, pair in zip(organizations, ranges, strict=True)
        for days in pair
    ]
    parts = list_many_cost_parts(spans)
    return [
        _explain_days(organization, pair, now, before)
        for organization, pair, now, before in zip(
            organizations, ranges, parts[::2], parts[1::2], strict=True
        )
    ]


def _explain_days(
    organization: Organization,
    pair: tuple[DayRange, DayRange],
    parts: dict[PartKey, CostPart],
    compared: dict[PartKey, CostPart],
) -> CostDifference:
    with exactly():
        differences = explain_difference(parts, compared)
    span, compare_span = CostSpan(pair[0]), CostSpan(pair[1])
    repriced = {row.key.product for row in differences if row.terms.price}
    return CostDifference(
        organization=organization,
        span=span,
        compare_span=compare_span,
        parts=differences,
        invoiced=_NOTHING,
        compare_invoiced=_NOTHING,
        price_changes=_read_price_changes(organization, repriced, span, compare_span),
    )


def _read_parts(organization: Organization, span: CostSpan) -> dict[PartKey, CostPart]:
    if span.periods:
        return list_period_cost_parts(organization.pk, span.numbers)
    return list_cost_parts(organization.pk, span.days)


def _read_invoiced(
    organization: Organization, span: CostSpan, parts: dict[PartKey, CostPart]
) -> InvoicedAmounts:
    usage = sum((part.cost for part in parts.values()), ZERO)
    return sum_invoiced(span.periods, usage, currency=organization.white_label.currency)


def _read_price_changes(
    organization: Organization,
    products: set[str],
    span: CostSpan,
    compare_span: CostSpan,
) -> dict[tuple[str, str], list[date]]:
    if not products:
        return {}
    since = min(span.days.start, compare_span.days.start)
    until = max(span.days.end, compare_span.days.end)
    return list_price_changes(organization, products, since=since, until=until)
