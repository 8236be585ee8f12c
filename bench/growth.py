"""`make growth`: what things cost as the fleet grows, and as events pile up.

Each size has a database of its own, of the builders of the bench: a folder kept by one
serves the other. Everything is asked in one process of ours, straight from the product,
so that no web server's time hides what grows.
"""

import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from bench import child, indexes
from bench.growth_report import Line, table, write_json
from bench.run import say
from bench.stack import Fleet, Stack
from config.embedded import folders
from config.embedded.process import STOP_SIGNALS, StartError

# Of the fleets that events are stored for; no size of the bench.
_EVENTS_OF = 5_000
_BASE = "growth_base"

Figures = dict[str, dict[str, Any]]  # {row: {"unit": …, "value": …}}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured; a figure is the median of `calls`."""

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
    found = {}
    for size in sizes.organizations:
        fleet = stack.fleet(
            organizations=size,
            charted=min(5_000, size // 2),
            metered=min(1_000, size // 10),
        )
        found[size] = _ask(stack, fleet, "bench.growth_fleet", sizes.calls)
    print(_told("organizations", found))
    _tell_unused(stack, fleet)
    return _lines("organizations", found)


def _ask(stack: Stack, fleet: Fleet, module: str, calls: int) -> Figures:
    """What the helper measured over a fleet; which indexes it used counts from 0."""
    say(f"{module} over {fleet.database}")
    with stack.connect(fleet.database) as connection:
        indexes.forget(connection)
    given = json.dumps({"fleet": asdict(fleet), "calls": calls}).encode()
    said = child.output("-m", module, given=given, env=stack.environment(fleet))
    figures: Figures = json.loads(said)
    return figures


# --- events -----------------------------------------------------------------------


def _events(stack: Stack, sizes: Sizes) -> list[Line]:
    base = _base(stack)
    found = {}
    for size in sizes.events:
        fleet = _fleet_with_events(stack, base, size)
        found[size] = _ask(stack, fleet, "bench.growth_events", sizes.calls)
    print(_told("events stored", found))
    _tell_unused(stack, fleet)
    return _lines("events stored", found)


def _base(stack: Stack) -> Fleet:
    """A fleet without events, copied for each number of them."""
    _create(stack, _BASE)
    stack.run("manage.py", "prepare", database=_BASE)
    sizes = map(str, (_EVENTS_OF, 0, 0))
    said = stack.run("-m", "bench.prepare", _BASE, *sizes, database=_BASE)
    return Fleet(**json.loads(said))


def _fleet_with_events(stack: Stack, base: Fleet, events: int) -> Fleet:
    fleet = replace(base, database=f"growth_events_{events}")
    filled = stack.state / f"{fleet.database}.json"  # says that it was built to the end
    if not filled.exists():
        say(f"{events:,} events")
        _create(stack, fleet.database, template=_BASE)
        given = json.dumps({"fleet": asdict(fleet), "events": events}).encode()
        arguments = ("-m", "bench.growth_events", "fill")
        child.output(*arguments, given=given, env=stack.environment(fleet))
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


# --- telling ----------------------------------------------------------------------


def _lines(against: str, found: dict[int, Figures]) -> list[Line]:
    return list(_each_line(against, found))


def _each_line(against: str, found: dict[int, Figures]) -> Iterator[Line]:
    sizes = list(found)
    for row, first in found[sizes[0]].items():
        values = [found[size][row]["value"] for size in sizes]
        yield Line(against, row, first["unit"], sizes, values)


def _told(against: str, found: dict[int, Figures]) -> str:
    return "\n" + table(against, _lines(against, found))


def _tell_unused(stack: Stack, fleet: Fleet) -> None:
    with stack.connect(fleet.database) as connection:
        print(f"{fleet.database}: {indexes.told(connection)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
