"""What a transaction of a test sees of the locks of others."""

import time

from django.db import OperationalError, connection, transaction


def is_awaited_by_another() -> bool:
    """Return whether another connection waits for this one, or will within 10 s."""
    for _ in range(1_000):
        with connection.cursor() as cursor:
            cursor.execute(
                "select exists (select from pg_locks where not granted"
                " and pg_backend_pid() = any(pg_blocking_pids(pid)))"
            )
            if cursor.fetchone()[0]:
                return True
        time.sleep(0.01)
    return False


def is_free(lock: str) -> bool:
    """Take an advisory lock by its statement; return whether no other has it."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("set local lock_timeout = '500ms'")
            cursor.execute(lock)
    except OperationalError:
        return False
    return True
