"""The threads that run the application: few, and only for requests that arrived whole.

Each keeps its database connection. A request waits in a queue until a thread is free.
"""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

MAX_WAITING = 1_000
logger = logging.getLogger(__name__)
_Task = tuple[Callable[..., None], tuple[Any, ...]]


class Threads:
    """A fixed number of threads, which start with the first request."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.started = False
        self.queue: SimpleQueue[_Task] = SimpleQueue()

    @property
    def is_full(self) -> bool:
        """Return whether another request has to be refused."""
        return self.queue.qsize() >= MAX_WAITING

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call the function in a thread. It handles its errors itself."""
        if not self.started:
            self._start()
        self.queue.put((function, arguments))

    def _start(self) -> None:
        self.started = True
        for number in range(self.count):
            name = f"request-{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            function, arguments = self.queue.get()
            try:
                function(*arguments)
            except Exception:
                logger.exception("thread_task_failed")
            del function, arguments  # or the last request would be kept until the next
