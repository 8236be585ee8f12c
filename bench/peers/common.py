"""The shared parts of the peers: server addresses, call counter, calendar."""

import hashlib
import os
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DATABASE_URL = os.environ["DATABASE_URL"]
REDIS_URL = os.environ["BENCH_REDIS_URL"]
SECRET_KEY = os.environ["BENCH_SECRET_KEY"]
WINDOW_MILLISECONDS = 60_000

# As in orgs.access.limits: returns the number of the call in its window, and how many
# milliseconds of the window are left.
COUNT = """
local n = tonumber(redis.call('get', KEYS[1]) or '0')
if n >= tonumber(ARGV[1]) then return {n + 1, redis.call('pttl', KEYS[1])} end
n = redis.call('incr', KEYS[1])
if n == 1 then redis.call('pexpire', KEYS[1], ARGV[2]) end
return {n, redis.call('pttl', KEYS[1])}
"""


def hash_key(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def counter_name(organization_id: int, key_id: int) -> str:
    return f"orgdesk:calls:{organization_id}:key:{key_id}"


@lru_cache(maxsize=1_000)
def days_with_starts(start: date, end: date, zone: str) -> tuple[tuple[date, int], ...]:
    """Return each day from start to before end, and its start in epoch milliseconds."""
    tz = ZoneInfo(zone)
    days = (start + timedelta(days=n) for n in range((end - start).days))
    return tuple(
        (day, int(datetime.combine(day, time(), tz).timestamp() * 1000)) for day in days
    )
