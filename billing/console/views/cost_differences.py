"""The panel that explains why the costs of two ranges differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from billing.console.forms import DIFFERENCE_PARAMETERS, read_difference_choice
from billing.ledger.queries.cost_differences import (
    USAGE_KINDS,
    CostDifference,
    TermKind,
    explain_costs,
    meter_label,
)
from billing.ledger.queries.cost_spans import CostSpan, SpanChoice
from billing.ledger.queries.difference_texts import (
    shown_amount,
    shown_difference,
    shown_terms,
    summarize,
)
from billing.models import BillingPeriod
from metrics.queries.cost_differences import PartDifference
from orgs.errors import InvalidDateRange, NotFound
from orgs.models import Organization

PANEL = "difference-panel"
Parameters = Sequence[tuple[str, str]]  # of a URL; a name may occur more than once
_BY = {"product": "Product", "meter": "Meter", "project": "Project"}
_MAX_ROWS = 50
_NAMES = {  # of the fields in the error messages
    "`from`": "“From”",
    "`to`": "“Through”",
    "`compare_from`": "“Compare from”",
    "`compare_to`": "“Compare through”",
    "`period`": "“period”",
}


_Amount = tuple[Decimal, Decimal] | None  # exact, and as shown; None: no price


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table: a product, meter, or project, with its amounts as shown."""

    name: str
    url: str
    amounts: Sequence[_Amount]
    note: str = ""


def difference_context(
    organization: Organization, query: QueryDict, other_parameters: Parameters
) -> dict[str, Any]:
    """Return the context of the panel.

    `other_parameters` are those of the rest of the page, which every link keeps. For
    invalid parameters it is that of the default ranges, with the reason as
    `difference_problem`.
    """
    problem = ""
    chosen = {
        name: text for name in DIFFERENCE_PARAMETERS if (text := query.get(name, ""))
    }
    try:
        by = _by(chosen)
        difference = explain_costs(organization, read_difference_choice(chosen))
    except (InvalidDateRange, NotFound) as error:
        problem, chosen, by = _message(error), {}, "product"
        difference = explain_costs(organization, SpanChoice())
    url = reverse("billing:costs", args=[organization.pk])
    return {
        "organization": organization,
        "difference": difference,
        "difference_problem": problem,
        "summary": summarize(difference),
        "shown_difference": shown_difference(difference),
        "shown_terms": _terms(difference),
        "difference_url": f"{url}#{PANEL}",
        "difference_by": by,
        "difference_rows": _rows(difference, by),
        "difference_totals": _totals(difference),
        "difference_choices": _choices(organization, url, other_parameters, chosen),
        "difference_bys": [
            {
                "id": f"{PANEL}-{slug}",
                "label": label,
                "url": _url(url, other_parameters, {**chosen, "diff_by": slug}),
                "current": slug == by,
            }
            for slug, label in _BY.items()
        ],
        "difference_kept": [*other_parameters, ("diff_by", by)],
        "currency": difference.currency,
        "meter_labels": {
            row.meter: meter_label(row.meter) for row in difference.unpriced
        },
    }


def _message(error: InvalidDateRange | NotFound) -> str:
    text = error.message
    for name, label in _NAMES.items():
        text = text.replace(name, label)
    return text


def _by(chosen: dict[str, str]) -> str:
    by = chosen.get("diff_by", "product")
    if by not in _BY:
        raise InvalidDateRange(
            "“diff_by” must be product, meter, or project.", fields=("diff_by",)
        )
    return by


def _terms(difference: CostDifference) -> list[dict[str, Any]]:
    """Return the terms that apply, with the links to their days or period."""
    exact = {term.kind: term.amount for term in difference.terms}
    return [
        {
            "kind": kind,
            "label": kind.label,
            "exact": exact[kind],
            "amount": amount,
            "links": _term_links(difference, kind),
        }
        for kind, amount in shown_terms(difference).items()
        if amount or exact[kind] or kind in (TermKind.VOLUME, TermKind.PRICE)
    ]


