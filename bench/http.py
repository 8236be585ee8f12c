"""HTTP requests as bytes for the load generator, and single requests."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_HOST = "Host: 127.0.0.1\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def get_request(path: str, headers: Mapping[str, str]) -> bytes:
    return f"GET {path} HTTP/1.1\r\n{_HOST}{_lines(headers)}\r\n".encode()


def post_request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    content = {"Content-Type": "application/json", "Content-Length": len(body)}
    lines = _lines({**headers, **content})
    return f"POST {path} HTTP/1.1\r\n{_HOST}{lines}\r\n".encode() + body


def _lines(headers: Mapping[str, object]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def fetch(port: int, path: str, headers: Mapping[str, str]) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        reply_headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, reply_headers, response.read())
    finally:
        connection.close()


def key_header(key: str) -> dict[str, str]:
    return {"x-api-key": key}


def session_header(session: str) -> dict[str, str]:
    return {"Cookie": f"session={session}"}


def query(**parameters: str) -> str:
    """Return `?a=b&c=d` with the parameters that are not empty."""
    pairs = "&".join(f"{k}={quote(v)}" for k, v in parameters.items() if v)
    return f"?{pairs}" if pairs else ""
