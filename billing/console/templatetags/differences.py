"""Amounts of a difference for templates: with a sign, and all digits on hover."""

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from django import template
from django.utils.safestring import SafeString

from billing.ledger.queries.cost_differences import CostDifference, meter_label
from orgs.decimals import plain
from orgs.web.templatetags.display import count, money

register = template.Library()
_UNSIGNED = 2  # the first columns of a row are costs, the others differences


@register.simple_tag
def signed(exact: Decimal, shown: Decimal, currency: str) -> SafeString:
    """Render a difference with its sign; hovering over it shows all digits."""
    return SafeString(
        _data(exact, f"{'+' if shown > 0 else ''}{money(shown, currency)}")
    )


@register.simple_tag
def amount_cells(
    amounts: Sequence[tuple[Decimal, Decimal] | None], currency: str
) -> SafeString:
    """Render the cells of a row: two costs, then differences; 0 is a dash.

    A cost of None has no price.
    """
    return SafeString(
        "".join(
            f'<td class="number">{_cell(index, *amount, currency)}</td>'
            if amount
            else '<td class="number"><span data-no-price>no price</span></td>'
            for index, amount in enumerate(amounts)
        )
    )


def _cell(index: int, exact: Decimal, shown: Decimal, currency: str) -> str:
    if index < _UNSIGNED:
        return _data(exact, money(shown, currency))
    return str(signed(exact, shown, currency)) if exact else "\N{EN DASH}"


def _data(exact: Decimal, text: str) -> str:
    digits = plain(exact)
    return (
        f'<data value="{digits}" title="{digits}" data-number="difference.part"'
        f' data-of="" data-value="{digits}" data-unit="money">{escape(text)}</data>'
    )


@register.simple_tag
def unpriced_parts(difference: CostDifference) -> str:
    """Return a sentence that names the usage without a price in either range."""
    names = [
        f"{row.product} {meter_label(row.meter).lower()}"
        f" ({count(row.compare_quantity)} before, {count(row.quantity)} now)"
        for row in difference.unpriced
    ]
    return f"Usage without a price is in no amount: {', '.join(names)}."
