"""A queue and its workers inside a test: what is enqueued is done, without a beat."""

from collections import deque
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from celery import Task


class Workers:
    """Takes the messages that the product sends, and executes them in order.

    Messages that wait are executed once the clock has come to their time.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, clock: time_machine.Traveller
    ) -> None:
        self.clock = clock
        self.messages: deque[tuple[float, Any, tuple[Any, ...]]] = deque()
        workers = self

        def apply_async(task: Any, args: tuple[Any, ...] = (), **options: Any) -> None:
            due = workers.now() + options.get("countdown", 0)
            workers.messages.append((due, task, args))

        monkeypatch.setattr(Task, "apply_async", apply_async)

    def now(self) -> float:
        """Return the time of the stopped clock in seconds."""
        from django.utils import timezone  # noqa: PLC0415

        return timezone.now().timestamp()

    def work(self) -> int:
        """Execute all messages that are due, also those they send; return how many."""
        count = 0
        while due := [one for one in self.messages if one[0] <= self.now()]:
            for message in due:
                self.messages.remove(message)
                _, task, args = message
                task(*args)
                count += 1
        return count

    def pass_time(self, **span: float) -> None:
        """Move the clock, and execute what has become due."""
        self.clock.shift(timedelta(**span))
        self.work()
