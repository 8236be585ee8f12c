"""What is made to go wrong, as `/_fake/script` asked: kept in memory, not in the file.

Faults of API calls are taken in order, each as often as it says; the webhooks' script
holds until it is changed.
"""

import fnmatch
import threading
from dataclasses import dataclass, field
from random import Random
from typing import Any

FAULTS = {
    "latency",
    "rate_limit",
    "error",
    "error_saved",
    "conflict",
    "hang",
    "truncate",
    "garbage",
    "disconnect_before",
    "disconnect_after",
}


@dataclass
class Fault:
    """`path` may have wildcards; `skip` calls pass first; `times` 0 is for ever."""

    do: str
    path: str = "*"
    method: str = "*"
    times: int = 1
    skip: int = 0
    seconds: float = 1.0
    status: int = 500

    def matches(self, method: str, path: str) -> bool:
        return fnmatch.fnmatch(path, self.path) and self.method in {"*", method}


@dataclass
class Webhooks:
    """How deliveries are disturbed. Chances are decided by `seed` and order."""

    delay: float = 0.0
    duplicate: int = 0
    shuffle: int = 0
    drop: float = 0.0
    drop_events: list[str] = field(default_factory=list)
    api_versions: list[str] = field(default_factory=list)
    secret: str | None = None
    seed: int = 7
    attempts: int = 5
    backoff: float = 1.0
    paused: bool = False


class Scripts:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.faults: list[Fault] = []
            self.webhooks = Webhooks()
            self.random = Random(self.webhooks.seed)  # noqa: S311  a test's dice
            self.latency = 0.0

    def set(self, given: dict[str, Any]) -> None:
        """Set faults: {"api": [faults], "webhooks": {…}, "latency": s}; others stay."""
        faults = [Fault(**one) for one in given.get("api", [])]
        if unknown := {fault.do for fault in faults} - FAULTS:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        webhooks = Webhooks(**given["webhooks"]) if "webhooks" in given else None
        with self._lock:
            if "api" in given:
                self.faults = faults
            if webhooks:
                self.webhooks = webhooks
                self.random = Random(webhooks.seed)  # noqa: S311
            self.latency = float(given.get("latency", self.latency))

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first scripted fault that matches this call, and count it."""
        with self._lock:
            for fault in self.faults:
                if not fault.matches(method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault
        return None
