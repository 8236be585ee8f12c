"""Slots that limit how many workers do the same work, each a lease in Valkey."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import redis

from orgs import valkey

logger = logging.getLogger(__name__)
# How long a slot outlives a worker that was killed.
SLOT_SECONDS = 30

# Renews a lease; takes it again if Valkey lost it and no other worker has it.
_RENEW = """
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
"""
# Releases a lease, unless another worker has it by now.
_RELEASE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
"""


@contextmanager
def slot(name: str, count: int) -> Iterator[bool]:
    """Occupy one of `count` slots of a name; yield false when all are taken.

    A host that hangs occupies that many workers and no more: the others stay free to
    evaluate spending limits. Without Valkey every worker has a slot.
    """
    leases = (_Lease(name, number) for number in range(count))
    lease = next((lease for lease in leases if lease.acquire()), None)
    if lease is None:
        yield False
        return
    with _renewing(lease):
        yield True


@contextmanager
def _renewing(lease: "_Lease") -> Iterator[None]:
    """Renew the lease for as long as this process lives, then release it.

    A thread renews it, not the sender between two requests: a single recipient of an
    email can take one timeout for each step of SMTP, and a host that sends a byte now
    and then never times out.
    """
    is_over = threading.Event()
    thread = threading.Thread(target=lease.renew_until, args=[is_over], daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()  # or it might renew the lease after its release
        lease.release()


class _Lease:
    """The lease of one slot; it lasts `SLOT_SECONDS` after each renewal."""

    def __init__(self, name: str, number: int) -> None:
        self._key = f"orgdesk:{name}:{number}"
        self._token = uuid4().hex

    def acquire(self) -> bool:
        try:
            px = _milliseconds()
            return bool(valkey.client().set(self._key, self._token, nx=True, px=px))
        except redis.RedisError as error:
            logger.warning("slot_not_shared error=%s", type(error).__name__)
            return True

    def renew_until(self, is_over: threading.Event) -> None:
        """Renew the lease three times in its life, so that two renewals may fail."""
        while not is_over.wait(SLOT_SECONDS / 3):
            self._run(_RENEW, _milliseconds())

    def release(self) -> None:
        self._run(_RELEASE)

    def _run(self, script: str, *args: int) -> None:
        try:
            valkey.client().eval(script, 1, self._key, self._token, *map(str, args))
        except redis.RedisError as error:
            logger.warning("slot_not_shared error=%s", type(error).__name__)


def _milliseconds() -> int:
    return round(SLOT_SECONDS * 1000)
