"""Hashing of passwords, at most one at a time on the whole machine.

A hash takes a third of a second of a core, and anyone may ask for one: with a login, a
wrong password, a reset. All of them pass this hasher: pages, APIs, Basic
authentication, and commands. One thread of a process may wait for its turn; the others
are refused with a 503, so that guessing leaves threads and a core to other requests.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from orgs.errors import Unavailable

WAITING_THREADS = 1
WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.01
logger = logging.getLogger(__name__)


class Busy(Unavailable):
    """Passwords of others are checked, and the queue is full."""

    code = "logins_busy"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__("Too many passwords are being checked. Try again in 2 s.")


class BoundedHasher(PBKDF2PasswordHasher):
    """Django's default hasher with a queue."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the hash; raise `Busy` if too many others are computed."""
        with turn():
            return super().encode(password, salt, iterations)


_computing = threading.Lock()
_queue = threading.Semaphore(1 + WAITING_THREADS)


@contextmanager
def turn() -> Iterator[None]:
    """Wait for the turn of this thread on the machine; raise `Busy` if it is far."""
    if not _queue.acquire(blocking=False):
        raise Busy
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        if not _computing.acquire(timeout=WAIT_SECONDS):
            raise Busy
        try:
            with _machine_lock(deadline):
                yield
        finally:
            _computing.release()
    finally:
        _queue.release()


@contextmanager
def _machine_lock(deadline: float) -> Iterator[None]:
    """Hold the lock that all processes with this state folder share.

    The kernel releases it when a process is killed. Without a folder that can be
    written, each process computes one hash at a time.
    """
    try:
        file = os.open(_lock_file(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        logger.warning("hashing_lock_missing error=%s", type(error).__name__)
        yield
        return
    try:
        while not _try_lock(file):
            if time.monotonic() > deadline:
                raise Busy
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(file)


def _lock_file() -> Path:
    return Path(settings.STATE_DIR) / "hashing.lock"


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
