"""Processes of their own, to be killed: they share PostgreSQL and Valkey, nothing else.

Forked: there at once, with the test's settings and its clock.
"""

import importlib
import os
import signal
import warnings
from collections.abc import Callable
from typing import Any

from django.db import connection

_kept: list[Any] = []  # of the parent: a child that closed one would end it


def fork(run: Callable[[], object]) -> int:
    """Begin it; answers the process's id. Ours keeps its connection, it makes one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        _kept.append(connection.connection)
        connection.connection = None
        run()
        code = 0
    finally:
        os._exit(code)


def end_other_sessions() -> None:
    """Of threads and processes that are gone and whose end PostgreSQL did not hear."""
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
    assert os.WIFSIGNALED(status), f"it did not come to {point}"
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
