"""Descriptions of the changes of prices and integrations."""

from decimal import Decimal

from orgs.catalog import Scope
from orgs.decimals import plain
from orgs.queries.history import Values
from orgs.web.history import Description, Facts, Field, describe, instant, word
from orgs.web.templatetags import display

_KINDS = {"prom": "Prometheus", "loki": "Loki"}


def _price(value: Decimal, facts: Facts) -> str:
    """Return a price with all its digits; it may be far below a cent."""
    cents = display.money(value, facts.currency)
    exact = plain(value)
    has_more = len(exact.partition(".")[2]) > len(cents.partition(".")[2])
    return f"{facts.currency.upper()} {exact}" if has_more else cents


def _rate(row: Values, facts: Facts) -> str:
    return f"price of {row['product']} {word(row['meter'], facts)}"


def _new_rate(row: Values, facts: Facts) -> str:
    price = f"{_price(row['unit_price'], facts)} per {row['unit']}"
    start = row["effective_from"]
    since = f" from {instant(start, facts)}" if start else ""
    return f"{_rate(row, facts)} set to {price}{since}"


def _target(row: Values, facts: Facts) -> str:
    return f"{_KINDS.get(row['kind'], row['kind'])} integration"


describe(
    "metrics.Rate",
    Description(
        "prices",
        _rate,
        {
            "white_label_id": Field("white label"),
            "product": Field("product"),
            "meter": Field("meter", word),
            "effective_from": Field("start", instant),
            "unit_price": Field("price", _price, is_amount=True),
            "benchmark_unit_price": Field("benchmark price", _price, is_amount=True),
            "unit": Field("unit"),
            "removed_in": Field(phrases=("replaced", "restored")),
            "created_at": Field("creation", instant),
        },
        noise=frozenset({"base_price", "base_benchmark_price", "added_in"}),
        added=_new_rate,
        scope=Scope.BILLING_READ,
    ),
)
describe(
    "metrics.Integration",
    Description(
        "integrations",
        _target,
        {
            "kind": Field("kind", lambda value, facts: _KINDS.get(value, str(value))),
            "instance_id": Field("account ID"),
            "endpoint": Field("endpoint"),
            "set_at": Field("token", is_hidden=True),
        },
        added=lambda row, facts: f"{_target(row, facts)} added: {row['endpoint']}",
    ),
)
