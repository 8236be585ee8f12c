"""Descriptions of the changes of prices and integrations."""

from decimal import Decimal

from orgs.catalog import Scope
from orgs.decimals import plain
from orgs.queries.history import Values
from orgs.queries.journals import Journal, register_journal
from orgs.web.history import Description, Facts, Field, describe, instant, money, word
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
    if row["unit_price"] is None:
        start = row["effective_from"]
        when = f"ended from {instant(start, facts)} on" if start else "ended"
        return f"{_rate(row, facts)} {when}"
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
            "paused_at": Field(phrases=("paused", "resumed")),
        },
        added=lambda row, facts: f"{_target(row, facts)} added: {row['endpoint']}",
    ),
)


def _correction(row: Values, facts: Facts) -> str:
    cost = row["cost"]
    if not cost:
        change = "cost unchanged"
    else:
        change = f"cost {'raised' if cost > 0 else 'lowered'} by"
        change = f"{change} {money(abs(cost), facts)}"
    return f"{_CORRECTIONS[row['kind']]}: {change}"


_CORRECTIONS = {
    "rebuild": "daily usage rebuilt from its events",
    "rerate": "usage re-rated",
    "void": "usage voided",
}
# What Orgdesk corrects by itself is left out, and write-offs are in their own table.
_KINDS_SHOWN = ", ".join(f"'{kind}'" for kind in sorted(_CORRECTIONS))
register_journal(
    Journal(
        label="metrics.Correction",
        model="correction",
        source="metrics_correction t",
        values={
            "kind": "t.kind",
            "cost": "t.cost",
            "white_label_id": "t.white_label_id",
        },
        at="t.started_at",
        # Its key is a UUID; 60 bits of it order corrections of one instant.
        id="('x' || left(replace(t.id::text, '-', ''), 15))::bit(60)::bigint",
        owner="",
        white_label="t.white_label_id",
        condition=f"and t.kind in ({_KINDS_SHOWN})",
        owner_source="""metrics_correction t join (
            select correction_id from metrics_usagevoid
            where organization_id = %(organization_id)s
            union
            select correction_id from metrics_periodrerating
            where organization_id = %(organization_id)s) o on o.correction_id = t.id""",
    )
)
describe(
    "metrics.Correction",
    Description("usage", _correction, {}, added=_correction, scope=Scope.BILLING_READ),
)
