"""Calls as a WSGI server makes them, to the fast path or to Django behind it."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from config import fast_path
from config.middleware import REQUEST_ID

Answer = tuple[str, dict[str, str], bytes]


def keep_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the connection open, which holds the transaction of the test.

    Otherwise Django closes it at the end of each request.
    """
    monkeypatch.setattr(fast_path, "close_old_connections", lambda: None)
    monkeypatch.setattr("django.core.signals.request_started.send", lambda **_: [])
    monkeypatch.setattr(
        "django.http.response.signals.request_finished.send", lambda **_: []
    )


def environ(path: str, key: str = "", **more: Any) -> dict[str, Any]:
    path, _, query = path.partition("?")
    headers = {"HTTP_X_API_KEY": key} if key else {}
    return {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query,
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost",
        REQUEST_ID: "r-1", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), **headers, **more,
    }  # fmt: skip


def respond(application: Any, environ: dict[str, Any]) -> Answer:
    """Return the status line, headers and body of an application's response."""
    started: list[Any] = []
    body = b"".join(application(environ, lambda *start: started.append(start)))
    status, headers = started[0]
    return status, dict(headers), body


class DjangoReachedError(Exception):
    """Raised when the fast path passes a call on to Django."""


def _fail(*_: Any) -> Any:
    raise DjangoReachedError


FAST_PATH = fast_path.FastPath(_fail)


def left_to_django(call: Callable[[], Answer]) -> bool:
    """Return whether the fast path passed the call on."""
    try:
        call()
    except DjangoReachedError:
        return True
    return False
