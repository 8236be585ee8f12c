"""Django's PostgreSQL backend with a health check that needs no round trip.

Django's own check sends `SELECT 1` before the first statement of each request. A server
that went away has closed the socket or left a message in it, so polling the socket is
enough to suspect it, and only a suspicious connection is asked. A network that silently
drops packets is noticed at the next statement, as it would be at the check.
"""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper of a connection, with a cheaper `is_usable`."""

    def is_usable(self) -> bool:
        """Return whether the socket shows no sign that the server has gone."""
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return not socket.poll(0) or super().is_usable()
