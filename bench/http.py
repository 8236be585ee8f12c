"""Requests as bytes, and a few asked one by one."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_HOST = "Host: 127.0.0.1\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def get(path: str, headers: Mapping[str, str]) -> bytes:
    return f"GET {path} HTTP/1.1\r\n{_HOST}{_lines(headers)}\r\n".encode()


def post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    told = {**headers, "Content-Type": "application/json", "Content-Length": len(body)}
    return f"POST {path} HTTP/1.1\r\n{_HOST}{_lines(told)}\r\n".encode() + body


def _lines(headers: Mapping[str, object]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def ask(port: int, path: str, headers: Mapping[str, str]) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, named, response.read())
    finally:
        connection.close()


def with_key(key: str) -> dict[str, str]:
    return {"x-api-key": key}


def with_session(session: str) -> dict[str, str]:
    return {"Cookie": f"session={session}"}


def query(**parameters: str) -> str:
    """`?a=b&c=d` of those that are not empty."""
    told = "&".join(f"{k}={quote(v)}" for k, v in parameters.items() if v)
    return f"?{told}" if told else ""
