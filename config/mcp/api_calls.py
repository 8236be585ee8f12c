"""Calls of the API inside the process: the same views, without a socket."""

import json
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from django.utils import timezone

from orgs.access.key_use import require_address
from orgs.crypto import hash_key
from orgs.errors import Unauthorized
from orgs.queries.key_lookup import find_key

_LOCAL = "127.0.0.1"  # where a client on standard input is


class ApiRefused(Exception):
    """An error answer of the API, with its status, code, and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code


@dataclass(frozen=True)
class ApiCaller:
    """A caller of the API by an API key from an address; it only reads."""

    key: str
    address: str = _LOCAL

    def get(self, path: str, **parameters: str | int | None) -> dict[str, Any]:
        """Return the JSON of a GET request; raise `ApiRefused` for an error answer.

        Parameters that are None are left out.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        status, body = _request(path, urlencode(given), self)
        answer: dict[str, Any] = json.loads(body)
        if status >= HTTPStatus.BAD_REQUEST:
            [error, *_] = answer["errors"]
            raise ApiRefused(status, error["code"], error["message"])
        return answer


def require_active_key(caller: ApiCaller) -> None:
    """Raise unless the key is active and may be used from the caller's address.

    Raises `Unauthorized` or `AddressNotAllowed`.
    """
    try:
        key, _ = find_key(hash_key(caller.key), organization_id=0, now=timezone.now())
    finally:
        close_old_connections()  # outside of a request nothing else returns them
    if key is None:
        raise Unauthorized("Send a valid API key.")
    require_address(key, caller.address)


def _request(path: str, query: str, caller: ApiCaller) -> tuple[int, bytes]:
    statuses: list[int] = []
    environ = {**_environment(), "PATH_INFO": path, "QUERY_STRING": query}
    environ["HTTP_AUTHORIZATION"] = f"Bearer {caller.key}"
    environ["REMOTE_ADDR"] = caller.address

    def start(status: str, headers: object, failure: object = None) -> None:
        statuses.append(int(status.split(" ", 1)[0]))

    response = _application()(environ, start)  # type: ignore[arg-type]
    try:
        body = b"".join(response)
    finally:
        response.close()  # ends the request: the connection returns to its pool
    return statuses[0], body


@cache
def _application() -> WSGIHandler:
    return WSGIHandler()


def _environment() -> dict[str, Any]:
    """Return what a web server would add: this installation's host, and its scheme."""
    site = urlsplit(settings.SITE_URL)
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "SERVER_NAME": site.hostname or "localhost",
        "SERVER_PORT": str(site.port or ""),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": site.netloc,
        "HTTP_X_FORWARDED_PROTO": site.scheme,
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": BytesIO(),
    }
