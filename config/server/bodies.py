"""Bodies of requests, read whole before a thread is taken for the request.

A body has to keep to a minimum rate and to a deadline, or its request is a 408. Bytes
are held in memory up to a bound and in temporary files up to another, of all requests
of the process together; beyond that a request is a 503.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from io import BytesIO
from typing import IO

from config.server.environ import Headers
from orgs.errors import DomainError, TooLarge, Unavailable

MAX_BYTES = 32 << 20  # no operation takes more
GRACE_SECONDS = 10.0  # for a body of any size
BYTES_PER_SECOND = 16 << 10  # after them, on average
DEADLINE_SECONDS = 120.0

_IN_MEMORY = 1 << 20  # of one body; the rest of it is in a file


class BodyTimeout(DomainError):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"


class Disconnected(DomainError):
    """The client left before the request had arrived."""

    code = "incomplete_body"

    def __init__(self) -> None:
        super().__init__("The request body is incomplete.")


class Budget:
    """Bytes that all bodies of the process may hold together."""

    def __init__(self, memory: int, disk: int) -> None:
        self.memory, self.disk = memory, disk

    def take_memory(self, size: int) -> bool:
        """Reserve memory; return False if there is not enough."""
        if size > self.memory:
            return False
        self.memory -= size
        return True

    def take_disk(self, size: int) -> None:
        """Reserve space in temporary files; raise `Unavailable` if there is none."""
        if size > self.disk:
            raise Unavailable("Too many large requests at once. Try again in 5 s.")
        self.disk -= size


BUDGET = Budget(memory=64 << 20, disk=1 << 30)


class Body:
    """The bytes of one body, in memory or in a temporary file."""

    def __init__(self, budget: Budget = BUDGET) -> None:
        self.budget = budget
        self.size = 0
        self.in_memory = 0
        self.parts: list[bytes] = []
        self.file: IO[bytes] | None = None

    def add(self, part: bytes) -> None:
        """Append what has arrived; raise `TooLarge` or `Unavailable`."""
        if self.size + len(part) > MAX_BYTES:
            raise TooLarge("The request body is too large.")
        is_small = self.file is None and self.size + len(part) <= _IN_MEMORY
        if is_small and self.budget.take_memory(len(part)):
            self.in_memory += len(part)
            self.parts.append(part)
        else:
            self._write(part)
        self.size += len(part)

    def _write(self, part: bytes) -> None:
        self.budget.take_disk(len(part))
        if self.file is None:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115  `release` closes it
        self.file.write(part)

    def open(self) -> IO[bytes]:
        """Return the whole body as a file at its beginning."""
        start = b"".join(self.parts)
        if self.file is None:
            return BytesIO(start)
        self.file.seek(0)
        return _Chained(start, self.file) if start else self.file

    def release(self) -> None:
        """Return what the body held; safe to call again."""
        if self.file is not None:
            self.file.close()
        self.budget.memory += self.in_memory
        self.budget.disk += self.size - self.in_memory
        self.parts, self.file, self.size, self.in_memory = [], None, 0, 0


class _Chained(BytesIO):
    """A beginning in memory, then a file; only what readers of a body need."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        super().__init__(start)
        self.rest = rest

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, or all of them."""
        start = super().read(size)
        if size is None or size < 0:
            return start + self.rest.read()
        return start + self.rest.read(size - len(start))

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line, also one that begins in memory and ends in the file."""
        start = super().readline(size)
        is_whole = start.endswith(b"\n") or len(start) == size
        rest = -1 if size is None or size < 0 else size - len(start)
        return start if is_whole else start + self.rest.readline(rest)


def announced_size(headers: Headers) -> int | None:
    """Return the bytes that a request announces; None if it does not say how many.

    Raises `TooLarge` if they are too many, before any of them is read.
    """
    if "transfer-encoding" in headers:
        return None
    size = int(headers.get("content-length") or "0")
    if size > MAX_BYTES:
        raise TooLarge("The request body is too large.")
    return size


async def read_body(parts: AsyncIterator[bytes], body: Body, size: int | None) -> None:
    """Read a body of `size` bytes, or to its end.

    Raises `BodyTimeout`, `TooLarge`, `Unavailable`, and `Disconnected`.
    """
    started = time.monotonic()
    while (part := await _next(parts, started, body.size)) is not None:
        body.add(part)
    if size is not None and body.size < size:
        raise Disconnected


async def _next(
    parts: AsyncIterator[bytes], started: float, received: int
) -> bytes | None:
    """Return what arrives next within the time that the bytes received allow."""
    allowed = min(GRACE_SECONDS + received / BYTES_PER_SECOND, DEADLINE_SECONDS)
    try:
        async with asyncio.timeout(max(0.0, started + allowed - time.monotonic())):
            # Not `anext(parts, None)`: with awaitables of the web server it crashes
            # Python 3.11.
            return await anext(parts)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise BodyTimeout("The request body did not arrive in time.") from None
