"""Prices as people write them: a row of texts, read into a rate or refused."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

from metrics.catalog import METERS
from metrics.commands.rates import IncomingRate
from metrics.events import PRODUCT, PRODUCT_RULE
from metrics.units import NO_PRICE, check_price, parse_unit, round_price
from orgs.days import parse_instant
from orgs.errors import InputRejected
from orgs.models import WhiteLabel
from orgs.models.fields import EARLIEST, LATEST
from orgs.queries.references import list_references
from orgs.text import to_nfc

COLUMNS = (
    *("product", "meter", "unit_price", "unit"),
    *("benchmark_unit_price", "effective_from", "organization"),
)
REQUIRED_COLUMNS = frozenset({"product", "meter", "unit_price"})
Row = Mapping[str, str]


def organization_ids(white_label: WhiteLabel, rows: Iterable[Row]) -> dict[str, int]:
    """Return the ids of the organizations that rows name, by external ID."""
    names = {to_nfc(row.get("organization", "")) for row in rows} - {""}
    references = list_references(white_label.id, external_ids=names)
    return {reference.external_id: reference.id for reference in references}


def read_rate(
    row: Row, white_label: WhiteLabel, ids: Mapping[str, int]
) -> IncomingRate:
    """Return the rate of a row; raise `InputRejected` that names column and value."""
    if not PRODUCT.fullmatch(row["product"]):
        raise InputRejected(
            "invalid_product",
            f"product is {row['product'][:200]!r}; it must be {PRODUCT_RULE}.",
        )
    if row["meter"] not in METERS:
        message = (
            f"Unknown meter {row['meter'][:200]!r}. Accepted: {', '.join(METERS)}."
        )
        raise InputRejected("unknown_meter", message)
    name = to_nfc(row.get("organization", ""))
    if name and name not in ids:
        message = f"No organization has the external ID {name[:200]!r}."
        raise InputRejected("organization_not_found", message)
    ends = row["unit_price"].strip().lower() == NO_PRICE
    unit_price = None if ends else _price(row["unit_price"], "unit_price")
    return IncomingRate(
        product=row["product"],
        meter=row["meter"],
        unit_price=unit_price,
        benchmark_unit_price=_benchmark(row, unit_price),
        effective_from=read_start(row.get("effective_from", ""), white_label),
        organization_id=ids.get(name),
        unit=parse_unit(row.get("unit") or "", row["meter"]).name,
    )


def _benchmark(row: Row, unit_price: Decimal | None) -> Decimal:
    price = _price(row.get("benchmark_unit_price") or "0", "benchmark_unit_price")
    if price and unit_price is None:
        message = "benchmark_unit_price must be empty or 0 where the price ends."
        raise InputRejected("invalid_benchmark_unit_price", message)
    return price


def read_start(text: str, white_label: WhiteLabel) -> datetime | None:
    """Return a start; a date or a time without an offset is local."""
    if not text:
        return None
    try:
        instant = parse_instant(text, white_label.zone)
        is_accepted = EARLIEST <= instant < LATEST
    except (ValueError, OverflowError):
        is_accepted = False
    if not is_accepted:
        raise InputRejected(
            "invalid_effective_from",
            f"effective_from is {text[:50]!r}; it must be a date or an RFC 3339"
            " date-time, such as 2026-11-01 or 2026-11-01T00:00:00Z, between the"
            " years 2000 and 2200.",
        )
    return instant


def _price(text: str, name: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        message = (
            f"{name} is {text[:50]!r};"
            " it must be a number with a point, such as 0.0025."
        )
        raise InputRejected(f"invalid_{name}", message) from None
    check_price(price, repr(text[:50]), name)
    return round_price(price)
