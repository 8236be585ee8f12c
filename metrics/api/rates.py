"""API endpoints that list and change the price book."""

from decimal import Decimal
from typing import Annotated, Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, BeforeValidator, Field

from metrics.catalog import METERS
from metrics.commands.rates import IncomingRate, load_rates
from metrics.events import MAX_PRODUCT_LENGTH, PRODUCT
from metrics.queries.rates import RateFacts, RateKey, list_rates
from metrics.schemas.charts import number
from metrics.units import PRICE_INTEGER_DIGITS, PRICE_PLACES, parse_unit
from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.errors import DomainError, Forbidden, InputRejected
from orgs.models import WhiteLabel
from orgs.queries.paging import read_key, sign_key
from orgs.queries.references import list_references
from orgs.schemas.errors import ErrorsOut
from orgs.schemas.numbers import PlainInt
from orgs.schemas.organizations import Instant, StrictSchema, Text

router = Router(tags=["rates"])
MAX_RATES = 1_000
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_WRITES = _READS | dict.fromkeys((409, 413, 415, 422), ErrorsOut)


def _require_number(value: object) -> object:
    """Return a JSON number as a Decimal; raise `ValueError` for text and booleans."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("Write the price as a JSON number")
    return Decimal(value)


Price = Annotated[
    Decimal,
    BeforeValidator(_require_number, json_schema_input_type=float),
    Field(
        ge=0,
        max_digits=PRICE_INTEGER_DIGITS + PRICE_PLACES,
        decimal_places=PRICE_PLACES,
    ),
]


class RateIn(StrictSchema):
    """The price of a unit of a meter."""

    product: str = Field(
        pattern=f"^{PRODUCT.pattern}$",
        description="The product, as usage events name it.",
    )
    meter: str = Field(max_length=64, description="The meter, such as `requests`.")
    unit_price: Price | None = Field(
        description="Price of one `unit` in the white label's currency: up to 12 digits"
        " before and 24 after the decimal point. null ends the price before it: usage"
        " from `effective_from` on has no price."
    )
    unit: str = Field(
        "",
        max_length=40,
        description="The unit that the prices are for, such as `1M tokens`,"
        " `1,000 requests`, `GPU-hour`, or `GiB-month`; a month is 365/12 days. The"
        " default is one token, request, second, byte, or byte-day.",
    )
    benchmark_unit_price: Price = Field(
        Decimal(0),
        description="Price of the same unit elsewhere; savings are the difference.",
        json_schema_extra={"default": 0},
    )
    effective_from: Instant | None = Field(
        None, description="When the price starts to apply; null applies it to all time."
    )
    organization: Text | None = Field(
        None,
        description="External ID of the only organization that gets this price; null"
        " applies it to all organizations.",
    )


class RatesIn(StrictSchema):
    """Prices to add or replace."""

    rates: list[RateIn] = Field(
        min_length=1, max_length=MAX_RATES, description="From 1 to 1,000 prices."
    )


class ChangedOut(Schema):
    """How many of the prices changed the price book."""

    changed: int = Field(ge=0, description="Prices that were added or replaced.")
    unchanged: int = Field(ge=0, description="Prices that were already set.")


class RateOut(Schema):
    """A price of the price book."""

    product: str = Field(description="The product, as usage events name it.")
    meter: str = Field(description="The meter, such as `requests`.")
    unit_price: float | None = Field(
        description="Price of one `unit` in the white label's currency; null where the"
        " price before it ends."
    )
    unit: str = Field(description="The unit that the prices are for.")
    benchmark_unit_price: float = Field(
        description="Price of the same unit elsewhere; 0 if unknown."
    )
    effective_from: AwareDatetime | None = Field(
        description="When the price starts to apply; null applies it to all time."
    )
    organization: str | None = Field(
        description="External ID of the only organization that gets this price; null"
        " applies it to all organizations."
    )


class RatesOut(Schema):
    """A page of the price book."""

    rates: list[RateOut] = Field(description="Ordered by product and meter.")
    next_cursor: str | None = Field(
        description="The cursor of the next page; null on the last one."
    )


class RatesFilters(Schema):
    """Which prices to list, and how many at once."""

    product: str | None = Field(
        None,
        max_length=MAX_PRODUCT_LENGTH,
        description="Only prices of this product.",
    )
    limit: PlainInt = Field(
        MAX_RATES,
        ge=1,
        le=MAX_RATES,
        description="The number of prices per page, from 1 to 1,000.",
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )


@router.get(
    "/rates",
    response={200: RatesOut, **_READS},
    summary="List the prices of the price book",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="list_rates",
)
def read_rates(request: HttpRequest, filters: Query[RatesFilters]) -> HttpResponse:
    """Return current and future prices, ordered by product and meter."""
    caller = access.caller(request, Scope.BILLING_READ)
    scope = f"rates:{caller.name}"
    rates = list_rates(
        _white_label(caller).pk,
        organization_id=caller.organization_id,
        product=filters.product,
        limit=filters.limit + 1,
        after=_read_cursor(filters.cursor, scope),
    )
    page = rates[: filters.limit]
    has_more = len(rates) > len(page)
    body = {
        "rates": [_rate_json(rate) for rate in page],
        "next_cursor": sign_key(page[-1].key, scope) if has_more else None,
    }
    return HttpResponse(orjson.dumps(body), content_type="application/json")


def _read_cursor(cursor: str | None, scope: str) -> RateKey | None:
    if not cursor:
        return None
    product, meter, id_ = read_key(cursor, scope)
    return str(product), str(meter), int(str(id_))


@router.put(
    "/rates",
    response={200: ChangedOut, **_WRITES},
    summary="Add or replace prices",
    auth=access.needs(Scope.BILLING_WRITE),
    operation_id="update_rates",
)
@access.idempotent
def write_rates(request: HttpRequest, data: RatesIn) -> Any:
    """Add prices to the price book: all of them, or none if one is invalid.

    A price with the same product, meter, organization, and start replaces the previous
    one. Costs that are already recorded do not change.
    """
    caller = access.caller(request, Scope.BILLING_WRITE)
    if caller.organization_id is not None:
        raise Forbidden("Use an API key of the whole white label.")
    white_label = _white_label(caller)
    # One boolean for each rate: whether it changed the price book.
    changes = load_rates(white_label, _incoming_rates(white_label, data.rates))
    changed = sum(changes)
    return {"changed": changed, "unchanged": len(changes) - changed}


def _white_label(caller: Principal) -> WhiteLabel:
    if caller.white_label_id is None:
        raise Forbidden("Use an API key of a single white label.")
    return WhiteLabel.objects.get(pk=caller.white_label_id)


def _incoming_rates(white_label: WhiteLabel, rates: list[RateIn]) -> list[IncomingRate]:
    names = {rate.organization for rate in rates if rate.organization}
    references = list_references(white_label.pk, external_ids=names)
    ids = {reference.external_id: reference.id for reference in references}
    return [_incoming_rate(rate, index, ids) for index, rate in enumerate(rates)]


def _incoming_rate(rate: RateIn, index: int, ids: dict[str, int]) -> IncomingRate:
    """Return a rate by internal id; raise `DomainError` for unknown references.

    `ids` has the ids of the organizations by external id; `index` is the position of
    the rate, for the error.
    """
    if rate.meter not in METERS:
        raise DomainError(
            f"Unknown meter {rate.meter!r}. Accepted: {', '.join(METERS)}.",
            code="unknown_meter",
            fields=(f"rates[{index}].meter",),
        )
    try:
        unit = parse_unit(rate.unit, rate.meter).name
    except InputRejected as error:
        raise DomainError(
            str(error), code=error.code, fields=(f"rates[{index}].unit",)
        ) from None
    if rate.organization and rate.organization not in ids:
        raise DomainError(
            f"No organization has the external ID {rate.organization!r}.",
            code="organization_not_found",
            fields=(f"rates[{index}].organization",),
        )
    if rate.unit_price is None and rate.benchmark_unit_price:
        raise DomainError(
            "benchmark_unit_price must be 0 where the price ends.",
            code="invalid_benchmark_unit_price",
            fields=(f"rates[{index}].benchmark_unit_price",),
        )
    return IncomingRate(
        product=rate.product,
        meter=rate.meter,
        unit_price=rate.unit_price,
        benchmark_unit_price=rate.benchmark_unit_price,
        effective_from=rate.effective_from,
        organization_id=ids[rate.organization] if rate.organization else None,
        unit=unit,
    )


def _rate_json(rate: RateFacts) -> dict[str, Any]:
    return {
        "product": rate.product,
        "meter": rate.meter,
        "unit_price": None if rate.unit_price is None else number(rate.unit_price),
        "unit": rate.unit,
        "benchmark_unit_price": number(rate.benchmark_unit_price),
        "effective_from": rate.effective_from,
        "organization": rate.organization,
    }
