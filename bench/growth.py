"""`make growth`: the cost of operations as organizations and stored events increase.

Each size has a separate database, built in the same way as those of `make bench`, so
that both commands can share a `KEEP` folder. A helper process for each size calls the
product directly, so that the time of a web server does not hide what grows.
"""

import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from bench import child, indexes
from bench.growth_report import Line, table, write_json
from bench.run import print_progress
from bench.stack import Fleet, Stack
from config.dev.servers import folders
from config.dev.servers.process import STOP_SIGNALS, StartError, die_with_parent

# Organizations in the databases of growing events; not a size that the bench uses.
_EVENTS_FLEET_SIZE = 5_000
_BASE = "growth_base"
_WARM_UP = 3

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes to measure; each figure is the median of `calls`."""

    name: str
    organizations: tuple[int, ...]
    events: tuple[int, ...]
    calls: int


QUICK = Sizes("quick", (1_000, 10_000, 100_000), (100_000, 300_000, 1_000_000), 30)
FULL = Sizes(
    "full",
    (1_000, 10_000, 100_000, 1_000_000),
    (1_000_000, 10_000_000, 50_000_000),
    60,
)


def main() -> int:
    keep_folder = os.environ.get("KEEP", "")
    state = Path(keep_folder or tempfile.mkdtemp(prefix="orgdesk-growth-")).resolve()
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        folders.make_state(state)
        _lock = folders.lock(state)
        _measure(state, _sizes())
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if not keep_folder:
            shutil.rmtree(state, ignore_errors=True)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sizes() -> Sizes:
    """Read sizes such as `SIZES=1000,10000 EVENTS=100000` from the environment."""
    sizes = FULL if os.environ.get("QUICK", "") in {"", "0"} else QUICK
    if text := os.environ.get("SIZES"):
        sizes = replace(sizes, name="custom", organizations=_numbers(text))
    if text := os.environ.get("EVENTS"):
        sizes = replace(sizes, name="custom", events=_numbers(text))
    return sizes


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part.replace("_", "")) for part in text.split(",")))


def _measure(state: Path, sizes: Sizes) -> None:
    began = time.monotonic()
    with Stack(state) as stack:
        print(_run_header(sizes), flush=True)
        lines = [*_measure_fleets(stack, sizes), *_measure_events(stack, sizes)]
        _print_unused_indexes(stack, sizes)
    print(f"{time.monotonic() - began:.0f} seconds in total")
    if path := os.environ.get("GROWTH_JSON"):
        write_json(lines, Path(path))


def _run_header(sizes: Sizes) -> str:
    return (
        f"{sizes.name}: medians of {sizes.calls} calls; {os.cpu_count()} cores,"
        f" {platform.machine()}, Python {platform.python_version()}\n"
        "k: the cost grows as the size to the power of k; 0 is constant, 1 is linear"
    )


# --- fleets -----------------------------------------------------------------------


def _measure_fleets(stack: Stack, sizes: Sizes) -> list[Line]:
    fleets = {
        size: stack.fleet(
            organizations=size,
            charted=min(5_000, size // 2),
            metered=min(1_000, size // 10),
        )
        for size in sizes.organizations
    }
    rows = _measure_rows(stack, sizes, fleets, module="bench.growth_fleet")
    return _print_rows(rows, dimension="organizations", sizes=sizes.organizations)


# --- events -----------------------------------------------------------------------


def _measure_events(stack: Stack, sizes: Sizes) -> list[Line]:
    base = _base_fleet(stack)
    fleets = {size: _fleet_with_events(stack, base, size) for size in sizes.events}
    rows = _measure_rows(stack, sizes, fleets, module="bench.growth_events")
    return _print_rows(rows, dimension="events stored", sizes=sizes.events)


def _events_database(events: int) -> str:
    return f"growth_events_{events}"


def _base_fleet(stack: Stack) -> Fleet:
    """Return a fleet without events, the template of the databases with events."""
    _create(stack, _BASE)
    stack.run("manage.py", "prepare", database=_BASE)
    sizes = map(str, (_EVENTS_FLEET_SIZE, 0, 0))
    output = stack.run("-m", "bench.prepare", _BASE, *sizes, database=_BASE)
    return Fleet(**json.loads(output))


def _fleet_with_events(stack: Stack, base: Fleet, events: int) -> Fleet:
    fleet = replace(base, database=_events_database(events))
    marker = stack.state / f"{fleet.database}.json"  # written once filling is complete
    if not marker.exists():
        print_progress(f"{events:,} events")
        _create(stack, fleet.database, template=_BASE)
        arguments = ("fill", json.dumps(asdict(fleet)), str(events))
        stack.run("-m", "bench.growth_events", *arguments, database=fleet.database)
        marker.write_text(json.dumps({"events": events}))
    return fleet


def _create(stack: Stack, database: str, *, template: str = "") -> None:
    """Create a database unless it exists.

    A database made from a template is replaced, because filling it was interrupted.
    """
    with stack.connect() as connection:
        if template:
            connection.execute(f"drop database if exists {database}".encode())
        exists = "select from pg_database where datname = %s"
        if connection.execute(exists, [database]).rowcount == 0:
            clause = f" template {template}" if template else ""
            connection.execute(f"create database {database}{clause}".encode())


# --- helpers ----------------------------------------------------------------------


class _Helper:
    """A process that measures one fleet, once per request; see `bench.growth_calls`."""

    def __init__(self, stack: Stack, fleet: Fleet, module: str) -> None:
        arguments = ("-m", module, "measure", json.dumps(asdict(fleet)))
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            env=stack.environment(fleet),
            cwd=child.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509
        )

    def measure(self) -> Figures:
        """Request the next figures and return them."""
        requests, replies = self._process.stdin, self._process.stdout
        assert requests  # noqa: S101  for the types
        assert replies  # noqa: S101
        requests.write(b"\n")
        requests.flush()
        if not (line := replies.readline()):
            raise StartError(f"a helper ended with {self._process.wait()}")
        figures: Figures = json.loads(line)
        return figures

    def end(self) -> None:
        """Close the input, at which the process ends, and wait for it."""
        self._process.communicate()


def _measure_rows(
    stack: Stack, sizes: Sizes, fleets: Mapping[int, Fleet], *, module: str
) -> list[tuple[str, str, list[float]]]:
    """Return unit, row and the value at each size; the sizes alternate."""
    for fleet in fleets.values():
        with stack.connect(fleet.database) as connection:
            indexes.reset_counts(connection)
    helpers = [_Helper(stack, fleet, module) for fleet in fleets.values()]
    storage = [helper.measure() for helper in helpers]
    rounds = [[h.measure() for h in helpers] for _ in range(_WARM_UP + sizes.calls)]
    for helper in helpers:
        helper.end()
    return [
        *(("ms", row, values) for row, values in _medians(rounds[_WARM_UP:]).items()),
        *(("bytes", row, [figures[row] for figures in storage]) for row in storage[0]),
    ]


def _medians(rounds: Sequence[Sequence[Figures]]) -> dict[str, list[float]]:
    """Return the medians of each row over the rounds, one for each size."""
    by_size = list(zip(*rounds, strict=True))
    return {
        row: [statistics.median(figures[row] for figures in size) for size in by_size]
        for row in rounds[0][0]
    }


def _print_rows(
    rows: Sequence[tuple[str, str, list[float]]],
    *,
    dimension: str,
    sizes: Sequence[int],
) -> list[Line]:
    lines = [Line(dimension, row, unit, sizes, values) for unit, row, values in rows]
    print("\n" + table(lines) + "\n", flush=True)
    return lines


def _print_unused_indexes(stack: Stack, sizes: Sizes) -> None:
    """Print the indexes used neither by the largest fleet nor with the most events."""
    fleet, events = sizes.organizations[-1], sizes.events[-1]
    with (
        stack.connect(_events_database(events)) as events_connection,
        stack.connect(f"bench_{fleet}") as fleet_connection,
    ):
        print(indexes.describe_unused(events_connection, fleet_connection))


if __name__ == "__main__":
    sys.exit(main())
