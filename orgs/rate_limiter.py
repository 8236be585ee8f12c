"""The rate limiter of API calls, login attempts, calls to Stripe and emails.

The generic cell rate algorithm (GCRA): a bucket of `burst` tokens that refills with
`rate` tokens in `seconds`. Valkey holds one number for each bucket, the microsecond at
which it will be full again. One script reads and writes that number, so that of two
processes only one can take the last token; the clock is Valkey's for all of them.

Every method raises `redis.RedisError` when Valkey is away. The caller decides what that
means: API calls and emails go on unlimited, logins are refused, Stripe is limited by
each process for itself.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from orgs import valkey

_MICROSECONDS = 1_000_000
_PEEK, _ANY_WAIT = -1, 10**15  # no wait is as short as the one, or as long as the other

# KEYS[1] the bucket; ARGV: microseconds per token, tokens of a full bucket, tokens to
# take, the longest wait at which they are taken. Returns the microseconds to wait.
# The key expires when the bucket is full again: an absent key is a full bucket.
_ACQUIRE = """
local time = redis.call('time')
local now = time[1] * 1000000 + time[2]
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('get', KEYS[1]) or '0'), now)
full_at = full_at + ARGV[3] * step
local wait = math.max(0, full_at - now - burst * step)
if wait <= tonumber(ARGV[4]) then
    local expires = math.max(1, math.ceil((full_at - now) / 1000))
    redis.call('set', KEYS[1], string.format('%.0f', full_at),
        'px', string.format('%.0f', expires))
end
return wait
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimiter:
    """A bucket of tokens that all processes share under `name`."""

    name: str
    rate: int
    seconds: int
    burst: int

    def acquire_token(self) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        return self._run(1, longest_wait=0)

    def reserve_token(self) -> float:
        """Take the next token and return the seconds until it may be used."""
        return self._run(1, longest_wait=_ANY_WAIT)

    def seconds_to_token(self) -> float:
        """Return the seconds until there is a token; none is taken."""
        return self._run(1, longest_wait=_PEEK)

    def return_token(self) -> None:
        """Return a token to the bucket, so that its use does not count."""
        self._run(-1, longest_wait=_ANY_WAIT)

    def _run(self, tokens: int, *, longest_wait: int) -> float:
        step = max(1, round(self.seconds * _MICROSECONDS / self.rate))
        args = [step, self.burst, tokens, longest_wait]
        wait = _script()(keys=[f"orgdesk:rate:{self.name}"], args=args)
        return int(wait) / _MICROSECONDS


@cache
def _script() -> Any:
    return valkey.client().register_script(_ACQUIRE)
