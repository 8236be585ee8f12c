"""The WSGI environment of a request, from what the web server read."""

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Protocol

from orgs.errors import DomainError

Environ = dict[str, Any]

# Headers that WSGI gives other names.
_OWN_NAMES = {"content-type": "CONTENT_TYPE"}
# The body has arrived whole: these described its way to us.
_OF_TRANSFER = frozenset({"transfer-encoding", "expect", "content-length"})
_VERSIONS = {"1": "HTTP/1.0", "1.1": "HTTP/1.1"}
_MAX_NAMES = 1_000
_names: dict[str, str] = {}  # WSGI's names of headers that were sent, up to a bound
_BASIC: Mapping[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


class Headers(Protocol):
    """Headers with names in lower case; a header with several lines is repeated."""

    def __contains__(self, name: str) -> bool: ...

    def get(self, name: str) -> str | None: ...

    def keys(self) -> list[str]: ...

    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """A request without its body."""

    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str

    @property
    def headers(self) -> Headers: ...


class HeaderRefused(DomainError):
    """A header that another one could be mistaken for, or that is not ASCII."""

    code = "invalid_header"


def environ_of(scope: Scope) -> Environ:
    """Return the environment of a request, without its body.

    Raises `HeaderRefused` for a name with an underscore: WSGI writes `X_Api_Key` and
    `X-Api-Key` alike, so a client could forge a header past a proxy that removes it.
    """
    environ = basic_environ(scope)
    pairs = scope.headers.items()
    _check_count(scope.headers, len(pairs))
    for name, value in pairs:
        if name not in _OF_TRANSFER:
            _add(environ, _names.get(name) or _name(name), value)
    return environ


def basic_environ(scope: Scope) -> Environ:
    """Return the environment of a request without headers and body."""
    server, _, port = scope.server.rpartition(":")
    environ = dict(_BASIC)
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = scope.path.encode().decode("latin-1")
    environ["QUERY_STRING"] = scope.query_string
    environ["SERVER_NAME"] = server or "localhost"
    environ["SERVER_PORT"] = port
    environ["SERVER_PROTOCOL"] = _VERSIONS.get(scope.http_version, "HTTP/1.1")
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    environ["wsgi.url_scheme"] = scope.scheme
    environ["wsgi.input"] = BytesIO()
    return environ


def _check_count(headers: Headers, count: int) -> None:
    """Refuse values that are not ASCII, which the web server leaves out."""
    if len(headers.keys()) > count:
        raise HeaderRefused("Headers must contain ASCII characters only.")


def _add(environ: Environ, key: str, value: str) -> None:
    if key in environ:  # a second line goes on with the first; two hosts are none
        joint = "; " if key == "HTTP_COOKIE" else ","
        value = f"{environ[key]}{joint}{value}"
    environ[key] = value


def _name(name: str) -> str:
    """Return WSGI's name of a header, and remember it."""
    if "_" in name:
        spelled = name[:100]
        raise HeaderRefused(
            f"Write hyphens, not underscores, in the name of the header {spelled}.",
            fields=(spelled,),
        )
    key = _OWN_NAMES.get(name) or "HTTP_" + name.upper().replace("-", "_")
    if len(_names) < _MAX_NAMES:
        _names[name] = key
    return key
