"""What a batch adds to each day: quantities, and their exact cost. Pure.

Amounts are whole numbers of 10^-12 of the currency's unit: a price has twelve places,
so a quantity times a price is exact, and integers are the fastest exact numbers.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from metrics.catalog import DAILY_METRICS
from metrics.commands.batch import Row
from orgs.days import first_instant

Prices = tuple[int, int]  # of a unit, ours and the benchmark's
Since = tuple[datetime | None, Prices]
# Organization, day, product, meter, project, period.
Key = tuple[int, str, str, str, int, int]
OrganizationDay = tuple[int, str]
FleetDay = tuple[str, str, str]
Sums = list[int]  # quantity, cost, benchmark cost, unpriced quantity


@dataclass(frozen=True, slots=True)
class PriceList:
    """The rates of the book for the products of a batch, latest first."""

    common: dict[tuple[str, str], list[Since]] = field(default_factory=dict)
    own: dict[tuple[int, str, str], list[Since]] = field(default_factory=dict)

    def at(
        self, organization_id: int, product: str, meter: str, instant: datetime
    ) -> Prices | None:
        """The rate in force, or none; an organization's own wins from its start on."""
        if self.own:
            mine = self.own.get((organization_id, product, meter), ())
            for since, prices in mine:
                if since is None or since <= instant:
                    return prices
        for since, prices in self.common.get((product, meter), ()):
            if since is None or since <= instant:
                return prices
        return None

    def starts(self) -> Iterator[datetime]:
        """The instants at which a price may change."""
        for rates in (*self.common.values(), *self.own.values()):
            yield from (since for since, _ in rates if since is not None)


def price_list(
    rates: Iterable[tuple[str, str, int | None, datetime | None, int, int]],
) -> PriceList:
    """From (product, meter, organization or none, start or none, two prices)."""
    found = PriceList()
    for product, meter, organization_id, since, price, benchmark in rates:
        entry = since, (int(price), int(benchmark))
        if organization_id is None:
            found.common.setdefault((product, meter), []).append(entry)
        else:
            key = organization_id, product, meter
            found.own.setdefault(key, []).append(entry)
    for entries in (*found.common.values(), *found.own.values()):
        entries.sort(key=lambda one: (one[0] is not None, one[0]), reverse=True)
    return found


@dataclass(frozen=True, slots=True)
class DaySums:
    """Sums by key, the same by fleet day, and what of it daily metrics count."""

    usage: dict[Key, Sums] = field(default_factory=dict)
    fleet: dict[FleetDay, Sums] = field(default_factory=dict)
    metrics: dict[OrganizationDay, dict[str, int]] = field(default_factory=dict)

    def add(self, key: Key, quantity: int, prices: Prices | None) -> None:
        """Runs for every key of a batch."""
        organization_id, day, product, meter, _, _ = key
        if prices is None:
            added = (quantity, 0, 0, quantity)
        else:
            added = (quantity, quantity * prices[0], quantity * prices[1], 0)
        _add(self.usage, key, added)
        _add(self.fleet, (day, product, meter), added)
        if meter in DAILY_METRICS:
            columns = self.metrics.setdefault((organization_id, day), {})
            column = DAILY_METRICS[meter]
            columns[column] = columns.get(column, 0) + quantity


def _add(sums: dict[Any, Sums], key: object, added: tuple[int, int, int, int]) -> None:
    before = sums.get(key)
    if before is None:
        sums[key] = [*added]
        return
    before[0] += added[0]
    before[1] += added[1]
    before[2] += added[2]
    before[3] += added[3]


def day_sums(
    rows: Sequence[Row], zone: ZoneInfo, periods: Mapping[int, int], prices: PriceList
) -> DaySums:
    """Add the rows up; days are the zone's, periods those now open.

    Quantities first, then each sum is priced once: between two starts of rates a price
    stays what it is.
    """
    sums = DaySums()
    for some in _spans(rows, prices):
        instant = some[0].event.timestamp
        for key, quantity in _quantities(some, zone, periods):
            found = prices.at(key[0], key[2], key[3], instant)
            sums.add(key, quantity, found)
    return sums


def _spans(rows: Sequence[Row], prices: PriceList) -> Iterable[Sequence[Row]]:
    """The rows, apart where a price may have changed between their instants."""
    instants = [row.event.timestamp for row in rows]
    first, last = min(instants), max(instants)
    starts = sorted({start for start in prices.starts() if first < start <= last})
    if not starts:
        return [rows]
    spans: dict[int, list[Row]] = {}
    for row in rows:
        spans.setdefault(bisect_right(starts, row.event.timestamp), []).append(row)
    return spans.values()


# All of a key but its meter.
_Group = tuple[int, str, str, int]


def _quantities(
    rows: Sequence[Row], zone: ZoneInfo, periods: Mapping[int, int]
) -> Iterator[tuple[Key, int]]:
    """Each key once. Runs for every event: the hottest loop of recording."""
    groups: dict[_Group, list[Mapping[str, int]]] = {}
    starts, names = _days(rows, zone)
    for row in rows:
        event = row.event
        day = names[bisect_right(starts, event.timestamp)]
        group = row.organization_id, day, event.product, row.project_id
        same = groups.get(group)
        if same is None:
            groups[group] = [event.quantities]
        else:
            same.append(event.quantities)
    for (owner, day, product, project), some in groups.items():
        for meter, quantity in _together(some).items():
            yield (owner, day, product, meter, project, periods[owner]), quantity


def _days(rows: Sequence[Row], zone: ZoneInfo) -> tuple[list[datetime], list[str]]:
    """The names of the days the rows are of, and where each but the first begins."""
    instants = [row.event.timestamp for row in rows]
    first, last = (
        instant.astimezone(zone).date() for instant in (min(instants), max(instants))
    )
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    return [first_instant(day, zone) for day in days[1:]], [str(day) for day in days]


def _together(some: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    if len(some) == 1:
        return some[0]
    found: dict[str, int] = {}
    for quantities in some:
        for meter, quantity in quantities.items():
            found[meter] = found.get(meter, 0) + quantity
    return found
