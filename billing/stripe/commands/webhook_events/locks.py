from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def object_lock(object_id: str) -> Iterator[None]:
    """One at a time for an object, over the network and several transactions.

    A lock of the session: it ends with the connection, and a pool that shares sessions
    between transactions would break it. Waits as long as any lock may (10 s).
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
