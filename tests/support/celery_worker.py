"""A Celery worker in a thread of the test's process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery.contrib.testing.worker import start_worker
from celery.signals import task_postrun
from django.db import connections

from config.celery import app


@contextmanager
def running_worker() -> Iterator[None]:
    """Run a worker until the end of the block.

    It leaves no connection to the database behind, and logs as the tests do: Celery
    sets the level and handlers of the root logger for its process, which would hide
    warnings from every later test.
    """
    task_postrun.connect(_close_connections)
    try:
        with _same_logging(), start_worker(app, pool="solo", perform_ping_check=False):
            yield
    finally:
        task_postrun.disconnect(_close_connections)


def _close_connections(**_: object) -> None:
    connections.close_all()


@contextmanager
def _same_logging() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
