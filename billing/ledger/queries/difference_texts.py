"""A difference of costs in words: one sentence by cause, and one by project."""

from collections.abc import Sequence
from decimal import Decimal

from billing.ledger.queries.cost_differences import (
    Cause,
    CostDifference,
    ProjectDifference,
    TermKind,
    meter_label,
)
from billing.money import ZERO, minor_unit
from metrics.catalog import METERS, Unit
from metrics.templatetags.cost_names import in_sentence
from orgs.web.templatetags.display import day_year, money

MAIN_CAUSES = 3
_MAX_CAUSES = 5  # named in a paragraph; the rest is added up
_NOUNS = {
    Unit.TOKENS: "tokens",
    Unit.COUNT: "requests",
    Unit.SECONDS: "compute time",
    Unit.BYTES: "storage",
    Unit.BYTE_DAYS: "storage",
}
_INVOICE_PHRASES = {
    TermKind.PLAN: ("more for the plan", "less for the plan"),
    TermKind.SEATS: ("more for seats", "less for seats"),
    TermKind.OTHER_LINES: (
        "more for taxes, discounts, and other lines",
        "less for taxes, discounts, and other lines",
    ),
    TermKind.PLAN_AND_SEATS: (
        "more for plan, seats, and other lines",
        "less for plan, seats, and other lines",
    ),
    TermKind.CREDITS: ("less paid by credits", "more paid by credits"),
    TermKind.FREE_BALANCE: ("less paid by free balance", "more paid by free balance"),
    TermKind.ADJUSTMENTS: ("from adjustments", "less from adjustments"),
    TermKind.ROUNDING: ("from rounding", "less from rounding"),
}


def summarize(difference: CostDifference) -> str:
    """Return the paragraph that explains a difference, in plain English.

    Amounts below half of the currency's minor unit are not named; they are part of the
    terms all the same.
    """
    return " ".join(filter(None, (_headline(difference), _projects(difference))))


def _headline(difference: CostDifference) -> str:
    other, currency = difference.compare_span.label, difference.currency
    amount = shown_difference(difference)
    clauses = _clauses(difference)
    if amount:
        word = "more" if amount > 0 else "less"
        start = f"{money(abs(amount), currency)} {word} than {other}"
    else:
        start = f"The same as {other}"
    return f"{start}: {_join(clauses)}." if clauses else f"{start}."


def _clauses(difference: CostDifference) -> list[str]:
    causes = [
        cause
        for cause in difference.causes
        if shown_amount(cause.amount, difference.currency)
    ]
    named, rest = causes[:_MAX_CAUSES], causes[_MAX_CAUSES:]
    clauses = [describe_cause(cause, difference.currency) for cause in named]
    amount = sum((cause.amount for cause in rest), ZERO)
    if rest:
        text = _signed(amount, difference.currency)
        clauses.append(f"{text} from {len(rest)} smaller causes")
    return clauses


def _projects(difference: CostDifference) -> str:
    """Return the sentence by project; empty if there is no usage of projects."""
    rows = [
        row
        for row in difference.projects
        if shown_amount(row.amount, difference.currency)
    ]
    if not any(row.project_id for row in rows):
        return ""
    clauses = [_project(row, difference.currency) for row in rows[:MAIN_CAUSES]]
    if len(rows) > MAIN_CAUSES:
        rest = sum((row.amount for row in rows[MAIN_CAUSES:]), ZERO)
        count = len(rows) - MAIN_CAUSES
        others = "1 other" if count == 1 else f"{count} others"
        clauses.append(f"{_signed(rest, difference.currency)} from {others}")
    return f"By project: {_join(clauses)}."


def _project(row: ProjectDifference, currency: str) -> str:
    amount = _signed(row.amount, currency)
    if not row.project_id:
        return f"{amount} without a project"
    if row.is_new:
        return f"{amount} from {row.name} (new)"
    if row.is_ended:
        return f"{amount} from {row.name} (ended)"
    return f"{amount} from {row.name}"


def main_causes(difference: CostDifference) -> list[Cause]:
    """Return the three largest causes of a difference."""
    return [
        cause
        for cause in difference.causes[:MAIN_CAUSES]
        if shown_amount(cause.amount, difference.currency)
    ]


def describe_cause(cause: Cause, currency: str) -> str:
    """Return a cause as a clause, such as `$12.00 more gpt-4o tokens`."""
    amount, is_more = money(abs(cause.amount), currency), cause.amount > 0
    if not cause.kind.is_usage:
        return f"{amount} {_INVOICE_PHRASES[cause.kind][0 if is_more else 1]}"
    text = f"{amount} {'more' if is_more else 'less'}"
    if cause.kind is TermKind.VOLUME:
        return f"{text} {_usage(cause)}"
    return f"{_signed(cause.amount, currency)} {_usage_phrase(cause)}"


def _usage_phrase(cause: Cause) -> str:
    meters = _join([in_sentence(meter_label(meter)) for meter in cause.meters])
    if cause.kind is TermKind.NEW:
        return f"from new {_usage(cause)}"
    if cause.kind is TermKind.ENDED:
        return f"from {_usage(cause)}, not used any more"
    if cause.kind is TermKind.MIX:
        return f"from a different mix of {cause.product} {meters}"
    if cause.price_changes:
        days = _join([day_year(day) for day in cause.price_changes[:2]])
        return f"from the price change of {cause.product} on {days}"
    return f"from other prices of {cause.product}"


def _usage(cause: Cause) -> str:
    """Return the product and what its meters count: `gpt-4o tokens`, `storage`."""
    noun = _noun(cause.meters)
    return noun if cause.product == noun else f"{cause.product} {noun}"


def _noun(meters: Sequence[str]) -> str:
    """Return what a product's meters count, such as `tokens`."""
    units = {METERS[meter].unit if meter in METERS else meter for meter in meters}
    if len(units) == 1 and (unit := units.pop()) in _NOUNS:
        return _NOUNS[Unit(unit)]
    return "usage"


def _signed(amount: Decimal, currency: str) -> str:
    """Return an amount, with “less” behind it if it is below 0."""
    return f"{money(abs(amount), currency)}{' less' if amount < 0 else ''}"


def shown_amount(amount: Decimal, currency: str) -> Decimal:
    """Return an amount as a page shows it, rounded half up to the minor unit."""
    unit = minor_unit(currency)
    units = (abs(amount) / unit + Decimal("0.5")).to_integral_value("ROUND_FLOOR")
    return (units * unit).copy_sign(amount) if units else ZERO


def shown_difference(difference: CostDifference) -> Decimal:
    """Return the difference of the two totals as they are shown, rounded each."""
    currency = difference.currency
    total, compared = difference.total, difference.compare_total
    return shown_amount(total, currency) - shown_amount(compared, currency)


def shown_terms(difference: CostDifference) -> dict[TermKind, Decimal]:
    """Return each term as it is shown; they add up to the shown difference.

    What rounding them changes is part of the rounding.
    """
    amounts = {
        term.kind: shown_amount(term.amount, difference.currency)
        for term in difference.terms
    }
    others = sum(amounts.values(), ZERO) - amounts[TermKind.ROUNDING]
    return amounts | {TermKind.ROUNDING: shown_difference(difference) - others}


def _join(texts: Sequence[str]) -> str:
    """Return texts as a list in words: `a, b, and c`."""
    *others, last = texts or [""]
    if not others:
        return last
    return f"{', '.join(others)}{',' if others[1:] else ''} and {last}"
