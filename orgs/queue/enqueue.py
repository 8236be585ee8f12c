"""How doors wake the workers."""

import logging
from typing import Any

from celery import Task
from django.db import transaction

logger = logging.getLogger(__name__)


def enqueue(task: "Task[Any, Any]", *args: Any) -> None:
    """Ask a worker to run the task, after the commit.

    The row it will read is safe already: a broker that is down is logged and costs
    minutes, until a sweep finds the row, never an error to the caller.
    """

    def send() -> None:
        try:
            task.apply_async(args, retry=False)
        except Exception as error:  # whatever a broker can raise
            logger.warning(
                "enqueue_lost task=%s error=%s", task.name, type(error).__name__
            )

    transaction.on_commit(send, robust=True)
