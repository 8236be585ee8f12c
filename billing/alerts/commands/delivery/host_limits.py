"""The rate limit of emails, and circuit breakers for the mail host and its domains.

The host has a circuit breaker, and so has each domain behind it: a domain that hangs
delays its own emails by minutes, not all others. The state is in Valkey; while Valkey
is unavailable, every address is tried, which costs a worker timeouts, never an email.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import redis
from django.conf import settings

from orgs import valkey
from orgs.rate_limiter import RateLimiter

logger = logging.getLogger(__name__)
T = TypeVar("T")
HOST = ""  # the name of the circuit for all domains
# Failures in a row after which a circuit opens: of the host, of a domain.
_HOST_FAILURES, _DOMAIN_FAILURES = 5, 2
OPEN_SECONDS = 60
_EXPIRY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing is sent now, and for how many seconds."""

    seconds: float
    reason: str


def acquire_token() -> Pause | None:
    """Take a token of `EMAILS_PER_MINUTE`; return a pause when there is none."""
    seconds = _with_valkey(_limiter().acquire_token, 0.0)
    if not seconds:
        return None
    return Pause(seconds, "Rate limit reached: too many emails per minute.")


def has_token() -> bool:
    """Return whether an email may be sent now; no token is taken."""
    return not _with_valkey(_limiter().seconds_to_token, 0.0)


def _limiter() -> RateLimiter:
    rate = settings.EMAILS_PER_MINUTE
    return RateLimiter(name="emails", rate=rate, seconds=60, burst=max(1, rate // 6))


def find_pause(domain: str) -> Pause | None:
    """Return the pause of the mail host, or of this domain behind it."""
    for circuit in (HOST, domain):
        seconds = _open_until(circuit) - time.time()
        if seconds > 0:
            host = circuit or "the mail host"
            return Pause(seconds, f"Sending to {host} is paused after failures.")
    return None


def _open_until(circuit: str) -> float:
    """Return the Unix time until which the circuit is open; 0 when it is closed."""
    until = _with_valkey(lambda: valkey.client().get(_key("open", circuit)), None)
    return float(until or 0)


def record_failure(domain: str, *, is_host: bool) -> None:
    """Count a failure; several in a row open the circuit for a minute.

    After that minute one failure is enough to open it again. A host that cannot be
    reached at all opens its circuit at once.
    """
    if is_host:
        _open(HOST)
        return
    for circuit, threshold in ((domain, _DOMAIN_FAILURES), (HOST, _HOST_FAILURES)):
        if _with_valkey(partial(_count, _key("failures", circuit)), 0) >= threshold:
            _open(circuit)


def record_success(domain: str) -> None:
    """Forget the failures in a row of the host and of the domain."""
    keys = [_key("failures", circuit) for circuit in (HOST, domain)]
    _with_valkey(lambda: valkey.client().delete(*keys), None)


def _count(key: str) -> int:
    pipeline = valkey.client().pipeline()
    pipeline.incr(key)
    pipeline.expire(key, _EXPIRY_SECONDS)
    return int(pipeline.execute()[0])


def _open(circuit: str) -> None:
    logger.warning("mail_circuit_open of=%s", circuit or "host")
    key, until = _key("open", circuit), time.time() + OPEN_SECONDS
    _with_valkey(lambda: valkey.client().set(key, until, ex=_EXPIRY_SECONDS), None)


def _key(fact: str, circuit: str) -> str:
    return f"orgdesk:mail_circuit:{fact}:{circuit}"


def _with_valkey(call: Callable[[], Any], default: T) -> Any | T:
    """Return the result of a call to Valkey, or the default when it is unavailable."""
    try:
        return call()
    except redis.RedisError as error:
        logger.warning("mail_hosts_not_shared error=%s", type(error).__name__)
        return default
