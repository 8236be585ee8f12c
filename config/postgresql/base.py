"""Django's PostgreSQL with a pool that looks before it asks.

The pool's own health check is a round trip for every request. A server that went away
closed the socket, or left its last words in it: a look at the socket costs nothing,
and only a suspicious one is asked. A network that swallows packets shows itself only
when it is spoken to, as it would to a check.
"""

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool


def check(connection: psycopg.Connection[Any]) -> None:
    """Raises when the connection is gone; the pool then takes another."""
    socket = select.poll()
    socket.register(connection.fileno(), select.POLLIN)
    if socket.poll(0):
        ConnectionPool.check_connection(connection)


class DatabaseWrapper(base.DatabaseWrapper):
    _connection_pools: dict[str, "ConnectionPool[Any]"]
    _configure_connection: Any

    @property
    def pool(self) -> Any:
        """As Django makes it, but for the check. Two threads may make one: one wins."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if options and self.alias not in self._connection_pools:
            self._connection_pools.setdefault(self.alias, self._make_pool(options))
        return super().pool

    def _make_pool(self, options: dict[str, Any]) -> ConnectionPool[Any]:
        return ConnectionPool(
            kwargs=self.get_connection_params() | {"autocommit": True},
            open=False,
            configure=self._configure_connection,
            check=check,
            **options,
        )
