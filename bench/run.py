"""What the rows share: the stack, two fleets, the peers, and rounds that alternate."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import redis

from bench import memory
from bench.load import WrongAnswer
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
    """One run; fleets and processes are made when a row first wants them."""

    def __init__(self, stack: Stack, sizes: Sizes, wanted: str) -> None:
        self.stack = stack
        self.sizes = sizes
        self.wanted = [part.strip() for part in wanted.lower().split("|")]
        self.memory: dict[str, list[float]] = {"web": [], "worker": []}
        self.workers: list[Program] = []
        self._peers: dict[str, Site] = {}

    def wants(self, *rows: str) -> bool:
        """Whether any of them has one of the wanted texts in it."""
        return any(part in row.lower() for row in rows for part in self.wanted)

    @cached_property
    def big(self) -> Fleet:
        say(f"fleet of {self.sizes.organizations:,}")
        return self.stack.fleet(
            organizations=self.sizes.organizations,
            charted=self.sizes.charted,
            metered=self.sizes.metered,
        )

    @cached_property
    def small(self) -> Fleet:
        say(f"fleet of {self.sizes.small:,}")
        return self.stack.fleet(
            organizations=self.sizes.small,
            charted=self.sizes.small // 2,
            metered=self.sizes.small // 10,
        )

    @cached_property
    def web(self) -> Site:
        """Ours over the big fleet, with worker and beat."""
        site = self.stack.ours("web", self.big)
        self.workers = self.stack.work(self.big)
        return site

    @cached_property
    def web_without_fast_path(self) -> Site:
        """The same web process as `web`, with Django answering every call."""
        return self.stack.ours_without_fast_path(self.big)

    @cached_property
    def web_of_small(self) -> Site:
        return self.stack.ours("web-small", self.small)

    def peer(self, name: str) -> Site:
        if name not in self._peers:
            application = _PEERS[name]
            asgi = name == "fastapi"
            self._peers[name] = self.stack.peer(name, application, self.big, asgi=asgi)
        return self._peers[name]

    def rounds(
        self, what: str, contenders: Mapping[str, Contender], *, rounds: int = 0
    ) -> dict[str, float]:
        """The median of each over the rounds, after one that warms up.

        They take turns within a round, and who begins takes turns, too: noise of the
        machine meets all of them.
        """
        found: dict[str, list[float]] = {name: [] for name in contenders}
        names = list(contenders)
        for number in range((rounds or self.sizes.rounds) + 1):
            for name in names:
                value = contenders[name]()
                if number:
                    found[name].append(value)
                self._note_memory()
            names.reverse()
        for name, values in found.items():
            told = " ".join(f"{value:,.1f}" for value in values)
            say(f"{what}: {name} {told}")
        return {name: statistics.median(values) for name, values in found.items()}

    @contextmanager
    def without_beat(self) -> Iterator[None]:
        """Nothing happens by the timetable meanwhile."""
        beat = next((p for p in self.workers if p.name == "beat"), None)
        if beat:
            beat.stop()
            drain(self.stack.state)
        yield
        if beat:
            self.stack.begin(beat, self.big)

    def _note_memory(self) -> None:
        for program in self.workers and (self.web.program, *self.workers):
            if program.process and program.name in self.memory:
                self.memory[program.name].append(memory.of_tree(program.process.pid))


def drain(state: Path) -> None:
    """Wait until the worker has nothing left: it must not slow down who comes next."""
    queue = redis.Redis.from_url(paths.redis_url(state))
    end = time.monotonic() + _DRAIN_SECONDS
    # Every list is a queue, one for each priority; an empty one is not there.
    while queue.hlen("unacked") or any(queue.scan_iter(_type="list")):
        if time.monotonic() > end:
            raise WrongAnswer("the worker does not come to an end")
        time.sleep(0.05)
    queue.close()


def say(line: str) -> None:
    """How far it is, and the details; the table alone goes to standard output."""
    print(f"{time.monotonic() - _BEGAN:5.0f} s  {line}", file=sys.stderr, flush=True)
