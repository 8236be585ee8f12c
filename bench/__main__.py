"""Entry point of `make bench`: start the servers, measure the rows, print a table."""

import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench import indexes
from bench.load import UnexpectedResponse
from bench.report import table, write_json
from bench.rows import measure
from bench.run import Run
from bench.sizes import FULL, QUICK, Sizes
from bench.stack import Stack
from bench.tables import ROWS_PER_ORGANIZATION
from config.dev.servers import folders
from config.dev.servers.process import STOP_SIGNALS, StartError


def main() -> int:
    sizes = _sizes()
    keep_folder = os.environ.get("KEEP", "")
    state = Path(keep_folder or tempfile.mkdtemp(prefix="orgdesk-bench-")).resolve()
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        folders.make_state(state)
        _lock = folders.lock(state)
        _bench(state, sizes)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (StartError, UnexpectedResponse) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if not keep_folder:
            shutil.rmtree(state, ignore_errors=True)
    return 0


def _sizes() -> Sizes:
    sizes = FULL if os.environ.get("QUICK", "") in {"", "0"} else QUICK
    if organizations := os.environ.get("SIZES"):
        sizes = replace(sizes, organizations=int(organizations))
    if rounds := os.environ.get("ROUNDS"):
        sizes = replace(sizes, rounds=int(rounds))
    return sizes


def _bench(state: Path, sizes: Sizes) -> None:
    began = time.monotonic()
    with Stack(state) as stack:
        run = Run(stack, sizes, os.environ.get("ROWS", ""))
        print(_run_header(stack, run), flush=True)
        rows = list(measure(run))
        print(table(rows))
        with stack.connect(run.big.database) as connection:
            print(indexes.describe_unused(connection))
    print(f"{time.monotonic() - began:.0f} seconds in total")
    if path := os.environ.get("BENCH_JSON"):
        write_json(rows, Path(path))


def _run_header(stack: Stack, run: Run) -> str:
    with stack.connect() as connection:
        [version] = connection.execute("show server_version").fetchone() or ["?"]
    sizes = run.sizes
    others = sizes.organizations - sizes.charted
    rows = sizes.charted * 150 + others * ROWS_PER_ORGANIZATION
    return (
        f"{sizes.name}: {sizes.organizations:,} organizations, {rows:,} daily rows,"
        f" compared with {sizes.small:,} organizations;"
        f" medians of {sizes.rounds} rounds\n"
        f"{os.cpu_count()} cores, {platform.machine()}, Python"
        f" {platform.python_version()}, PostgreSQL {version}"
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