def _term_links(difference: CostDifference, kind: TermKind) -> list[dict[str, str]]:
    organization_id = difference.organization.pk
    spans = (difference.span, difference.compare_span)
    if kind.is_usage or not difference.is_invoiced:
        url = reverse("billing:cost_lines", args=[organization_id])
        return [
            {"label": span.label, "url": f"{url}?{urlencode(_span_query(span))}"}
            for span in spans
        ]
    url = reverse("billing:periods", args=[organization_id])
    return [
        {"label": f"Period {number}", "url": f"{url}?period={number}"}
        for span in spans
        for number in span.numbers
    ]


def _span_query(span: CostSpan) -> dict[str, str]:
    if len(span.periods) == 1:
        return {"period": str(span.numbers[0])}
    return {
        "from": span.days.start.isoformat(),
        "through": span.through.isoformat(),
    }


def _rows(difference: CostDifference, by: str) -> list[_Row]:
    rows = _all_rows(difference, by)
    if len(rows) <= _MAX_ROWS:
        return rows
    shown, rest = rows[: _MAX_ROWS - 1], rows[_MAX_ROWS - 1 :]
    columns = zip(*(row.amounts for row in rest), strict=True)
    amounts = [
        _shown(
            sum((amount[0] for amount in column if amount), Decimal(0)),
            difference.currency,
        )
        for column in columns
    ]
    return [*shown, _Row(f"{len(rest)} more", "", amounts)]


def _all_rows(difference: CostDifference, by: str) -> list[_Row]:
    if by == "project":
        return [
            replace(
                _row(
                    difference,
                    row.name,
                    row.difference,
                    project=str(row.project_id or "none"),
                ),
                note="new" if row.is_new else "ended" if row.is_ended else "",
            )
            for row in difference.projects
        ]
    if by == "meter":
        return [
            _row(
                difference,
                f"{row.key.product} · {meter_label(row.key.meter)}",
                row,
                product=row.key.product,
                meter=row.key.meter,
            )
            for row in difference.meters
        ]
    return [
        _row(difference, row.key.product, row, product=row.key.product)
        for row in difference.products
    ]


def _row(
    difference: CostDifference, name: str, row: PartDifference, **filters: str
) -> _Row:
    url = reverse("billing:cost_lines", args=[difference.organization.pk])
    query = {**_span_query(difference.span), **filters}
    costs = row.compared.priced_cost, row.part.priced_cost
    terms = row.terms.total, *(getattr(row.terms, kind) for kind in USAGE_KINDS)
    return _Row(
        name,
        f"{url}?{urlencode(query)}",
        [
            None if amount is None else _shown(amount, difference.currency)
            for amount in (*costs, *terms)
        ],
    )


def _shown(amount: Decimal, currency: str) -> tuple[Decimal, Decimal]:
    return amount, shown_amount(amount, currency)


def _totals(difference: CostDifference) -> list[tuple[Decimal, Decimal]]:
    terms = difference.usage_terms
    exact = (
        difference.compare_usage,
        difference.usage,
        terms.total,
        *(getattr(terms, kind) for kind in USAGE_KINDS),
    )
    return [_shown(amount, difference.currency) for amount in exact]


def _choices(
    organization: Organization,
    url: str,
    other_parameters: Parameters,
    chosen: dict[str, str],
) -> list[dict[str, Any]]:
    """Return links: the open period so far, and the last closed ones by number."""
    by = {"diff_by": chosen["diff_by"]} if "diff_by" in chosen else {}
    has_range = any(
        name in chosen for name in DIFFERENCE_PARAMETERS if name != "diff_by"
    )
    rows = BillingPeriod.objects.filter(
        organization=organization, ends_at__isnull=False
    )
    numbers = list(rows.order_by("-number").values_list("number", flat=True)[:2])
    so_far: dict[str, str] = {}
    choices = [("Period so far", so_far, not has_range)]
    if len(numbers) > 1:
        query = {"period": str(numbers[0]), "compare_period": str(numbers[1])}
        is_current = all(chosen.get(name) == value for name, value in query.items())
        choices.append(("Last period", query, is_current))
    return [
        {
            "id": f"{PANEL}-choice-{number}",
            "label": label,
            "url": _url(url, other_parameters, query | by),
            "current": is_current,
        }
        for number, (label, query, is_current) in enumerate(choices)
    ]


def _url(url: str, other_parameters: Parameters, parameters: dict[str, str]) -> str:
    pairs = [*other_parameters, *parameters.items()]
    return f"{url}?{urlencode(pairs)}" if pairs else url
