"""What all lists have in common: parameters, the columns of every row, and the body."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from ninja import Schema
from pydantic import Field

from billing.listings.queries import ListedPage
from metrics.schemas.charts import number
from orgs.schemas.numbers import DELETED_FIELD, PlainBool, PlainInt

MAX_LIMIT = 1_000
_MAX_DATE = 10  # characters


class PageIn(Schema):
    """Which page of a list."""

    limit: PlainInt = Field(
        100,
        ge=1,
        le=MAX_LIMIT,
        description="The number of rows per page, from 1 to 1,000.",
        examples=[100],
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )


class FleetIn(Schema):
    """Whose rows, of those that the credential can access."""

    white_label: str | None = Field(
        None,
        max_length=63,
        description="Only rows of the white label with this slug.",
        examples=["acme"],
    )


class DeletedIn(Schema):
    """The parameter that also finds a deleted organization."""

    includeDeleted: PlainBool = DELETED_FIELD  # noqa: N815  as everywhere in this API


class RangeIn(Schema):
    """A range of days in the white label's time zone; UTC for several of them."""

    from_: str | None = Field(
        None,
        alias="from",
        max_length=_MAX_DATE,
        description="First day, as a date.",
        examples=["2026-11-01"],
    )
    to: str | None = Field(
        None,
        max_length=_MAX_DATE,
        description="Day after the last, as a date.",
        examples=["2026-12-01"],
    )


class RowOut(Schema):
    """A row of an organization."""

    id: int = Field(description="The ID of the row in Orgdesk.", examples=[4711])
    white_label: str = Field(
        description="The slug of the white label.", examples=["acme"]
    )
    organization_id: int = Field(
        description="The organization's ID in Orgdesk.", examples=[42]
    )
    organization_external_id: str = Field(
        description="Your ID of the organization.", examples=["o-1"]
    )
    organization: str = Field(
        description="The display name of the organization.", examples=["Lumen Legal"]
    )


class NextPageOut(Schema):
    """A page of a list, the newest rows first."""

    next_cursor: str | None = Field(
        description="The cursor of the next page; null on the last one.",
        examples=[None],
    )


def page_body(name: str, page: ListedPage) -> bytes:
    """Return a page as JSON; amounts are numbers with all their digits."""
    body = {name: page.rows, "next_cursor": page.next_cursor}
    return json_body(body)


def json_body(value: Mapping[str, Any]) -> bytes:
    """Return JSON with instants in UTC, and amounts with all their digits."""
    return orjson.dumps(value, default=_encode, option=orjson.OPT_UTC_Z)


def _encode(value: object) -> Any:
    if isinstance(value, Decimal):
        return number(value)
    raise TypeError(f"{type(value).__name__} is not JSON.")
