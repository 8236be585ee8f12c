"""A WSGI application for tests of the front: it needs neither Django nor a database."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

PARTS, PART = 40_000, b"0123456789" * 1_000


class _Stream:
    """A streaming response, as Django's handler returns it."""

    streaming = True

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.count):
            yield PART

    def close(self) -> None:
        """End the request."""


def application(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """Answer a path: what was sent, a large file, or nothing after a while."""
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/stream":
        start("200 OK", headers)
        return _Stream(100)
    if path == "/large":
        length = ("Content-Length", str(PARTS * len(PART)))
        start("200 OK", [*headers, length])
        return _Stream(PARTS)
    if path == "/wait":
        time.sleep(0.5)
    body = environ["wsgi.input"].read()
    start("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]
