"""The difference of two costs as a sum of terms: volume, mix, price, new, and ended.

Pure functions of exact amounts; the rows come from `metrics.queries.cost_parts`.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import NamedTuple, TypeVar

from metrics.catalog import METERS

ZERO = Decimal(0)
# Costs have at most 48 decimal places. A term with more is rounded to them, and the
# price term takes what is left.
_EXACT_UNIT = Decimal(1).scaleb(-48)
_WIDE = Context(prec=200)


class PartKey(NamedTuple):
    """What a part of a cost is of; `project_id` is 0 for usage without a project."""

    product: str
    meter: str
    project_id: int


@dataclass(frozen=True, slots=True)
class CostPart:
    """Usage and cost of a product, meter, and project in a range.

    `quantity` has a price or is free; `unpriced_quantity` is beside it, and no part of
    the cost.
    """

    quantity: int = 0
    cost: Decimal = ZERO
    unpriced_quantity: int = 0

    @property
    def priced_cost(self) -> Decimal | None:
        """The cost; None if nothing of the usage has a price, which is not 0."""
        return self.cost if self.quantity or not self.unpriced_quantity else None


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a difference in cost; their sum is the difference, exactly."""

    volume: Decimal = ZERO
    mix: Decimal = ZERO
    price: Decimal = ZERO
    new: Decimal = ZERO
    ended: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.volume + self.mix + self.price + self.new + self.ended

    def __add__(self, other: "Terms") -> "Terms":
        return Terms(
            self.volume + other.volume,
            self.mix + other.mix,
            self.price + other.price,
            self.new + other.new,
            self.ended + other.ended,
        )


@dataclass(frozen=True, slots=True)
class PartDifference:
    """A part in both ranges, and the terms of its difference."""

    key: PartKey
    part: CostPart
    compared: CostPart
    terms: Terms


Parts = Mapping[PartKey, CostPart]


def explain_difference(parts: Parts, compared: Parts) -> list[PartDifference]:
    """Return the difference of each part's cost from the compared one, as terms.

    For a product and meter with quantities Q0 before and Q1 now at the cost C0 and C1,
    p = C0 / Q0 is the old average price; P is that of all continuing meters of the
    product that count in the same unit. For each part (q0, c0) and (q1, c1) of it:

        volume = (q1 - q0) * P
        mix    = (q1 - q0) * p - volume
        price  = (c1 - c0) - volume - mix

    So volume and mix together are the change of the quantity at the old price; mix is
    what changed because the shares of the meters did, and 0 for a single meter. The
    price term, (C1 / Q1 - p) * Q1 for a product and meter, is the remainder, so that
    the terms add up exactly. This is the price-volume-mix analysis of cost accounting.

    A product and meter without a cost before is new, one without a cost now ended; if
    it was used all the same, but had no price, its cost is a price term. The formulas
    are linear in the parts: sums by product, meter, or project have the same totals.
    Ordered by product, meter, and project.
    """
    meters = _Meters(_sum_meters(parts), _sum_meters(compared))
    return [
        PartDifference(key, part, old, _terms(key, part, old, meters))
        for key, part, old in (
            (key, parts.get(key, _NONE), compared.get(key, _NONE))
            for key in sorted({*parts, *compared})
        )
    ]


_NONE = CostPart()
_Meter = tuple[str, str]  # product and meter


class _Meters:
    """The old average prices of products and meters, and which are in both ranges."""

    def __init__(
        self, parts: Mapping[_Meter, CostPart], compared: Mapping[_Meter, CostPart]
    ) -> None:
        self.parts, self.compared = parts, compared
        continuing = [
            meter
            for meter, old in compared.items()
            if old.quantity and parts.get(meter, _NONE).quantity
        ]
        costs: dict[Hashable, Fraction] = defaultdict(Fraction)
        quantities: dict[Hashable, int] = defaultdict(int)
        for meter in continuing:
            costs[_group(meter)] += Fraction(compared[meter].cost)
            quantities[_group(meter)] += compared[meter].quantity
        self.prices = {
            meter: Fraction(compared[meter].cost) / compared[meter].quantity
            for meter in continuing
        }
        self.group_prices = {
            meter: costs[_group(meter)] / quantities[_group(meter)]
            for meter in continuing
        }


def _group(meter: _Meter) -> Hashable:
    """Return the product and unit: quantities of other units cannot be added up."""
    known = METERS.get(meter[1])
    return meter[0], known.unit if known else meter[1]


def _terms(key: PartKey, part: CostPart, old: CostPart, meters: _Meters) -> Terms:
    meter = key.product, key.meter
    difference = part.cost - old.cost
    if meter in meters.prices:
        change = part.quantity - old.quantity
        volume = _to_decimal(change * meters.group_prices[meter])
        mix = _to_decimal(change * meters.prices[meter]) - volume
        return Terms(volume=volume, mix=mix, price=difference - volume - mix)
    now, before = meters.parts.get(meter, _NONE), meters.compared.get(meter, _NONE)
    if now.quantity:
        is_used = before.unpriced_quantity
        return Terms(price=difference) if is_used else Terms(new=difference)
    is_used = now.unpriced_quantity
    return Terms(price=difference) if is_used else Terms(ended=difference)


def _to_decimal(value: Fraction) -> Decimal:
    quotient = _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    return quotient.quantize(_EXACT_UNIT, ROUND_HALF_EVEN, _WIDE)


def _sum_meters(parts: Parts) -> dict[_Meter, CostPart]:
    sums: dict[_Meter, CostPart] = {}
    for key, part in parts.items():
        meter = key.product, key.meter
        sums[meter] = add_parts((sums.get(meter, _NONE), part))
    return sums


def add_parts(parts: Iterable[CostPart]) -> CostPart:
    """Return the sum of parts; quantities must be of one unit to mean anything."""
    rows = list(parts)
    return CostPart(
        sum(row.quantity for row in rows),
        sum((row.cost for row in rows), ZERO),
        sum(row.unpriced_quantity for row in rows),
    )


Group = TypeVar("Group", bound=Hashable)


def group_differences(
    differences: Sequence[PartDifference], key: Callable[[PartKey], Group]
) -> dict[Group, PartDifference]:
    """Return the sums of differences by a part of their key.

    The key of a sum is that of its first part. Quantities of different units are added
    up, and have no meaning then.
    """
    groups: dict[Group, list[PartDifference]] = {}
    for row in differences:
        groups.setdefault(key(row.key), []).append(row)
    return {
        group: PartDifference(
            rows[0].key,
            add_parts(row.part for row in rows),
            add_parts(row.compared for row in rows),
            sum((row.terms for row in rows), Terms()),
        )
        for group, rows in groups.items()
    }
