"""Parameters and bodies of the difference of an organization's costs."""

from datetime import date
from typing import Any

import orjson
from ninja import Schema
from pydantic import Field

from billing.ledger.queries.cost_differences import (
    USAGE_KINDS,
    Cause,
    CostDifference,
    ProjectDifference,
)
from billing.ledger.queries.cost_spans import CostSpan, SpanChoice
from billing.ledger.queries.difference_texts import (
    describe_cause,
    main_causes,
    summarize,
)
from metrics.queries.cost_differences import PartDifference
from metrics.schemas.charts import number
from orgs.days import parse_day
from orgs.models import WhiteLabel
from orgs.schemas.numbers import DELETED_FIELD, PlainBool, PlainInt


class DifferenceIn(Schema):
    """The two ranges; days of the white label, each end excluded, or two periods."""

    from_: str | None = Field(
        None,
        alias="from",
        max_length=40,
        description="First day, as a date or date-time. Defaults to the start of the"
        " open billing period.",
    )
    to: str | None = Field(
        None,
        max_length=40,
        description="Day after the last. Defaults to tomorrow, so that today is"
        " included.",
    )
    compare_from: str | None = Field(
        None,
        max_length=40,
        description="First day to compare with. Defaults to the range of the same"
        " length before `from`; for the open billing period, to the same days of the"
        " period before.",
    )
    compare_to: str | None = Field(
        None,
        max_length=40,
        description="Day after the last to compare with. Defaults to the same length.",
    )
    period: PlainInt | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="Number of a billing period, instead of days.",
    )
    compare_period: PlainInt | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="Number of the period to compare with. Defaults to the one before.",
    )
    includeDeleted: PlainBool = DELETED_FIELD  # noqa: N815  as everywhere in this API

    def choice(self, white_label: WhiteLabel) -> SpanChoice:
        """Return the ranges as days; raise `InvalidDateRange` with the field."""

        def day(text: str | None, field: str) -> date | None:
            return parse_day(text, white_label.zone, field=field) if text else None

        return SpanChoice(
            start=day(self.from_, "from"),
            end=day(self.to, "to"),
            compare_start=day(self.compare_from, "compare_from"),
            compare_end=day(self.compare_to, "compare_to"),
            period=self.period,
            compare_period=self.compare_period,
        )


class TermOut(Schema):
    """A term of the difference."""

    kind: str = Field(
        description="`volume`, `price`, `mix`, `new`, or `ended` for usage;"
        " `plan`, `seats`, `other_lines`, `plan_and_seats`, `credits`, `free_balance`,"
        " `adjustments`, or `rounding` for whole closed periods."
    )
    label: str = Field(description="A label for people.")
    amount: float = Field(description="The amount, unrounded; 0 if it does not apply.")


class CauseOut(Schema):
    """A part of the difference: a term of one product, or one of the invoices."""

    kind: str = Field(description="The kind of the term.")
    product: str | None = Field(description="The product; null for other terms.")
    meters: list[str] = Field(description="Its meters with this term, largest first.")
    amount: float = Field(description="The amount, unrounded.")
    price_changes: list[date] = Field(
        description="The days on which a price of the product changed."
    )
    text: str = Field(description="The cause in words.")


class _TermsOut(Schema):
    cost: float = Field(description="Cost in the range, unrounded.")
    compare_cost: float = Field(description="Cost in the range to compare with.")
    difference: float = Field(description="`cost` minus `compare_cost`.")
    volume: float = Field(
        description="Change of the quantity at the old average price."
    )
    price: float = Field(description="Change of the average price at the new quantity.")
    mix: float = Field(
        description="What changed because the shares of the product's meters did."
    )
    new: float = Field(description="Cost of products and meters without one before.")
    ended: float = Field(description="Cost of those without one now, below 0.")


class MeterDifferenceOut(_TermsOut):
    """The difference of a product and meter."""

    product: str = Field(description="The product.")
    meter: str = Field(description="The meter.")
    quantity: int = Field(description="Quantity with a price, in base units.")
    compare_quantity: int = Field(description="The same in the range to compare with.")
    price_changes: list[date] = Field(
        description="The days on which the price changed."
    )


class ProductDifferenceOut(_TermsOut):
    """The difference of a product."""

    product: str = Field(description="The product.")


class ProjectDifferenceOut(_TermsOut):
    """The difference of a project."""

    project_id: int | None = Field(description="The project; null is no project.")
    name: str = Field(description="Its name.")
    is_new: bool = Field(description="It has no usage in the range to compare with.")
    is_ended: bool = Field(description="It has no usage in the range.")


