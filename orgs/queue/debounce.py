"""Debounce a task: many calls that each add ids cause few runs of the task.

A call adds its ids to a set in the memory of its process and returns. A thread moves
the set to Valkey at most five times a second and enqueues the task, unless the task was
enqueued already and has not started. However many calls there are, the queue stays
short, and a broker that hangs delays the thread but no call. Ids that are lost with a
process or with Valkey are found by the periodic sweep that each such task must have.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import redis
from celery import Task
from django.db import transaction

from orgs import valkey

logger = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.2
# A task that was enqueued and has not started after this time is enqueued again.
_ENQUEUED_MILLISECONDS = 5_000
_BATCH = 1_000
# Only the thread and workers wait for it, so it may be longer than the usual time-out.
_TIMEOUT_SECONDS = 2
_IDS_KEY = "orgdesk:debounced:{}"
_ENQUEUED_KEY = "orgdesk:debounced:{}:enqueued"


def enqueue_debounced(task: "Task[Any, Any]", ids: Iterable[int]) -> None:
    """Have the task run soon after the commit and find these ids.

    Never waits for the network and never raises.
    """
    id_set = frozenset(ids)
    transaction.on_commit(lambda: _sender().add(task, id_set), robust=True)


def debounced_ids(task: "Task[Any, Any]") -> Iterator[list[int]]:
    """Yield the ids that were collected for a task, in batches; the task calls it.

    A batch is removed from Valkey when it is yielded: a task that fails afterwards
    leaves those ids to its sweep. Raises `redis.RedisError`.
    """
    client = _client()
    # First of all: ids added from now on enqueue the task again.
    client.delete(_ENQUEUED_KEY.format(task.name))
    while batch := client.spop(_IDS_KEY.format(task.name), _BATCH):
        yield sorted(map(int, batch))


def _client() -> redis.Redis:
    return valkey.client(timeout_seconds=_TIMEOUT_SECONDS)


class _Sender:
    """The thread of a process that moves ids to Valkey and enqueues their tasks.

    Threads do not survive a fork, so each process starts its own.
    """

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self._pending: dict[Any, set[int]] = {}
        self._lock = threading.Lock()
        self._has_pending = threading.Event()
        threading.Thread(target=self._run, name="debounce", daemon=True).start()

    def add(self, task: Any, ids: Iterable[int]) -> None:
        """Add ids to those that the thread sends next."""
        with self._lock:
            self._pending.setdefault(task, set()).update(ids)
        self._has_pending.set()

    def _run(self) -> None:
        while self._has_pending.wait():
            self._has_pending.clear()
            with self._lock:
                pending, self._pending = self._pending, {}
            for task, ids in pending.items():
                _send(task, ids)
            time.sleep(_PAUSE_SECONDS)


def _send(task: Any, ids: set[int]) -> None:
    """Add ids to the task's set in Valkey, and enqueue it unless it is already.

    The ids go first: a task that starts in between finds them. Errors are logged, and
    the ids are left to the sweep.
    """
    try:
        client = _client()
        client.sadd(_IDS_KEY.format(task.name), *ids)
        enqueued_key = _ENQUEUED_KEY.format(task.name)
        if client.set(enqueued_key, 1, nx=True, px=_ENQUEUED_MILLISECONDS):
            task.apply_async(retry=False)
    except Exception as error:  # brokers raise errors of many libraries
        logger.warning(
            "debounce_lost task=%s error=%s", task.name, type(error).__name__
        )


_senders: list[_Sender] = []
_senders_lock = threading.Lock()


def _sender() -> _Sender:
    """Return the sender of this process, and start it if there is none."""
    with _senders_lock:
        if not _senders or _senders[0].process_id != os.getpid():
            _senders[:] = [_Sender()]
        return _senders[0]
