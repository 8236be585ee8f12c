"""Django's PostgreSQL, whose connections are looked at before they are asked.

A connection is kept with its thread; the web process has few and keeps them. Django's
own health check is a round trip for every request. A server that went away closed the
socket, or left its last words in it: a look at the socket costs nothing, and only a
suspicious one is asked. A network that swallows packets shows itself only when it is
spoken to, as it would to a check.
"""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the next statement will find its server, as far as one can see."""
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return not socket.poll(0) or super().is_usable()
