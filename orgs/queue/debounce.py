"""Waking one task about many rows, from calls that must not wait for it.

A call puts ids in a set of its process and goes on. A thread takes them to a set in
Valkey, five times a second at most, and asks for the task unless somebody has and it
has not begun. So however many calls there are, little is queued; a broker that hangs
holds up the thread and no call. What is lost with a process or with Valkey comes by
other ways: whoever gathers has a sweep.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import redis
from celery import Task
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.2
_ASKED_MILLISECONDS = 5_000  # then a task that was asked for is asked for again
_AT_A_TIME = 1_000
_TIMEOUT = 2
_KEY, _ASKED = "orgdesk:gathered:{}", "orgdesk:gathered:{}:asked"


def enqueue_debounced(task: "Task[Any, Any]", ids: Iterable[int]) -> None:
    """After the commit: the task will be run and find these ids."""
    mine = frozenset(ids)
    transaction.on_commit(lambda: _thread().add(task, mine), robust=True)


def debounced_ids(task: "Task[Any, Any]") -> Iterator[list[int]]:
    """For the task itself: what was gathered for it, some at a time, until the end."""
    client = _client()
    client.delete(_ASKED.format(task.name))  # what comes from now on asks again
    while found := client.spop(_KEY.format(task.name), _AT_A_TIME):
        yield sorted(map(int, found))


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        protocol=2,
    )


class _Thread:
    """Of one process; a fork has its own, for threads do not fork."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._waiting: dict[Any, set[int]] = {}
        self._lock = threading.Lock()
        self._something = threading.Event()
        threading.Thread(target=self._run, name="gathering", daemon=True).start()

    def add(self, task: Any, ids: Iterable[int]) -> None:
        with self._lock:
            self._waiting.setdefault(task, set()).update(ids)
        self._something.set()

    def _run(self) -> None:
        while self._something.wait():
            self._something.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            for task, ids in waiting.items():
                _send(task, ids)
            time.sleep(_PAUSE_SECONDS)


def _send(task: Any, ids: set[int]) -> None:
    try:
        client = _client()
        client.sadd(_KEY.format(task.name), *ids)
        if client.set(_ASKED.format(task.name), 1, nx=True, px=_ASKED_MILLISECONDS):
            task.apply_async(retry=False)
    except Exception as error:  # whatever a broker can raise
        logger.warning(
            "debounce_lost task=%s error=%s", task.name, type(error).__name__
        )


_threads: list[_Thread] = []
_threads_lock = threading.Lock()


def _thread() -> _Thread:
    with _threads_lock:
        if not _threads or _threads[0].process != os.getpid():
            _threads[:] = [_Thread()]
        return _threads[0]
