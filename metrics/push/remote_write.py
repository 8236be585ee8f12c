"""Prometheus remote write, version 1: protocol buffers in a Snappy block.

    WriteRequest { repeated TimeSeries timeseries = 1; }
    TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    Label        { string name = 1; string value = 2; }
    Sample       { double value = 1; int64 timestamp = 2; }   milliseconds

Prometheus wants labels in the order of their names, and the samples of a series in the
order of their times.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import cramjam

from metrics.push.sources import Figure, Labels

MAX_SERIES = 1_000  # of an organization
HEADERS = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}
_LOW_BITS = 0x7F
_LEFT_OUT = "orgdesk_series_left_out"


@dataclass(frozen=True, slots=True)
class Series:
    """A series: its sorted labels, with its name, and its samples in order.

    A sample is milliseconds since 1970 and a value.
    """

    labels: Labels
    samples: Sequence[tuple[int, Decimal | int]]


def name_series(
    figures: Sequence[Figure], common: Labels
) -> tuple[dict[Labels, Decimal | int], int]:
    """Return the value of each series by its labels, and how many are left out.

    Only the first `MAX_SERIES` are kept; the number of the others is a series too.
    """
    first = figures[: MAX_SERIES - 1]
    left_out = len(figures) - len(first)
    pushed = (*first, Figure(_LEFT_OUT, left_out))
    values = {_labels(figure, common): figure.value for figure in pushed}
    return values, left_out


def _labels(figure: Figure, common: Labels) -> Labels:
    return tuple(sorted((("__name__", figure.name), *common, *figure.labels)))


def milliseconds(at: datetime) -> int:
    """Return the milliseconds since 1970."""
    return int(at.timestamp() * 1_000)


def encode(series: Iterable[Series]) -> bytes:
    """Return the body of a request."""
    message = b"".join(_field(1, _time_series(row)) for row in series)
    return bytes(cramjam.snappy.compress_raw(message))


def _time_series(series: Series) -> bytes:
    labels = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in series.labels
    )
    samples = b"".join(
        _field(2, b"\x09" + struct.pack("<d", float(value)) + b"\x10" + _varint(at))
        for at, value in series.samples
    )
    return labels + samples


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a message, text, or bytes."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return an integer in groups of seven bits, the lowest first."""
    encoded = bytearray()
    while value > _LOW_BITS:
        encoded.append(value & _LOW_BITS | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
