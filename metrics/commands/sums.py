"""What a batch adds to each day: quantities, and their exact cost. Pure.

Amounts are whole numbers of 10^-12 of the currency's unit: a price has twelve places,
so a quantity times a price is exact, and integers are the fastest exact numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from metrics.catalog import DAILY_METRICS
from metrics.commands.batch import Row

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
    """Sums by key, the same by organization and day (costs alone) and by fleet day."""

    usage: dict[Key, Sums] = field(default_factory=dict)
    costs: dict[OrganizationDay, int] = field(default_factory=dict)
    fleet: dict[FleetDay, Sums] = field(default_factory=dict)
    metrics: dict[OrganizationDay, dict[str, int]] = field(default_factory=dict)

    def add(self, row: Row, day: str, period: int, prices: PriceList) -> None:
        """Runs for every event."""
        event, owner = row.event, row.organization_id
        product, cost = event.product, 0
        for meter, quantity in event.quantities.items():
            found = prices.at(owner, product, meter, event.timestamp)
            if found is None:
                added = (quantity, 0, 0, quantity)
            else:
                added = (quantity, quantity * found[0], quantity * found[1], 0)
                cost += added[1]
            key = owner, day, product, meter, row.project_id, period
            _add(self.usage, key, added)
            _add(self.fleet, (day, product, meter), added)
            if meter in DAILY_METRICS:
                columns = self.metrics.setdefault((owner, day), {})
                column = DAILY_METRICS[meter]
                columns[column] = columns.get(column, 0) + quantity
        self.costs[owner, day] = self.costs.get((owner, day), 0) + cost


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
    """Add the rows up; days are the zone's, periods those now open."""
    sums = DaySums()
    for row in rows:
        day = row.event.timestamp.astimezone(zone).date().isoformat()
        sums.add(row, day, periods[row.organization_id], prices)
    return sums
