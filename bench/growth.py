"""`make growth`: what things cost as the fleet grows, and as events pile up.

Each size has a database of its own, of the builders of the bench: a folder kept by one
serves the other. A process for each size asks the product in itself, so that no web
server's time hides what grows.
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
from bench.run import say
from bench.stack import Fleet, Stack
from config.dev.servers import folders
from config.dev.servers.process import STOP_SIGNALS, StartError, die_with_parent

# Of the fleets that events are stored for; no size of the bench.
_EVENTS_OF = 5_000
_BASE = "growth_base"
_WARM_UP = 3

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured; a figure is the median of `calls`, at each size in turn."""

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
    kept = os.environ.get("KEEP", "")
    state = Path(kept or tempfile.mkdtemp(prefix="orgdesk-growth-")).resolve()
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
        if not kept:
            shutil.rmtree(state, ignore_errors=True)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sizes() -> Sizes:
    """Those of the environment, as `SIZES=1000,10000 EVENTS=100000,1000000`."""
    sizes = FULL if os.environ.get("QUICK", "") in {"", "0"} else QUICK
    if given := os.environ.get("SIZES"):
        sizes = replace(sizes, name="own", organizations=_numbers(given))
    if given := os.environ.get("EVENTS"):
        sizes = replace(sizes, name="own", events=_numbers(given))
    return sizes


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part.replace("_", "")) for part in text.split(",")))


def _measure(state: Path, sizes: Sizes) -> None:
    began = time.monotonic()
    with Stack(state) as stack:
        print(_facts(sizes), flush=True)
        lines = [*_fleets(stack, sizes), *_events(stack, sizes)]
        _tell_unused(stack, sizes)
    print(f"{time.monotonic() - began:.0f} seconds in all")
    if path := os.environ.get("GROWTH_JSON"):
        write_json(lines, Path(path))


def _facts(sizes: Sizes) -> str:
    return (
        f"{sizes.name}: medians of {sizes.calls} calls; {os.cpu_count()} cores,"
        f" {platform.machine()}, Python {platform.python_version()}\n"
        "k: the cost grows as the size to the power of k; 0 is flat, 1 in step"
    )


# --- fleets -----------------------------------------------------------------------


def _fleets(stack: Stack, sizes: Sizes) -> list[Line]:
    fleets = {
        size: stack.fleet(
            organizations=size,
            charted=min(5_000, size // 2),
            metered=min(1_000, size // 10),
        )
        for size in sizes.organizations
    }
    found = _asked(stack, sizes, fleets, module="bench.growth_fleet")
    return _told(found, against="organizations", sizes=sizes.organizations)


# --- events -----------------------------------------------------------------------


def _events(stack: Stack, sizes: Sizes) -> list[Line]:
    base = _base(stack)
    fleets = {size: _fleet_with_events(stack, base, size) for size in sizes.events}
    found = _asked(stack, sizes, fleets, module="bench.growth_events")
    return _told(found, against="events stored", sizes=sizes.events)


def _events_database(events: int) -> str:
    return f"growth_events_{events}"


def _base(stack: Stack) -> Fleet:
    """A fleet without events, copied for each number of them."""
    _create(stack, _BASE)
    stack.run("manage.py", "prepare", database=_BASE)
    sizes = map(str, (_EVENTS_OF, 0, 0))
    said = stack.run("-m", "bench.prepare", _BASE, *sizes, database=_BASE)
    return Fleet(**json.loads(said))


def _fleet_with_events(stack: Stack, base: Fleet, events: int) -> Fleet:
    fleet = replace(base, database=_events_database(events))
    filled = stack.state / f"{fleet.database}.json"  # says that it was built to the end
    if not filled.exists():
        say(f"{events:,} events")
        _create(stack, fleet.database, template=_BASE)
        arguments = ("fill", json.dumps(asdict(fleet)), str(events))
        stack.run("-m", "bench.growth_events", *arguments, database=fleet.database)
        filled.write_text(json.dumps({"events": events}))
    return fleet


def _create(stack: Stack, database: str, *, template: str = "") -> None:
    """One that was made of a template is made anew: it was not filled to the end."""
    with stack.connect() as connection:
        if template:
            connection.execute(f"drop database if exists {database}".encode())
        known = "select from pg_database where datname = %s"
        if connection.execute(known, [database]).rowcount == 0:
            like = f" template {template}" if template else ""
            connection.execute(f"create database {database}{like}".encode())


# --- asking -----------------------------------------------------------------------


class _Helper:
    """A process of ours over one fleet, which answers whenever it is asked."""

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

    def ask(self) -> Figures:
        given, said = self._process.stdin, self._process.stdout
        assert given  # noqa: S101  for the types
        assert said  # noqa: S101
        given.write(b"\n")
        given.flush()
        if not (line := said.readline()):
            raise StartError(f"a helper ended with {self._process.wait()}")
        figures: Figures = json.loads(line)
        return figures

    def end(self) -> None:
        self._process.communicate()


def _asked(
    stack: Stack, sizes: Sizes, fleets: Mapping[int, Fleet], *, module: str
) -> list[tuple[str, str, list[float]]]:
    """Row, unit and value at each size; the sizes take turns."""
    for fleet in fleets.values():
        with stack.connect(fleet.database) as connection:
            indexes.forget(connection)
    helpers = [_Helper(stack, fleet, module) for fleet in fleets.values()]
    stored = [helper.ask() for helper in helpers]
    rounds = [[h.ask() for h in helpers] for _ in range(_WARM_UP + sizes.calls)]
    for helper in helpers:
        helper.end()
    return [
        *(("ms", row, values) for row, values in _medians(rounds[_WARM_UP:]).items()),
        *(("bytes", row, [each[row] for each in stored]) for row in stored[0]),
    ]


def _medians(rounds: Sequence[Sequence[Figures]]) -> dict[str, list[float]]:
    """Of each row, the medians over the rounds: one for each size."""
    by_size = list(zip(*rounds, strict=True))
    return {
        row: [statistics.median(each[row] for each in size) for size in by_size]
        for row in rounds[0][0]
    }


def _told(
    found: Sequence[tuple[str, str, list[float]]],
    *,
    against: str,
    sizes: Sequence[int],
) -> list[Line]:
    lines = [Line(against, row, unit, sizes, values) for unit, row, values in found]
    print("\n" + table(lines) + "\n", flush=True)
    return lines


def _tell_unused(stack: Stack, sizes: Sizes) -> None:
    """Used neither over the largest fleet nor over the most events."""
    fleet, events = sizes.organizations[-1], sizes.events[-1]
    with (
        stack.connect(_events_database(events)) as few,
        stack.connect(f"bench_{fleet}") as many,
    ):
        print(indexes.told(few, many))


if __name__ == "__main__":
    sys.exit(main())
