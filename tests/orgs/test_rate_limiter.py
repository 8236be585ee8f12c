"""The rate limiter on a real Valkey: fixed windows and steady buckets."""

import pytest

from orgs import valkey
from orgs.rate_limiter import RateLimiter


def window(limit: int, seconds: int) -> RateLimiter:
    return RateLimiter(
        name="window", rate=limit, seconds=seconds, burst=limit, refill=limit
    )


def steady(rate: int, *, burst: int) -> RateLimiter:
    return RateLimiter(name="steady", rate=rate, seconds=60, burst=burst)


def test_a_window_allows_no_more_calls_than_its_limit() -> None:
    limiter = window(5, 60)

    assert sum(not limiter.acquire_token() for _ in range(30)) == 5


def test_a_full_window_allows_calls_again_after_it_ends() -> None:
    """Valkey ends a window by forgetting it, at the time the limiter gave."""
    limiter = window(3, 60)
    for _ in range(3):
        assert limiter.acquire_token() == 0
    key = "orgdesk:rate:window"
    left = valkey.client().pttl(key) / 1_000
    assert left == pytest.approx(limiter.acquire_token(), abs=1)

    valkey.client().pexpire(key, 0)

    assert [limiter.acquire_token() for _ in range(3)] == [0, 0, 0]
    assert limiter.acquire_token() > 0


def test_a_refused_call_does_not_lengthen_the_wait() -> None:
    limiter = window(1, 60)
    limiter.acquire_token()

    waits = [limiter.acquire_token() for _ in range(5)]

    assert 58 < min(waits) <= max(waits) <= 60
    assert waits == sorted(waits, reverse=True)


def test_a_returned_token_is_used_by_the_next_call() -> None:
    limiter = window(1, 60)
    limiter.acquire_token()
    limiter.return_token()
    limiter.return_token()  # of a window that is over: no second token appears

    assert limiter.acquire_token() == 0
    assert limiter.acquire_token() > 0


def test_a_steady_bucket_refills_one_token_at_a_time() -> None:
    limiter = steady(6, burst=2)  # a token each 10 s
    assert [limiter.acquire_token(), limiter.acquire_token()] == [0, 0]

    assert limiter.acquire_token() == pytest.approx(10, abs=1)
    assert limiter.seconds_to_token() == pytest.approx(10, abs=1)


def test_reserved_tokens_are_spaced_evenly() -> None:
    limiter = steady(6, burst=1)

    waits = [limiter.reserve_token() for _ in range(4)]

    assert waits == pytest.approx([0, 10, 20, 30], abs=1)
