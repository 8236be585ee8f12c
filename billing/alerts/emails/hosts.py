"""How often the mail host is contacted, and when it is not contacted at all.

A circuit breaker for the host itself and one for each domain behind it: a domain that
hangs delays its own emails by minutes, not everybody's. The state is in Valkey; while
Valkey is away, every address may be tried: it costs a worker timeouts, never an email.
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
HOST = ""  # the circuit of all domains
# Failures in a row after which a circuit opens: of the host, of a domain.
_HOST_FAILURES, _DOMAIN_FAILURES = 5, 2
OPEN_SECONDS = 60
_REMEMBERED_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing is sent now, and for how many seconds."""

    seconds: float
    reason: str


# --- the rate -----------------------------------------------------------------------


def acquire_token() -> Pause | None:
    """Take a token of `EMAILS_PER_MINUTE`; a pause when there is none."""
    seconds = _asked(_limiter().acquire_token, 0.0)
    if not seconds:
        return None
    return Pause(seconds, "Rate limit reached: too many emails per minute.")


def has_token() -> bool:
    """Return whether an email may be sent now; no token is taken."""
    return not _asked(_limiter().seconds_to_token, 0.0)


def _limiter() -> RateLimiter:
    rate = settings.EMAILS_PER_MINUTE
    return RateLimiter(name="emails", rate=rate, seconds=60, burst=max(1, rate // 6))


# --- the circuits -------------------------------------------------------------------


def find_pause(domain: str) -> Pause | None:
    """Return the pause of the mail host, or of this domain behind it."""
    for circuit in (HOST, domain):
        left = _open_until(circuit) - time.time()
        if left > 0:
            host = circuit or "the mail host"
            return Pause(left, f"Sending to {host} is paused after failures.")
    return None


def _open_until(circuit: str) -> float:
    """Return the Unix time until which the circuit is open; 0 when it is closed."""
    until = _asked(lambda: valkey.client().get(_key("open", circuit)), None)
    return float(until or 0)


def note_failure(domain: str, *, is_host: bool) -> None:
    """Count a failure; enough in a row open the circuit for a minute.

    After that minute one failure is enough to open it again. A host that cannot be
    reached at all opens its circuit at once.
    """
    if is_host:
        _open(HOST)
        return
    for circuit, enough in ((domain, _DOMAIN_FAILURES), (HOST, _HOST_FAILURES)):
        if _asked(partial(_count, _key("failed_jobs", circuit)), 0) >= enough:
            _open(circuit)


def note_success(domain: str) -> None:
    """Forget the failures in a row of the host and of the domain."""
    keys = [_key("failed_jobs", circuit) for circuit in (HOST, domain)]
    _asked(lambda: valkey.client().delete(*keys), None)


def _count(key: str) -> int:
    pipeline = valkey.client().pipeline()
    pipeline.incr(key)
    pipeline.expire(key, _REMEMBERED_SECONDS)
    return int(pipeline.execute()[0])


def _open(circuit: str) -> None:
    logger.warning("mail_circuit_open of=%s", circuit or "host")
    key, until = _key("open", circuit), time.time() + OPEN_SECONDS
    _asked(lambda: valkey.client().set(key, until, ex=_REMEMBERED_SECONDS), None)


def _key(fact: str, circuit: str) -> str:
    return f"orgdesk:mail_circuit:{fact}:{circuit}"


def _asked(ask: Callable[[], Any], otherwise: T) -> Any | T:
    """Return what Valkey answers, or the second argument when it is away."""
    try:
        return ask()
    except redis.RedisError as error:
        logger.warning("mail_hosts_not_shared error=%s", type(error).__name__)
        return otherwise
