"""Processes of a test: their environment, their port, and waiting for them."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

OURS = {"SECRET_KEY", "HASHED_STATIC", "HTTPS_ONLY", "ORGDESK_TEST_STACK", "STATE_DIR"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(state: Path, **extra: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k not in OURS}
    return inherited | {"STATE_DIR": str(state)} | extra


def eventually(ask: Callable[[], bool], *, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer
