"""Jobs of a test in parallel threads, each with its database connection."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection

WRITERS = 8


def together(jobs: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run each job in a thread with its connection; raise what a job raises."""

    def run(job: Callable[[], Any]) -> Any:
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, list(jobs)))
