"""Forked processes that tests kill; they share only PostgreSQL and Valkey.

A fork starts at once and has the settings and the clock of the test.
"""

import importlib
import os
import signal
import warnings
from collections.abc import Callable
from typing import Any

from django.db import connection

# Connections of the parent: if a child closed one, the session would end.
_parent_connections: list[Any] = []


def fork(run: Callable[[], object]) -> int:
    """Run a function in a fork and return its process id.

    The parent keeps its database connection; the fork opens a new one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # about forks in a process with threads
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        _parent_connections.append(connection.connection)
        connection.connection = None
        run()
        code = 0
    finally:
        os._exit(code)


def end_other_sessions() -> None:
    """End sessions of threads and processes that have ended without closing them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def die_at(point: str, run: Callable[[], object]) -> None:
    """Run a function in a fork that is killed at a point, which it must reach.

    `+module.f` is after `f` has returned, `-module.f` before it is called.
    """

    def trapped() -> None:
        _set_trap(point)
        run()

    _, status = os.waitpid(fork(trapped), 0)
    assert os.WIFSIGNALED(status), f"the fork did not reach {point}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def _set_trap(point: str) -> None:
    where, _, name = point[1:].rpartition(".")
    module = importlib.import_module(where)
    step = getattr(module, name)

    def trap(*args: object, **more: object) -> object:
        if point[0] == "+":
            step(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(module, name, trap)
