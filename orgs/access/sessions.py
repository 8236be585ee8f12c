"""The session of every page, read by a prepared statement; the rest is Django's own."""

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.utils import timezone

from orgs.queries.prepared import fetch_all

_SESSION = """
select session_key, session_data, expire_date from django_session
where session_key = %(key)s and expire_date > %(now)s
"""


class SessionStore(DatabaseSessionStore):
    """Django asks for a class of this name."""

    def _get_session_from_db(self) -> Any:
        wanted = {"key": self.session_key, "now": timezone.now()}
        rows = fetch_all(_SESSION, wanted)
        if not rows:
            self._session_key = None
            return None
        key, data, expire_date = rows[0]
        return self.model(session_key=key, session_data=data, expire_date=expire_date)
