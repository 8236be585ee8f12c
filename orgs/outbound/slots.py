"""Few requests of a web process wait for the servers of users at once.

Such a server answers when it likes. Each request that waits for one holds a thread of
the web process until its deadline; one that finds no slot is refused at once, so that
the other threads go on with pages and calls.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orgs.errors import Unavailable

_SLOTS = threading.BoundedSemaphore(1)


class OutboundBusy(Unavailable):
    """Another request of this process waits for the server of a user."""

    code = "outbound_busy"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "Another test is waiting for the answer of its server. Try again in 10 s."
        )


@contextmanager
def outbound_slot() -> Iterator[None]:
    """Hold a slot while a request of a person or API key waits for a user's server.

    Take it before the first write. Raises `OutboundBusy` if there is none.
    """
    if not _SLOTS.acquire(blocking=False):
        raise OutboundBusy
    try:
        yield
    finally:
        _SLOTS.release()
