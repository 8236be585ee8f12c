"""The WSGI environment: header names that could be mistaken for others are refused."""

from types import SimpleNamespace
from typing import Any

import pytest

from config.server.environ import HeaderRefused, environ_of


class Lines:
    """Header lines as the web server has them; it leaves out values not in ASCII."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        self.lines = list(lines)

    def items(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.lines if value.isascii()]

    def keys(self) -> list[str]:
        return [name for name, _ in self.lines]


def environ(*lines: tuple[str, str], **changes: str) -> dict[str, Any]:
    scope = {
        "method": "GET",
        "path": "/",
        "query_string": "",
        "scheme": "http",
        "http_version": "1.1",
        "client": "10.0.0.9:4711",
        "server": "10.0.0.1:80",
    }
    return environ_of(SimpleNamespace(**scope | changes, headers=Lines(*lines)))


@pytest.mark.parametrize(
    "name",
    ["x_api_key", "x_forwarded_for", "x-forwarded_proto", "content_length", "_", "a_"],
)
def test_a_name_with_an_underscore_is_refused(name: str) -> None:
    with pytest.raises(HeaderRefused):
        environ((name, "1"))


def test_a_value_that_is_not_ascii_is_refused_not_dropped() -> None:
    with pytest.raises(HeaderRefused):
        environ(("x-forwarded-for", "é, 1.2.3.4"))


def test_repeated_lines_are_one_value() -> None:
    sent = environ(("x-a", "1"), ("x-a", "2"), ("cookie", "a=1"), ("cookie", "b=2"))
    assert (sent["HTTP_X_A"], sent["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_the_path_is_bytes_as_wsgi_has_them_and_the_address_has_no_port() -> None:
    sent = environ(path="/é", client="[2001:db8::1]:4711")
    assert sent["PATH_INFO"].encode("latin-1").decode() == "/é"
    assert sent["REMOTE_ADDR"] == "2001:db8::1"
    assert environ()["REMOTE_ADDR"] == "10.0.0.9"
