"""Enqueue a Celery task about a row that is already in the database."""

import logging
from datetime import timedelta
from typing import Any

from celery import Task
from django.db import transaction

logger = logging.getLogger(__name__)


def enqueue(task: "Task[Any, Any]", *args: Any, wait: timedelta = timedelta()) -> None:
    """Send the task to a worker once the current transaction has committed.

    With `wait`, a worker starts it after that time.

    Never raises: the row the task will read is safe already. If the broker is down,
    that is logged, and a periodic sweep finds the row minutes later.
    """
    options = {"countdown": wait.total_seconds()} if wait else {}

    def send() -> None:
        try:
            task.apply_async(args, retry=False, **options)
        except Exception as error:  # brokers raise errors of many libraries
            logger.warning(
                "enqueue_lost task=%s error=%s", task.name, type(error).__name__
            )

    transaction.on_commit(send, robust=True)
