"""Bodies of requests: their deadline, rate, and size, and where they are held."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from config.server import bodies
from config.server.bodies import (
    Body,
    BodyTimeout,
    Budget,
    Disconnected,
    announced_size,
    read_body,
)
from orgs.errors import DomainError, TooLarge, Unavailable


async def arriving(parts: Iterable[bytes], pause: float = 0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause)
        yield part


def read(parts: Iterable[bytes], size: int | None = None, pause: float = 0) -> Body:
    body = Body(Budget(memory=1_000_000, disk=1_000_000))
    with ThreadPoolExecutor(1) as pool:  # a browser test may have left its loop here
        reading = read_body(arriving(parts, pause), body, size)
        pool.submit(asyncio.run, reading).result()
    return body


def test_a_body_that_keeps_to_the_rate_is_read_whole() -> None:
    assert read([b"ab", b"cd"], 4).open().read() == b"abcd"
    assert read([], None).open().read() == b""


def test_a_byte_at_a_time_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.02)
    with pytest.raises(BodyTimeout):
        read([b"a"] * 1_000, 1_000, pause=0.005)


def test_a_fast_body_still_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DEADLINE_SECONDS", 0.02)
    with pytest.raises(BodyTimeout):
        read([b"a" * 1_000] * 1_000, 1_000_000, pause=0.005)


def test_a_body_shorter_than_announced_is_incomplete() -> None:
    with pytest.raises(Disconnected):
        read([b"ab"], 4)


def test_a_body_beyond_the_limit_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES", 3)
    with pytest.raises(TooLarge):
        read([b"ab", b"cd"])


@pytest.mark.parametrize("memory", [0, 3, 1_000])
@pytest.mark.parametrize("in_memory", [0, 4, 1_000])
def test_bytes_without_room_in_memory_are_in_a_file(
    monkeypatch: pytest.MonkeyPatch, memory: int, in_memory: int
) -> None:
    monkeypatch.setattr(bodies, "_IN_MEMORY", in_memory)
    budget = Budget(memory=memory, disk=1_000)
    body = Body(budget)
    for part in (b"one\n", b"tw", b"o\nthree"):
        body.add(part)

    file = body.open()
    assert [file.readline(), file.read(3), file.readline(), file.read()] == [
        b"one\n", b"two", b"\n", b"three",
    ]  # fmt: skip
    body.release()
    body.release()
    assert (budget.memory, budget.disk) == (memory, 1_000)


def test_without_room_anywhere_a_request_is_refused_and_leaves_nothing() -> None:
    budget = Budget(memory=1, disk=3)
    body = Body(budget)
    body.add(b"ab")
    with pytest.raises(Unavailable):
        body.add(b"cd")
    body.release()
    assert (budget.memory, budget.disk) == (1, 3)


class Sent(dict[str, str]):
    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
        return list(super().items())

    def keys(self) -> list[str]:  # type: ignore[override]
        return list(super().keys())


@pytest.mark.parametrize(
    ("headers", "size"),
    [({}, 0), ({"content-length": "12"}, 12), ({"transfer-encoding": "chunked"}, None)],
)
def test_a_request_announces_its_body(
    headers: dict[str, str], size: int | None
) -> None:
    assert announced_size(Sent(headers)) == size


def test_a_body_announced_too_large_is_refused_unread() -> None:
    with pytest.raises(DomainError, match="too large"):
        announced_size(Sent({"content-length": str(33 << 20)}))
