"""Who is in the demo: three white labels and sixty-six organizations. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random

DAYS = 400  # of usage, today included
SEED = 11


class State(StrEnum):
    """What an organization is there to show."""

    WATCHED = "watched"  # everything in use, its soft limit some days away
    STEADY = "steady"
    GROWING = "growing"
    SHRINKING = "shrinking"
    SOFT_LIMIT = "soft_limit"
    HARD_LIMIT = "hard_limit"
    TRIAL = "trial"
    PAUSED = "paused"
    UNPAID = "unpaid"
    CAPACITY = "capacity"
    IDLE = "idle"
    BRAND_NEW = "brand_new"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Product:
    """A thing on sale: usage of a busy day in its meters, and prices of one unit."""

    slug: str
    a_day: dict[str, int]
    prices: dict[str, tuple[str, str]]


def _model(slug: str, tokens: int, price: str, output: str, mark: str) -> Product:
    return Product(
        slug,
        {
            "prompt_tokens": tokens,
            "completion_tokens": tokens // 4,
            "requests": tokens // 900,
        },
        {
            "prompt_tokens": (price, mark),
            "completion_tokens": (output, str(Decimal(mark) * 4)),
            "requests": ("0", "0"),  # free
        },
    )


def _node(slug: str, cpu: int, gpu: int, cpu_price: str, gpu_price: str) -> Product:
    meters = {"cpu_seconds": cpu, "gpu_seconds": gpu}
    return Product(
        slug,
        {meter: seconds for meter, seconds in meters.items() if seconds},
        {
            "cpu_seconds": (cpu_price, "0.000014"),
            "gpu_seconds": (gpu_price, "0.001111111111"),
        },
    )


PRODUCTS = {
    product.slug: product
    for product in (
        _model("gpt-4o", 9_000_000, "0.0000025", "0.00001", "0.000003"),
        _model("claude-sonnet", 6_500_000, "0.000003", "0.000015", "0.0000035"),
        _model("llama-70b", 22_000_000, "0.0000006", "0.0000008", "0.000003"),
        _model("embeddings", 60_000_000, "0.00000002", "0", "0.0000001"),
        _node("a100-node", 300_000, 86_000, "0.0000125", "0.000694444444"),
        _node("h100-node", 420_000, 40_000, "0.0000125", "0.001111111111"),
        _node("cpu-node", 2_600_000, 0, "0.0000125", "0"),
    )
}
_LLM = ("gpt-4o", "claude-sonnet", "llama-70b", "embeddings")
_WATCHED = ("a100-node", "gpt-4o", "claude-sonnet", "llama-70b", "embeddings")
_COMPUTE = ("a100-node", "cpu-node", "h100-node")


@dataclass(frozen=True, slots=True)
class WhiteLabelPlan:
    slug: str
    name: str
    time_zone: str
    gpu_weight: int
    currency: str
    names: tuple[str, ...]
    products: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


WHITE_LABELS = (
    WhiteLabelPlan(
        "acme-cloud", "Acme Cloud", "Europe/Zurich", 3, "usd",
        _names(
            "Helvetia Robotics, Nordic Speech Lab, Kestrel Vision, Ostara Health,"
            " Brightwater Analytics, Mizuho Motion, Parallel Foods, Lumen Legal,"
            " Tidewater Insurance, Orchard Genomics, Falkirk Rail, Quarry Search,"
            " Blue Heron Media, Sable Security, Vantage Grid, Copperline Mining,"
            " Juniper Schools, Marigold Travel, Northgate Bank, Polar Weather,"
            " Redwood Devices, Saffron Kitchens, Thistle Games, Umbra Optics,"
            " Willow Care, Zephyr Drones"
        ),
        (*_LLM, "a100-node"),
    ),
    WhiteLabelPlan(
        "nordlicht", "Nordlicht GPU", "UTC", 2, "eur",
        _names(
            "Aurora Render, Bergen Seismic, Delta Proteins, Elbe Logistics,"
            " Fjord Imaging, Granit CAD, Hafen Energy, Iskald Climate, Jotun Physics,"
            " Kobold Studios, Lindau Mobility, Moorland Audio, Nebel Simulation,"
            " Ostsee Maritime, Polder Water, Quant Harbour, Ruhr Steelworks,"
            " Sund Bridges, Tromso Telescope, Uppsala Crystal"
        ),
        (*_COMPUTE, "llama-70b"),
    ),
    WhiteLabelPlan(
        "pacific", "Pacific Compute", "America/Los_Angeles", 3, "usd",
        _names(
            "Anchor Biotech, Bayside Realty, Cascade Outdoor, Driftwood Labs,"
            " Evergreen Supply, Foghorn Studio, Golden Gate Freight, Harbor Dental,"
            " Inlet Software, Juneau Fisheries, Klamath Timber, Lagoon Resorts,"
            " Mesa Avionics, Nimbus Payroll, Olympic Cycles, Pebble Finance,"
            " Quillback Press, Rainier Coffee, Sequoia Homes, Tahoe Ventures"
        ),
        ("gpt-4o", "embeddings", "h100-node", "cpu-node"),
    ),
)  # fmt: skip

# Given out in turn, so that every white label has every state.
_TURN = (
    State.SOFT_LIMIT, State.GROWING, State.STEADY, State.CAPACITY, State.UNPAID,
    State.TRIAL, State.STEADY, State.HARD_LIMIT, State.SHRINKING, State.PAUSED,
    State.STEADY, State.IDLE, State.GROWING, State.BRAND_NEW, State.STEADY,
    State.DELETED, State.STEADY,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """An organization of the demo."""

    index: int  # over the whole fleet; seeds its own chance
    name: str
    external_id: str
    state: State
    products: tuple[str, ...]
    size: float  # 1 is a busy day of each product
    first_day: date
    members: int
    projects: int

    @property
    def domain(self) -> str:
        return self.name.lower().replace(" ", "-") + ".example"

    def chance(self, what: str) -> Random:
        """Return a random generator of this plan: plans do not change each other."""
        return Random(f"{SEED}:{self.index}:{what}")  # noqa: S311  not a secret


def plans(white_label: WhiteLabelPlan, *, today: date) -> list[Plan]:
    offset = [w.slug for w in WHITE_LABELS].index(white_label.slug) * 100
    return [
        _plan(white_label, number, offset + number, today)
        for number in range(len(white_label.names))
    ]


def _plan(label: WhiteLabelPlan, number: int, index: int, today: date) -> Plan:
    if index == 0:
        return _watched(label, today)
    chance = Random(f"{SEED}:{index}")  # noqa: S311
    state = _TURN[number % len(_TURN)]
    size = chance.choice((0.15, 0.3, 0.3, 0.6, 0.6, 1.0, 1.6, 2.5))
    return Plan(
        index=index,
        name=label.names[number],
        external_id=_external_id(index),
        state=state,
        products=tuple(chance.sample(label.products, chance.randint(1, 3))),
        size=4.0 if number == 0 else size,
        first_day=today - timedelta(days=_age(state, chance)),
        members=chance.randint(3, 42),
        projects=chance.randint(1, 14),
    )


def _watched(label: WhiteLabelPlan, today: date) -> Plan:
    """Return the first organization's plan: a page with something in every part."""
    return Plan(
        index=0,
        name=label.names[0],
        external_id=_external_id(0),
        state=State.WATCHED,
        products=_WATCHED,
        size=2.4,
        first_day=today - timedelta(days=DAYS - 1),
        members=33,
        projects=9,
    )


def _external_id(index: int) -> str:
    return f"ext-{4711 + 37 * index}"


def _age(state: State, chance: Random) -> int:
    """Days since the first one, today not counted."""
    if state is State.BRAND_NEW:
        return 0
    if state is State.TRIAL:
        return 11
    return chance.choice((DAYS - 1, DAYS - 1, DAYS - 1, 300, 210, 120))
