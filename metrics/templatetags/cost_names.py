"""Names of meters and projects for tables of costs."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from metrics.catalog import METERS
from metrics.queries.series import GroupBy
from orgs.web.templatetags.display import count, exact, money

register = template.Library()


@register.filter
def meter_name(slug: str) -> str:
    """Return the label of a meter; its slug if it is not in the catalog."""
    return METERS[slug].label if slug in METERS else slug


@register.filter
def in_sentence(label: str) -> str:
    """Return a label as it is inside a sentence: `prompt tokens`, but `GPU time`."""
    return label if label[:2].isupper() else f"{label[:1].lower()}{label[1:]}"


@register.filter
def name_of(names: Mapping[int, str], id_: int) -> str:
    """Return the name of a project by its ID."""
    return names.get(id_, str(id_))


@register.simple_tag
def lines_link(url: str, query: Any, id_: str) -> str:
    """Return the address of the lines of a product, meter, or project in a range.

    `query` is the chart's `ChartQuery`.
    """
    value = "none" if query.group_by is GroupBy.PROJECT and id_ == "0" else id_
    parameters = {
        "from": query.selected.range.start.isoformat(),
        "through": query.through.isoformat(),
        query.group_by.value: value,
    }
    return f"{url}?{urlencode(parameters)}"


@register.simple_tag
def difference(now: Decimal, before: Decimal, currency: str) -> SafeString | str:
    """Render the change of a cost; hovering over it shows the exact one."""
    return exact(now - before, "money", currency, number="costs.change")


_SIGNIFICANT = 6  # digits of a unit price
_MONEY_PLACES = 2
_PLACES = 15  # of an average price, which may have no end


@register.simple_tag
def unit_price(price: Decimal, currency: str) -> SafeString:
    """Render a price with the digits it needs: `$2.50`, `$0.023`, `$0.00015`."""
    return format_html(
        '<data value="{0}" data-number="cost_line.unit_price" data-of=""'
        ' data-value="{0}" data-unit="{1}">{2}</data>',
        f"{round(price, _PLACES):f}",
        currency,
        _price(price, currency),
    )


def _price(price: Decimal, currency: str) -> str:
    """Return a price with at most six significant digits; an average has any number."""
    places = max(_SIGNIFICANT - 1 - price.adjusted(), 0) if price else 0
    rounded = round(price, places)
    exponent = rounded.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or -exponent <= _MONEY_PLACES:
        return money(rounded, currency)
    symbol = money(Decimal(0), currency).partition("0")[0]
    return f"{symbol}{count(rounded)}"
