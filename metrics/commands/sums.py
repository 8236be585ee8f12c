"""Summing a batch of events by day, with exact costs. No database access.

Costs are whole numbers of 10^-places of the currency unit, where `places` are the most
decimal places of a price in the batch. So quantity times price is exact, and integers
are the fastest exact numbers.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from metrics.catalog import DAILY_METRICS, UNBILLED_METERS
from metrics.commands.batch import ResolvedEvent
from orgs.days import first_instant

UnitPrices = tuple[int, int]  # price and benchmark price of a unit
# Start, or None for always; and prices, or None where a rate ends.
RateEntry = tuple[datetime | None, UnitPrices | None]
# Organization ID, day, product, meter, project ID, period.
UsageKey = tuple[int, str, str, str, int, int]
OrganizationDay = tuple[int, str]
FleetKey = tuple[str, str, str]  # day, product, meter
Amounts = list[int]  # quantity, cost, benchmark cost, unpriced quantity


@dataclass(frozen=True, slots=True)
class PriceList:
    """The current rates for the products of a batch, latest start first.

    `common` has the white label's rates, `own` those of its organizations. Prices are
    whole numbers of 10^-`places`.
    """

    common: dict[tuple[str, str], list[RateEntry]] = field(default_factory=dict)
    own: dict[tuple[int, str, str], list[RateEntry]] = field(default_factory=dict)
    places: int = 0

    def at(
        self, organization_id: int, product: str, meter: str, instant: datetime
    ) -> UnitPrices | None:
        """Return the prices in force at an instant, or None without a rate.

        From its start on, an organization's rate replaces the white label's.
        """
        if self.own:
            own_rates = self.own.get((organization_id, product, meter), ())
            for since, prices in own_rates:
                if since is None or since <= instant:
                    return prices
        for since, prices in self.common.get((product, meter), ()):
            if since is None or since <= instant:
                return prices
        return None

    def starts(self) -> Iterator[datetime]:
        """Yield the instants at which a price can change."""
        for rates in (*self.common.values(), *self.own.values()):
            yield from (since for since, _ in rates if since is not None)


def build_price_list(
    rates: Sequence[tuple[str, str, int | None, datetime | None, int | None, int, int]],
) -> PriceList:
    """Return the price list of rates, as selected by `SELECT_RATES`.

    A rate is (product, meter, organization ID or None, start or None, price or None for
    an end, benchmark price, places), with the same places for all.
    """
    price_list = PriceList(places=rates[0][-1] if rates else 0)
    for product, meter, organization_id, since, price, benchmark, _ in rates:
        prices = None if price is None else (int(price), int(benchmark))
        entry = since, prices
        if organization_id is None:
            price_list.common.setdefault((product, meter), []).append(entry)
        else:
            key = organization_id, product, meter
            price_list.own.setdefault(key, []).append(entry)
    for entries in (*price_list.common.values(), *price_list.own.values()):
        entries.sort(key=lambda entry: (entry[0] is not None, entry[0]), reverse=True)
    return price_list


@dataclass(frozen=True, slots=True)
class BatchSums:
    """The sums of a batch: by usage key, by fleet key, and for daily metrics."""

    usage: dict[UsageKey, Amounts] = field(default_factory=dict)
    fleet: dict[FleetKey, Amounts] = field(default_factory=dict)
    metrics: dict[OrganizationDay, dict[str, int]] = field(default_factory=dict)
    places: int = 0  # costs are whole numbers of 10^-places

    def add(self, key: UsageKey, quantity: int, prices: UnitPrices | None) -> None:
        """Add a quantity at these prices; without prices it counts as unpriced.

        A meter that is billed as another one is free then.

        Runs once per usage key of a batch and price interval.
        """
        organization_id, day, product, meter, _, _ = key
        if prices is None:
            added = (quantity, 0, 0, 0 if meter in UNBILLED_METERS else quantity)
        else:
            added = (quantity, quantity * prices[0], quantity * prices[1], 0)
        _add(self.usage, key, added)
        _add(self.fleet, (day, product, meter), added)
        if meter in DAILY_METRICS:
            columns = self.metrics.setdefault((organization_id, day), {})
            column = DAILY_METRICS[meter]
            columns[column] = columns.get(column, 0) + quantity


def _add(
    sums: dict[Any, Amounts], key: object, added: tuple[int, int, int, int]
) -> None:
    amounts = sums.get(key)
    if amounts is None:
        sums[key] = [*added]
        return
    amounts[0] += added[0]
    amounts[1] += added[1]
    amounts[2] += added[2]
    amounts[3] += added[3]


def sum_batch(
    events: Sequence[ResolvedEvent],
    zone: ZoneInfo,
    periods: Mapping[int, int],
    prices: PriceList,
) -> BatchSums:
    """Return the sums of the events, in days of `zone` and in the open periods.

    Quantities are summed first, then each sum is priced once: between two starts of
    rates no price changes.
    """
    sums = BatchSums(places=prices.places)
    for interval in _split_at_price_changes(events, prices):
        instant = interval[0].event.timestamp
        for key, quantity in _sum_quantities(interval, zone, periods):
            sums.add(key, quantity, prices.at(key[0], key[2], key[3], instant))
    return sums


def _split_at_price_changes(
    events: Sequence[ResolvedEvent], prices: PriceList
) -> Iterable[Sequence[ResolvedEvent]]:
    """Return the events in groups within which no price can have changed."""
    instants = [resolved.event.timestamp for resolved in events]
    first, last = min(instants), max(instants)
    starts = sorted({start for start in prices.starts() if first < start <= last})
    if not starts:
        return [events]
    spans: dict[int, list[ResolvedEvent]] = {}
    for resolved in events:
        spans.setdefault(bisect_right(starts, resolved.event.timestamp), []).append(
            resolved
        )
    return spans.values()


_MeterlessKey = tuple[int, str, str, int]  # organization ID, day, product, project ID


def _sum_quantities(
    events: Sequence[ResolvedEvent], zone: ZoneInfo, periods: Mapping[int, int]
) -> Iterator[tuple[UsageKey, int]]:
    """Yield each usage key once with its quantity.

    The first loop runs for every event: it is the hottest loop of recording.
    """
    groups: dict[_MeterlessKey, list[Mapping[str, int]]] = {}
    starts, names = _days(events, zone)
    for resolved in events:
        event = resolved.event
        day = names[bisect_right(starts, event.timestamp)]
        group = resolved.organization_id, day, event.product, resolved.project_id
        members = groups.get(group)
        if members is None:
            groups[group] = [event.quantities]
        else:
            members.append(event.quantities)
    for (owner, day, product, project), members in groups.items():
        for meter, quantity in _sum_by_meter(members).items():
            yield (owner, day, product, meter, project, periods[owner]), quantity


def _days(
    events: Sequence[ResolvedEvent], zone: ZoneInfo
) -> tuple[list[datetime], list[str]]:
    """Return the starts and the ISO dates of the days that the events span.

    The first day has no start: `bisect_right` of the starts finds a timestamp's date.
    """
    instants = [resolved.event.timestamp for resolved in events]
    first, last = (
        instant.astimezone(zone).date() for instant in (min(instants), max(instants))
    )
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    return [first_instant(day, zone) for day in days[1:]], [str(day) for day in days]


def _sum_by_meter(members: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    if len(members) == 1:
        return members[0]
    sums: dict[str, int] = {}
    for quantities in members:
        for meter, quantity in quantities.items():
            sums[meter] = sums.get(meter, 0) + quantity
    return sums
