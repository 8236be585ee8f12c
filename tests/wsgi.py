"""Calls as a WSGI server makes them, to the fast path or to Django behind it."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from config import fast_path

Answer = tuple[str, dict[str, str], bytes]


def keep_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request's end would close the connection that holds the test's transaction."""
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
        "HTTP_X_REQUEST_ID": "r-1", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), **headers, **more,
    }  # fmt: skip


def asked(application: Any, environ: dict[str, Any]) -> Answer:
    started: list[Any] = []
    body = b"".join(application(environ, lambda *start: started.append(start)))
    status, headers = started[0]
    return status, dict(headers), body


def refuse(*_: Any) -> Any:
    raise AssertionError("asked Django")


FAST_PATH = fast_path.FastPath(refuse)


def left(answer: Callable[[], Answer]) -> bool:
    try:
        answer()
    except AssertionError as error:
        return "asked Django" in str(error)
    return False
