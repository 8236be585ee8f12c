"""The rate limiter of API calls, calls to Stripe, and emails.

A bucket of `burst` tokens. `rate` tokens come back in `seconds`, `refill` of them at a
time: one by one they smooth calls (Stripe, emails), all at once they make a window that
begins with its first call and lets no more through than the limit (API calls).
A bucket that is full at first and refills one by one would let almost twice as many
through. Valkey holds when the bucket was first used and how many tokens are out. One
script reads and writes both, so that of two processes only one can take the last token;
the clock is Valkey's for all of them.

Every method raises `redis.RedisError` when Valkey is away. The caller decides what that
means: API calls and emails go on unlimited, Stripe is limited by each process for
itself.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from orgs import valkey

_MICROSECONDS = 1_000_000
_PEEK, _ANY_WAIT = -1, 10**15  # no wait is as short as the one, or as long as the other

# KEYS[1] the bucket; ARGV: microseconds per token, tokens of a full bucket, tokens that
# come back together, tokens to take, the longest wait at which they are taken. Returns
# the microseconds to wait. The key expires when the bucket is full again: an absent key
# is a full bucket. A clock that was set back brings no tokens, and takes none.
_ACQUIRE = """
local time = redis.call('time')
local now = time[1] * 1000000 + time[2]
local burst, refill = tonumber(ARGV[2]), tonumber(ARGV[3])
local pause = tonumber(ARGV[1]) * refill
local since, used = now, 0
local stored = redis.call('get', KEYS[1])
if stored then
    since, used = string.match(stored, '^(%d+) (%d+)$')
    local pauses = math.max(0, math.floor((now - since) / pause))
    since, used = since + pauses * pause, math.max(0, used - pauses * refill)
end
if used == 0 then since = now end
used = math.max(0, used + ARGV[4])
local wait = 0
if used > burst then
    wait = math.max(0, since + math.ceil((used - burst) / refill) * pause - now)
end
if wait <= tonumber(ARGV[5]) then
    local full_at = since + math.ceil(used / refill) * pause
    redis.call('set', KEYS[1], string.format('%.0f %.0f', since, used),
        'px', string.format('%.0f', math.max(1, math.ceil((full_at - now) / 1000))))
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
    refill: int = 1  # tokens that come back together; `burst` makes it a window

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
        args = [step, self.burst, self.refill, tokens, longest_wait]
        wait = _script()(keys=[f"orgdesk:rate:{self.name}"], args=args)
        return int(wait) / _MICROSECONDS


@cache
def _script() -> Any:
    return valkey.client().register_script(_ACQUIRE)
