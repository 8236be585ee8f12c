"""The meters that count usage. A new meter needs only a declaration here."""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """The units that meters count in."""

    TOKENS = "tokens"
    COUNT = "count"
    SECONDS = "seconds"
    BYTES = "bytes"
    BYTE_DAYS = "byte-days"


class Dimension(StrEnum):
    """The cost dimensions of the costs API. Its responses always contain all six."""

    CAPACITY = "capacity"
    DATA_IN = "data_in"
    DATA_INTERNODE = "data_internode"
    DATA_OUT = "data_out"
    STORAGE_API = "storage_api"
    STORAGE_BYTES = "storage_bytes"


@dataclass(frozen=True, slots=True)
class Meter:
    """A kind of quantity that usage events report.

    `dimension` is the dimension of its costs in the costs API. `daily_metric` is the
    column of the daily metrics that sums it, if any. A `derived` meter is recorded by
    Orgdesk only; events that report it are rejected. A meter that is `billed_as`
    another one is free unless it has a rate; without one, any other is unpriced.
    """

    slug: str
    label: str
    unit: Unit
    dimension: Dimension
    daily_metric: str = ""
    derived: bool = False
    billed_as: str = ""


METERS: dict[str, Meter] = {
    meter.slug: meter
    for meter in (
        Meter("prompt_tokens", "Prompt tokens", Unit.TOKENS, Dimension.CAPACITY),
        Meter(
            "completion_tokens", "Completion tokens", Unit.TOKENS, Dimension.CAPACITY
        ),
        Meter("requests", "Requests", Unit.COUNT, Dimension.CAPACITY),
        Meter(
            "cpu_seconds", "CPU time", Unit.SECONDS, Dimension.CAPACITY, "cpu_seconds"
        ),
        Meter(
            "gpu_seconds", "GPU time", Unit.SECONDS, Dimension.CAPACITY, "gpu_seconds"
        ),
        Meter(
            "storage_bytes_added",
            "Storage added",
            Unit.BYTES,
            Dimension.STORAGE_BYTES,
            "storage_bytes_added",
            billed_as="storage_byte_days",
        ),
        Meter(
            "storage_bytes_deleted",
            "Storage deleted",
            Unit.BYTES,
            Dimension.STORAGE_BYTES,
            "storage_bytes_deleted",
            billed_as="storage_byte_days",
        ),
        Meter(
            "storage_byte_days",
            "Storage used",
            Unit.BYTE_DAYS,
            Dimension.STORAGE_BYTES,
            derived=True,
        ),
    )
}
RECORDABLE = frozenset(slug for slug, meter in METERS.items() if not meter.derived)
DAILY_METRICS = {m.slug: m.daily_metric for m in METERS.values() if m.daily_metric}
UNBILLED_METERS = tuple(slug for slug, meter in METERS.items() if meter.billed_as)

# Stored bytes are recorded by Orgdesk, a quantity for each day, under this product.
STORAGE_PRODUCT, STORAGE_METER = "storage", "storage_byte_days"
