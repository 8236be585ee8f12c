"""The retention of the security log."""

from django.conf import settings
from django.db import connection
from django.utils import timezone

_BATCH = 5_000


def delete_old_events() -> bool:
    """Delete a batch of events that are older than the retention; return if it is full.

    A function with the rights of the owner does it: the application's role may not
    delete evidence, and the function deletes nothing of the last 90 days.
    """
    before = timezone.now() - settings.SECURITY_LOG_RETENTION
    with connection.cursor() as cursor:
        cursor.execute("select orgs_delete_security_events(%s, %s)", [before, _BATCH])
        return bool(cursor.fetchone()[0] == _BATCH)
