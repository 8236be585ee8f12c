"""Lock of one Stripe object across workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def object_lock(object_id: str) -> Iterator[None]:
    """Hold the lock of a Stripe object over requests and several transactions.

    Taken by everything that fetches an object and then mirrors it: webhook events,
    actions and the resolution of discrepancies. Without it, several events about one
    object would fetch it at once, and the webhook of an action could be mirrored before
    the action itself, so that history would not name the person. Sync runs do not take
    it: `synced_at` keeps an older answer from overwriting a newer one.

    It is an advisory lock of the database session, because it must outlast
    transactions: never take it inside a transaction. It is released at the end of the
    block, or when the connection closes because the worker died. Waits for at most
    `lock_timeout` (10 s); then Django raises `OperationalError`, and the event or
    action is retried later. Two locks are nested only in one order, a subscription's
    before its last invoice's; another order could deadlock two workers until that
    timeout. A pooler that shares sessions between transactions would break it, so
    transaction pooling is not supported.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [object_id])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_advisory_unlock(hashtextextended(%s, 0))", [object_id]
            )
