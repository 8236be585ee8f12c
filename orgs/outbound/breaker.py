"""Circuit breakers: a target that fails again and again is left alone for a while.

The state is in Valkey and shared by all workers. If it is lost, or Valkey is away,
breakers are closed: the worst is some requests more, each within its deadline.
"""

from contextlib import suppress

import redis

from orgs import valkey

_THRESHOLD = 5  # failures in a row
_FIRST_PAUSE, _LONGEST_PAUSE = 30, 600  # seconds
_REMEMBERED = 3_600  # seconds after the last failure
_FAILURES = "orgdesk:breaker:{}:failures"
_OPEN = "orgdesk:breaker:{}:open"


def may_send(name: str) -> bool:
    """Return whether the target may be contacted.

    After a pause one request is let through, the others wait for what it finds.
    """
    if not name:
        return True
    client = valkey.client()
    try:
        failures = client.get(_FAILURES.format(name))
        if failures is None or int(failures) < _THRESHOLD:
            return True
        # The request that sets the key is the trial; its outcome renews or deletes it.
        return bool(client.set(_OPEN.format(name), 1, nx=True, ex=_FIRST_PAUSE))
    except redis.RedisError:
        return True


def record(name: str, *, is_failure: bool) -> None:
    """Count a failure, and open the breaker at the fifth in a row; a success closes it.

    The pause is doubled with each further failure.
    """
    if not name:
        return
    try:
        if is_failure:
            _count(valkey.client(), name)
        else:
            reset(name)
    except redis.RedisError:
        return


def reset(name: str) -> None:
    """Close the breaker, as when a person changed the target.

    If Valkey is away, it stays open for at most its pause.
    """
    with suppress(redis.RedisError):
        valkey.client().delete(_FAILURES.format(name), _OPEN.format(name))


def _count(client: redis.Redis, name: str) -> None:
    key = _FAILURES.format(name)
    count = int(client.incr(key))
    client.expire(key, _REMEMBERED)
    if count >= _THRESHOLD:
        doublings = min(count - _THRESHOLD, 10)
        pause = min(_FIRST_PAUSE * 2**doublings, _LONGEST_PAUSE)
        client.set(_OPEN.format(name), 1, ex=pause)
