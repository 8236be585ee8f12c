"""Loki's push API: JSON with streams, whose lines are in the order of their times."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import orjson

from metrics.push.sources import Labels, Line
from orgs.decimals import plain

HEADERS = {"content-type": "application/json"}
_NANOSECONDS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LastTimes = Mapping[str, int]  # nanoseconds of the last line by stream


def encode(
    lines: Sequence[Line], common: Labels, last: LastTimes
) -> tuple[bytes, dict[str, int]]:
    """Return the body of a request, and the time of the last line of each stream.

    The times of a stream rise by a nanosecond at least: a line that was committed late
    comes after those that were sent, and states its own instant in `at`.
    """
    streams: dict[str, list[tuple[str, str]]] = {}
    times = dict(last)
    for line in lines:
        time = max(nanoseconds(line.at), times.get(line.stream, 0) + 1)
        times[line.stream] = time
        text = orjson.dumps({"at": line.at, **line.fields}, default=_encode).decode()
        streams.setdefault(line.stream, []).append((str(time), text))
    body = {
        "streams": [
            {"stream": dict((*common, ("stream", name))), "values": values}
            for name, values in sorted(streams.items())
        ]
    }
    return orjson.dumps(body), times


def _encode(value: object) -> object:
    """Return an amount as a number with all its digits, anything else as text."""
    if isinstance(value, Decimal):
        return orjson.Fragment(plain(value))
    return str(value)


def nanoseconds(at: datetime) -> int:
    """Return the nanoseconds since 1970, exactly."""
    passed = at - _EPOCH
    seconds = passed.days * 86_400 + passed.seconds
    return seconds * _NANOSECONDS + passed.microseconds * 1_000
