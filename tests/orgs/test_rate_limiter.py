"""The rate limiter on a real Valkey: fixed windows and steady buckets."""

import time

import pytest

from orgs.rate_limiter import RateLimiter


def window(limit: int, seconds: int) -> RateLimiter:
    return RateLimiter(
        name="window", rate=limit, seconds=seconds, burst=limit, refill=limit
    )


def steady(rate: int, *, burst: int) -> RateLimiter:
    return RateLimiter(name="steady", rate=rate, seconds=60, burst=burst)


def test_a_window_allows_no_more_calls_than_its_limit() -> None:
    limiter, allowed = window(5, 2), 0
    end = time.monotonic() + 1.6
    while time.monotonic() < end:
        allowed += not limiter.acquire_token()
        time.sleep(0.05)

    assert allowed == 5


def test_a_full_window_allows_calls_again_after_it_ends() -> None:
    limiter = window(3, 1)
    for _ in range(3):
        assert limiter.acquire_token() == 0
    wait = limiter.acquire_token()
    assert 0 < wait <= 1

    time.sleep(wait + 0.01)

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
