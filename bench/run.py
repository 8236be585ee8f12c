"""The shared parts of all rows: the stack, two fleets, peers, alternating rounds."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import redis

from bench import memory
from bench.load import UnexpectedResponse
from bench.sizes import Sizes
from bench.stack import Fleet, Site, Stack
from config.dev.servers import paths
from config.dev.servers.supervisor import Program

Contender = Callable[[], float]

_DRAIN_SECONDS = 120.0
_BEGAN = time.monotonic()
_PEERS = {
    "limit": "limit:application",
    "fastapi": "fastapi_app:app",
    "drf": "drf:application",
    "admin": "admin_peer:application",
}


class Run:
    """A run of the bench; fleets and processes are made when a row first needs them."""

    def __init__(self, stack: Stack, sizes: Sizes, rows: str) -> None:
        self.stack = stack
        self.sizes = sizes
        self.selection = [part.strip() for part in rows.lower().split("|")]
        self.memory: dict[str, list[float]] = {"web": [], "worker": []}
        self.workers: list[Program] = []
        self._peers: dict[str, Site] = {}

    def selects(self, *rows: str) -> bool:
        """Return whether a text of the selection is part of any of these row titles."""
        return any(part in row.lower() for row in rows for part in self.selection)

    @cached_property
    def big(self) -> Fleet:
        print_progress(f"fleet of {self.sizes.organizations:,}")
        return self.stack.fleet(
            organizations=self.sizes.organizations,
            charted=self.sizes.charted,
            metered=self.sizes.metered,
        )

    @cached_property
    def small(self) -> Fleet:
        print_progress(f"fleet of {self.sizes.small:,}")
        return self.stack.fleet(
            organizations=self.sizes.small,
            charted=self.sizes.small // 2,
            metered=self.sizes.small // 10,
        )

    @cached_property
    def web(self) -> Site:
        """The web process of Orgdesk over the big fleet, with worker and beat."""
        site = self.stack.start_web("web", self.big)
        self.workers = self.stack.start_worker_and_beat(self.big)
        return site

    @cached_property
    def web_without_fast_path(self) -> Site:
        """The same web process as `web`, with Django answering every call."""
        return self.stack.start_web_without_fast_path(self.big)

    @cached_property
    def web_of_small(self) -> Site:
        return self.stack.start_web("web-small", self.small)

    def peer(self, name: str) -> Site:
        if name not in self._peers:
            application = _PEERS[name]
            asgi = name == "fastapi"
            self._peers[name] = self.stack.start_peer(
                name, application, self.big, asgi=asgi
            )
        return self._peers[name]

    def rounds(
        self, title: str, contenders: Mapping[str, Contender], *, rounds: int = 0
    ) -> dict[str, float]:
        """Return the median of each contender over the rounds, after a warm-up round.

        Contenders run one after the other within a round, and in reverse order in the
        next, so that noise of the machine affects all of them.
        """
        measured: dict[str, list[float]] = {name: [] for name in contenders}
        names = list(contenders)
        for number in range((rounds or self.sizes.rounds) + 1):
            for name in names:
                value = contenders[name]()
                if number:
                    measured[name].append(value)
                self._record_memory()
            names.reverse()
        for name, values in measured.items():
            numbers = " ".join(f"{value:,.1f}" for value in values)
            print_progress(f"{title}: {name} {numbers}")
        return {name: statistics.median(values) for name, values in measured.items()}

    @contextmanager
    def without_beat(self) -> Iterator[None]:
        """Stop beat during the block, so that no periodic task runs."""
        beat = next((p for p in self.workers if p.name == "beat"), None)
        if beat:
            beat.stop()
            drain(self.stack.state)
        yield
        if beat:
            self.stack.start(beat, self.big)

    def _record_memory(self) -> None:
        for program in self.workers and (self.web.program, *self.workers):
            if program.process and program.name in self.memory:
                self.memory[program.name].append(
                    memory.tree_megabytes(program.process.pid)
                )


def drain(state: Path) -> None:
    """Wait until the worker is idle, so that it does not slow down the next round."""
    queue = redis.Redis.from_url(paths.redis_url(state))
    end = time.monotonic() + _DRAIN_SECONDS
    # Every list is a queue, one for each priority; Valkey removes empty lists.
    while queue.hlen("unacked") or any(queue.scan_iter(_type="list")):
        if time.monotonic() > end:
            raise UnexpectedResponse(
                f"the worker was still busy after {_DRAIN_SECONDS:.0f} seconds"
            )
        time.sleep(0.05)
    queue.close()


def print_progress(line: str) -> None:
    """Print progress and details to standard error; only results go to stdout."""
    print(f"{time.monotonic() - _BEGAN:5.0f} s  {line}", file=sys.stderr, flush=True)
