"""Resolving names, with a deadline and a bound on the lookups that hang."""

import socket
import threading
import time
from collections.abc import Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue

from orgs.networks import Address

# A lookup cannot be interrupted: one that hangs keeps its thread for as long as the
# system's resolver tries. More names than these have to wait for a thread.
_LOOKUPS = threading.BoundedSemaphore(32)
_Results = SimpleQueue[Sequence[Address] | None]


class NameNotResolved(Exception):
    """A name without an address, or whose lookup took too long (`is_timeout`)."""

    def __init__(self, message: str, *, is_timeout: bool = False) -> None:
        super().__init__(message)
        self.is_timeout = is_timeout


def resolve(host: str, port: int, *, seconds: float) -> Sequence[Address]:
    """Return the addresses of a host, in the resolver's order.

    Raises `NameNotResolved`, at the latest after these seconds.
    """
    end = time.monotonic() + seconds
    late = NameNotResolved("The host was not resolved in time.", is_timeout=True)
    if not _LOOKUPS.acquire(timeout=max(seconds, 0)):
        raise late
    results: _Results = SimpleQueue()
    # A daemon: a lookup that hangs does not delay the end of the process.
    threading.Thread(target=_look_up, args=(host, port, results), daemon=True).start()
    try:
        addresses = results.get(timeout=max(end - time.monotonic(), 0))
    except Empty:
        raise late from None
    if not addresses:
        raise NameNotResolved("The host can't be resolved.")
    return addresses


def _look_up(host: str, port: int, results: _Results) -> None:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        results.put([ip_address(row[4][0]) for row in rows])
    except (OSError, ValueError):  # ValueError: a name that IDNA cannot encode
        results.put(None)
    finally:
        _LOOKUPS.release()
