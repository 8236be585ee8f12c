"""How often we ask the mail host, and for how long not at all: kept in Valkey.

A circuit for the host itself and one for each domain behind it: one that hangs costs
its own letters minutes, not everybody's. Without Valkey all may be tried: that costs a
worker ten seconds a letter, never a letter.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings

logger = logging.getLogger(__name__)
_NAME = "orgdesk:letters:"
HOST = ""  # the circuit of all domains
# Failures in a row after which nothing is tried, and for how many seconds.
_FAILURES = {True: 5, False: 2}
REST_SECONDS = 60
_REMEMBERED_SECONDS = 300
TURN_SECONDS = 30  # of a sender that was killed: then another one takes its turn

# Answers the milliseconds to wait for a place, taking it when that is none; with a
# third argument of 0 nothing is taken.
_TAKE = """
local t = redis.call('time')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local step = 60000 / tonumber(ARGV[1])
local burst = tonumber(ARGV[2]) * step
local full = math.max(tonumber(redis.call('get', KEYS[1]) or '0'), now)
if full - now > burst - step then return math.ceil(full - now - burst + step) end
if ARGV[3] == '0' then return 0 end
redis.call('set', KEYS[1], string.format('%.0f', full + step), 'px', 600000)
return 0
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing is sent now, and how many seconds that lasts."""

    seconds: float
    why: str


def take_place() -> Hold | None:
    """One place in the bucket of all letters; nothing: it was free."""
    milliseconds = _bucket(takes=True)
    if not milliseconds:
        return None
    return Hold(milliseconds / 1000, "Rate limit reached: too many emails per minute.")


def has_place() -> bool:
    """Whether one is free, without taking it."""
    return not _bucket(takes=False)


def _bucket(*, takes: bool) -> int:
    rate = settings.LETTERS_PER_MINUTE
    args = [rate, max(1, rate // 6), int(takes)]
    return int(_asked(lambda: _take()(keys=[f"{_NAME}bucket"], args=args), 0))


# Prolongs a turn, or with 0 ends it, if it is still the caller's.
_MINE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('del', KEYS[1]) end
return redis.call('pexpire', KEYS[1], ARGV[2])
"""


class Turn:
    """Somebody's turn to speak to the host, for `TURN_SECONDS` after each `keep`."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._token = uuid4().hex

    def take(self) -> bool:
        px = TURN_SECONDS * 1000
        return bool(
            _asked(lambda: _client().set(self._key, self._token, nx=True, px=px), True)
        )

    def keep(self) -> None:
        self._mine(TURN_SECONDS * 1000)

    def end(self) -> None:
        self._mine(0)

    def _mine(self, milliseconds: int) -> None:
        _asked(
            lambda: _client().eval(_MINE, 1, self._key, self._token, milliseconds), 0
        )


@contextmanager
def turn() -> Iterator[Turn | None]:
    """One of `LETTERS_AT_ONCE`, or nothing: others are at it.

    However long a host hangs, it holds so many workers and no more: the others have
    limits to look at. Without Valkey everybody has a turn.
    """
    turns = (Turn(f"{_NAME}turn:{n}") for n in range(settings.LETTERS_AT_ONCE))
    ours = next((one for one in turns if one.take()), None)
    try:
        yield ours
    finally:
        if ours is not None:
            ours.end()


def hold_of(domain: str) -> Hold | None:
    """Whether the host, or this domain behind it, is left alone for now."""
    for circuit in (HOST, domain):
        key = _key("open", circuit)
        left = float(_asked(lambda key=key: _client().get(key), 0) or 0) - time.time()
        if left > 0:
            return Hold(
                left,
                f"Sending to {circuit or 'the mail host'} is paused after failures.",
            )
    return None


def note_failure(domain: str, *, is_host: bool) -> None:
    """Enough in a row, and nothing is tried for a minute; then one failure is enough.

    A host that cannot be reached at all rests at once.
    """
    if is_host:
        _open(HOST)
        return
    for circuit in (domain, HOST):
        key = _key("failures", circuit)
        failures = _asked(lambda key=key: _count(key), 0)
        if failures >= _FAILURES[circuit == HOST]:
            _open(circuit)


def note_success(domain: str) -> None:
    keys = [_key("failures", one) for one in (HOST, domain)]
    _asked(lambda: _client().delete(*keys), 0)


def _count(key: str) -> int:
    pipeline = _client().pipeline()
    pipeline.incr(key)
    pipeline.expire(key, _REMEMBERED_SECONDS)
    return int(pipeline.execute()[0])


def _open(circuit: str) -> None:
    logger.warning("mail_circuit_open of=%s", circuit or "host")
    key = _key("open", circuit)
    until = time.time() + REST_SECONDS
    _asked(lambda: _client().set(key, until, ex=_REMEMBERED_SECONDS), None)


def _key(what: str, circuit: str) -> str:
    return f"{_NAME}{what}:{circuit}"


def _asked(ask: Any, otherwise: Any) -> Any:
    try:
        return ask()
    except redis.RedisError as error:
        logger.warning("mail_hosts_not_shared error=%s", type(error).__name__)
        return otherwise


@cache
def _client() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, protocol=2
    )


@cache
def _take() -> Any:
    return _client().register_script(_TAKE)
