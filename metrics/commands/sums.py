"""What a batch adds to each day: quantities, and their exact cost. Pure.

Amounts are whole numbers of 10^-12 of the currency's unit: a price has twelve places,
so a quantity times a price is exact, and integers are the fastest exact numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from metrics.catalog import DAILY_METRICS
from metrics.commands.batch import Row

_UNPRICED = None
_NOTHING = [0, 0, 0, 0]

Prices = tuple[int, int]  # of a unit, ours and the benchmark's
Since = tuple[datetime | None, Prices]
# Organization, day, product, meter, project, period.
Key = tuple[int, str, str, str, int, int]
OrganizationDay = tuple[int, str]
FleetDay = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class PriceList:
    """The rates of the book for the products of a batch, latest first."""

    common: dict[tuple[str, str], list[Since]] = field(default_factory=dict)
    own: dict[tuple[int, str, str], list[Since]] = field(default_factory=dict)

    def at(
        self, organization_id: int, product: str, meter: str, instant: datetime
    ) -> Prices | None:
        """The rate in force; an organization's own wins from its start on."""
        if self.own:
            mine = self.own.get((organization_id, product, meter), ())
            for since, prices in mine:
                if since is None or since <= instant:
                    return prices
        for since, prices in self.common.get((product, meter), ()):
            if since is None or since <= instant:
                return prices
        return _UNPRICED


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
    """Sums of (quantity, cost, benchmark cost, unpriced quantity), by key."""

    usage: dict[Key, list[int]]
    metrics: dict[OrganizationDay, dict[str, int]]

    def by_organization_day(self) -> dict[OrganizationDay, int]:
        """Costs."""
        found: dict[OrganizationDay, int] = defaultdict(int)
        for key, sums in self.usage.items():
            found[key[:2]] += sums[1]
        return found

    def by_fleet_day(self) -> dict[FleetDay, list[int]]:
        found: dict[FleetDay, list[int]] = {}
        for (_, day, product, meter, _, _), sums in self.usage.items():
            key = day, product, meter
            before = found.get(key, _NOTHING)
            found[key] = [a + b for a, b in zip(before, sums, strict=True)]
        return found


def day_sums(
    rows: Sequence[Row], zone: ZoneInfo, periods: Mapping[int, int], prices: PriceList
) -> DaySums:
    """Add the rows up; days are the zone's, periods those now open."""
    usage: dict[Key, list[int]] = {}
    metrics: dict[OrganizationDay, dict[str, int]] = {}
    for row in rows:
        event, owner = row.event, row.organization_id
        day = event.timestamp.astimezone(zone).date().isoformat()
        for meter, quantity in event.quantities.items():
            key = owner, day, event.product, meter, row.project_id, periods[owner]
            sums = usage.get(key)
            if sums is None:
                sums = usage[key] = [0, 0, 0, 0]
            found = prices.at(owner, event.product, meter, event.timestamp)
            sums[0] += quantity
            if found is None:
                sums[3] += quantity
            else:
                sums[1] += quantity * found[0]
                sums[2] += quantity * found[1]
            if meter in DAILY_METRICS:
                columns = metrics.setdefault((owner, day), {})
                column = DAILY_METRICS[meter]
                columns[column] = columns.get(column, 0) + quantity
    return DaySums(usage, metrics)