class UnpricedOut(Schema):
    """Usage without a price; it is in no amount."""

    product: str = Field(description="The product.")
    meter: str = Field(description="The meter.")
    quantity: int = Field(description="Quantity without a price, in base units.")
    compare_quantity: int = Field(description="The same in the range to compare with.")


class DifferenceOut(Schema):
    """The costs of two ranges, and why they differ."""

    currency: str = Field(description="The white label's currency.")
    basis: str = Field(
        description="`usage`: the totals are the cost of usage. `invoiced`: both ranges"
        " are whole closed billing periods, and the totals are what was billed."
    )
    is_divided: bool = Field(
        description="`plan`, `seats`, and `other_lines` (such as taxes and discounts)"
        " are three terms. If false, the lines of an invoice were not read yet,"
        " and `plan_and_seats` is their sum."
    )
    from_: date = Field(alias="from", description="First day.")
    to: date = Field(description="Day after the last.")
    compare_from: date = Field(description="First day of the range to compare with.")
    compare_to: date = Field(description="Day after its last.")
    periods: list[int] = Field(description="Billing periods that are the range.")
    compare_periods: list[int] = Field(description="The same of the other range.")
    total: float = Field(description="Total of the range, unrounded.")
    compare_total: float = Field(description="Total to compare with, unrounded.")
    difference: float = Field(description="`total` minus `compare_total`.")
    summary: str = Field(description="The difference in words.")
    terms: list[TermOut] = Field(description="All terms; their sum is the difference.")
    main_causes: list[CauseOut] = Field(description="The three largest causes.")
    products: list[ProductDifferenceOut] = Field(description="Largest first.")
    meters: list[MeterDifferenceOut] = Field(description="Largest first.")
    projects: list[ProjectDifferenceOut] = Field(description="Largest first.")
    unpriced: list[UnpricedOut] = Field(description="Usage without a price.")


def difference_body(difference: CostDifference) -> bytes:
    """Return `DifferenceOut` as JSON; amounts have all their digits."""
    currency = difference.currency
    body: dict[str, Any] = {
        "currency": currency,
        "basis": "invoiced" if difference.is_invoiced else "usage",
        "is_divided": difference.is_divided,
        **_span(difference.span),
        **{f"compare_{k}": v for k, v in _span(difference.compare_span).items()},
        "total": number(difference.total),
        "compare_total": number(difference.compare_total),
        "difference": number(difference.difference),
        "summary": summarize(difference),
        "terms": [
            {
                "kind": term.kind,
                "label": term.kind.label,
                "amount": number(term.amount),
            }
            for term in difference.terms
        ],
        "main_causes": [_cause(cause, currency) for cause in main_causes(difference)],
        "products": [
            {"product": row.key.product, **_terms(row)} for row in difference.products
        ],
        "meters": [_meter(row, difference) for row in difference.meters],
        "projects": [_project(row) for row in difference.projects],
        "unpriced": difference.unpriced,
    }
    return orjson.dumps(body)


def _span(span: CostSpan) -> dict[str, Any]:
    return {"from": span.days.start, "to": span.days.end, "periods": span.numbers}


def _cause(cause: Cause, currency: str) -> dict[str, Any]:
    return {
        "kind": cause.kind,
        "product": cause.product or None,
        "meters": cause.meters,
        "amount": number(cause.amount),
        "price_changes": cause.price_changes,
        "text": describe_cause(cause, currency),
    }


def _terms(row: PartDifference) -> dict[str, Any]:
    return {
        "cost": number(row.part.cost),
        "compare_cost": number(row.compared.cost),
        "difference": number(row.terms.total),
        **{kind.value: number(getattr(row.terms, kind)) for kind in USAGE_KINDS},
    }


def _meter(row: PartDifference, difference: CostDifference) -> dict[str, Any]:
    meter = row.key.product, row.key.meter
    return {
        "product": row.key.product,
        "meter": row.key.meter,
        "quantity": number(row.part.quantity),
        "compare_quantity": number(row.compared.quantity),
        "price_changes": difference.price_changes.get(meter, []),
        **_terms(row),
    }


def _project(row: ProjectDifference) -> dict[str, Any]:
    return {
        "project_id": row.project_id or None,
        "name": row.name,
        "is_new": row.is_new,
        "is_ended": row.is_ended,
        **_terms(row.difference),
    }
