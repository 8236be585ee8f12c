"""Guesses at the secrets of accounts, counted before they are checked.

Every way to try a password or a two-factor code takes an attempt here: the login page,
the login calls, Basic, the second factor, recovery codes, confirming a password again,
changing it, and the keys of password resets. All of them have one counter per account,
and one per address (IPv6: per /64). An account is counted by the row that was found, or
by the name that was sent if there is none, so that both look the same.

After `ACCOUNT_FAILURES` failures an account is not checked for a minute; each further
failure doubles the wait, up to `LONGEST_WAIT`. The same holds for an address after
`ADDRESS_FAILURES`. A stranger who keeps guessing must not lock a person out: addresses
from which the account logged in within `KNOWN_FOR` have a separate counter, which no
stranger can fill, and a passkey is not counted at all.

A right answer returns its own attempt and no other. Without Valkey nothing is checked,
because passwords could be guessed.
"""

import hashlib
import logging
import math
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
from django.http import HttpRequest

from orgs import valkey
from orgs.access.addresses import address_block, client_address
from orgs.commands.account_emails import write_lock_email
from orgs.errors import RateLimited, Unavailable
from orgs.models import User
from orgs.security_log import Kind, record

logger = logging.getLogger(__name__)
ACCOUNT_FAILURES = 5
ADDRESS_FAILURES = 20
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=6)  # without a further failure
KNOWN_FOR = timedelta(days=30)  # after the last login from an address

# KEYS: the mark of a known address, its counter, the counters of the account and of the
# address. ARGV: the failures allowed of account and address, the first and the longest
# wait, and when a counter is forgotten, in milliseconds. Returns the milliseconds to
# wait, the failures of the account with this one, and whether the address is known. A
# refused attempt changes nothing, so waiting always helps.
_BEGIN = """
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_known = redis.call('exists', KEYS[1])
local counters = {{KEYS[3], ARGV[1]}, {KEYS[4], ARGV[2]}}
if is_known == 1 then counters = {{KEYS[2], ARGV[1]}} end
local wait = 0
for _, counter in ipairs(counters) do
    local blocked_until = tonumber(redis.call('hget', counter[1], 'until') or 0)
    wait = math.max(wait, blocked_until - now)
end
if wait > 0 then return {wait, 0, is_known} end
local failures = 0
for index, counter in ipairs(counters) do
    local count = redis.call('hincrby', counter[1], 'failures', 1)
    if index == 1 then failures = count end
    local doublings = count - counter[2]
    if doublings >= 0 then
        local pause = math.min(ARGV[3] * 2 ^ doublings, ARGV[4])
        redis.call('hset', counter[1], 'until', string.format('%.0f', now + pause))
    end
    redis.call('pexpire', counter[1], ARGV[5])
end
return {0, failures, is_known}
"""

# KEYS: counters that take one attempt back. It was the last that they let through, so
# nothing else waits for the end of the wait that it began.
_RETURN = """
for _, key in ipairs(KEYS) do
    if redis.call('hincrby', key, 'failures', -1) <= 0 then
        redis.call('del', key)
    else
        redis.call('hdel', key, 'until')
    end
end
"""


@dataclass(slots=True)
class Attempt:
    """An attempt that is counted as a failure until `succeed` is called."""

    counters: tuple[str, ...]
    failures: int  # of the account, from addresses like this one, with this one
    is_right: bool = False

    def succeed(self) -> None:
        """Note that the secret was right: this attempt is no failure."""
        self.is_right = True

    @property
    def begins_wait(self) -> bool:
        """True for the failure after which the account is not checked for a while."""
        return self.failures == ACCOUNT_FAILURES


@contextmanager
def counted_attempt(
    request: HttpRequest,
    user: User | None,
    name: str = "",
    *,
    kind: Kind = Kind.LOGIN_FAILED,
) -> Iterator[Attempt]:
    """Count an attempt at the secret of an account, and check it inside of the block.

    `name` is what the caller sent, for an account that does not exist; `kind` is what
    the security log calls a failure. Raises `RateLimited` with the seconds to wait, and
    `Unavailable` without Valkey. An `Unavailable` raised in the block returns the
    attempt: nothing was checked.
    """
    account = _account(user, name)
    try:
        attempt = _begin(account, address_block(client_address(request)))
    except RateLimited:
        record(Kind.LOGIN_LOCKED, subject=user, account=account)
        raise
    try:
        yield attempt
    except Unavailable:
        attempt.succeed()
        raise
    finally:
        if attempt.is_right:
            _return(attempt)
        else:
            record(kind, subject=user, account=account)
            _warn_owner(request, user, attempt)


def _warn_owner(request: HttpRequest, user: User | None, attempt: Attempt) -> None:
    """Send an email to the owner of an account whose wait begins."""
    if user is None or not attempt.begins_wait:
        return
    address = client_address(request)
    write_lock_email(user, window=FORGOTTEN_AFTER, client=address)


def remember_address(request: HttpRequest, user: User) -> None:
    """Note that an account has logged in, completely, from the caller's address."""
    block = address_block(client_address(request))
    try:
        valkey.client().set(_known(_account(user), block), 1, ex=KNOWN_FOR)
    except redis.RedisError as error:
        logger.warning("login_address_not_noted error=%s", type(error).__name__)


def _begin(account: str, block: str) -> Attempt:
    known, own = _known(account, block), _counter(f"{account}:{block}")
    counters = _counter(account), _counter(f"address:{block}")
    waits = (FIRST_WAIT, LONGEST_WAIT, FORGOTTEN_AFTER)
    arguments = [ACCOUNT_FAILURES, ADDRESS_FAILURES, *map(_milliseconds, waits)]
    try:
        wait, failures, is_known = _run(_BEGIN, [known, own, *counters], arguments)
    except redis.RedisError as error:
        logger.warning("login_not_counted error=%s", type(error).__name__)
        raise Unavailable("Login is unavailable. Try again in 5 s.") from None
    if wait:
        raise RateLimited(retry_after=math.ceil(wait / 1_000))
    return Attempt((own,) if is_known else counters, failures)


def _return(attempt: Attempt) -> None:
    try:
        _run(_RETURN, list(attempt.counters), [])
    except redis.RedisError as error:
        logger.warning("login_attempt_not_returned error=%s", type(error).__name__)


def _run(script: str, keys: list[str], arguments: list[int]) -> Any:
    return valkey.client().register_script(script)(keys=keys, args=arguments)


def _account(user: User | None, name: str = "") -> str:
    """Return how an account is called in Valkey: by its row, else by a hashed name.

    A name is normalized, so that its spellings have one counter as those of a row have.
    """
    if user is not None:
        return f"account:{user.pk}"
    normalized = unicodedata.normalize("NFKC", name).strip().casefold()
    return f"name:{hashlib.sha256(normalized.encode(errors='replace')).hexdigest()}"


def _counter(name: str) -> str:
    return f"orgdesk:failures:{name}"


def _known(account: str, block: str) -> str:
    return f"orgdesk:known:{account}:{block}"


def _milliseconds(wait: timedelta) -> int:
    return wait // timedelta(milliseconds=1)
