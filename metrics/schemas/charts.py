"""Parameters and bodies of contract C's charts."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.utils import timezone
from ninja import Schema
from pydantic import Field

from metrics.periods import DayRange, Grain
from metrics.queries.series import CostDigits, SeriesFilters
from orgs.days import day_exists, day_of, first_instant, parse_day
from orgs.decimals import plain
from orgs.errors import InvalidDateRange
from orgs.models import WhiteLabel
from orgs.schemas.numbers import DELETED_FIELD, PlainBool


class RangeIn(Schema):
    """A range of days in the white label's time zone; `to` is excluded."""

    from_: str | None = Field(
        None,
        alias="from",
        max_length=40,
        description="First day, as a date or date-time. Defaults to the first day of"
        " the current month.",
    )
    to: str | None = Field(
        None,
        max_length=40,
        description="Day after the last, as a date or date-time. Defaults to tomorrow,"
        " so that today is included.",
    )
    includeDeleted: PlainBool = DELETED_FIELD  # noqa: N815  as everywhere in this API

    def days(self, white_label: WhiteLabel) -> DayRange:
        """Return the days of the range; raise `InvalidDateRange`."""
        zone = white_label.zone
        today = day_of(timezone.now(), zone)
        start = today.replace(day=1)
        end = today + timedelta(days=1)
        if self.from_:
            start = parse_day(self.from_, zone, field="from")
        if self.to:
            end = parse_day(self.to, zone, field="to")
        return DayRange(start, end)


class ChartsIn(RangeIn):
    """Range and granularity of a chart."""

    bucketing_strategy: str = Field(
        "daily", max_length=20, description="`daily` or `monthly`; case-insensitive."
    )

    def filters(self, white_label: WhiteLabel) -> SeriesFilters:
        """Return the filters of the chart.

        Raises `InvalidDateRange`, for an unknown grain with the code
        `costs.invalid_bucketing_strategy`.
        """
        grain = self._grain()
        return SeriesFilters(self.days(white_label).within(grain), grain)

    def _grain(self) -> Grain:
        try:
            return Grain(self.bucketing_strategy.lower())
        except ValueError:
            raise InvalidDateRange(
                "`bucketing_strategy` must be `daily` or `monthly`.",
                code="costs.invalid_bucketing_strategy",
                fields=("bucketing_strategy",),
            ) from None


class ValueOut(Schema):
    """The cost of one product or meter in one bucket."""

    id: str = Field(description="The product, or the meter's code.")
    name: str = Field(description="A label for people.")
    value: float = Field(description="Cost in the white label's currency, unrounded.")


class PointOut(Schema):
    """Costs in one day or month."""

    timestamp: int = Field(
        description="Start of the bucket, in milliseconds since the Unix epoch."
    )
    values: list[ValueOut] = Field(
        description="The products or meters with usage in the bucket."
    )


class ChartsOut(Schema):
    """Costs per day or month."""

    data: list[PointOut] = Field(
        description="Every bucket of the range, oldest first, including empty ones."
    )


def charts_body(costs: CostDigits, filters: SeriesFilters, zone: ZoneInfo) -> bytes:
    """Return `ChartsOut` as JSON.

    Amounts are written as the digits PostgreSQL computed: a float would round them.
    """
    values: dict[date, list[str]] = {}
    for bucket, id_, name, digits in costs.rows:
        values.setdefault(bucket, []).append(f"{_value_start(id_, name)}{digits}}}")
    points = [
        f"{start}{','.join(values.get(bucket, ()))}]}}"
        for bucket, start in _point_starts(filters.range, filters.grain, zone)
    ]
    return f'{{"data":[{",".join(points)}]}}'.encode()


@lru_cache(maxsize=10_000)
def _value_start(id_: str, name: str) -> str:
    """Return the JSON of a value up to its number."""
    text = orjson.dumps({"id": id_, "name": name}).decode()
    return f'{text[:-1]},"value":'


@lru_cache(maxsize=1_000)
def _point_starts(
    days: DayRange, grain: Grain, zone: ZoneInfo
) -> tuple[tuple[date, str], ...]:
    """Return each bucket with the JSON of its point up to the values.

    Cached, because many callers request the same range. A day that the time zone
    skipped has no first instant and no usage, and so no bucket.
    """
    return tuple(
        (bucket, f'{{"timestamp":{_milliseconds(bucket, zone)},"values":[')
        for bucket in days.buckets(grain)
        if day_exists(bucket, zone)
    )


def digits(amount: Any) -> str:
    """Return a number as text: without guard digits, exponent, or trailing zeros."""
    return plain(amount)


def number(amount: Any) -> orjson.Fragment:
    """Return a Decimal as a JSON number with all its digits."""
    return orjson.Fragment(digits(amount))


def _milliseconds(bucket: date, zone: ZoneInfo) -> int:
    return int(first_instant(bucket, zone).timestamp() * 1000)
