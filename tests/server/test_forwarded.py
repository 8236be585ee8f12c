"""Forwarded headers at the edge: removed, reduced to what proxies report, or a 400."""

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from config.server.forwarded import ForwardedHeaders
from tests.support.wsgi import environ, respond

FORGED = {
    f"HTTP_{name}": "6.6.6.6"
    for name in ("FORWARDED", "X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_REAL_IP",
                 "X_FORWARDED_HOST", "X_CLIENT_IP", "X_FORWARDED_PORT")
}  # fmt: skip


def passed_on(**headers: str) -> dict[str, Any]:
    """Return the headers of the environment that reaches the application."""
    reached: dict[str, Any] = {}

    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        reached.update(environ)
        start("200 OK", [])
        return []

    respond(ForwardedHeaders(application), environ("/", **headers))
    return {name: reached[name] for name in FORGED if name in reached}


def test_without_trusted_proxies_none_is_passed_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert passed_on(**FORGED) == {}
    assert "TRUSTED_PROXY_COUNT" in caplog.text


def test_trusted_proxies_report_address_and_scheme(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    sent = {"HTTP_X_FORWARDED_FOR": "6.6.6.6, [2001:db8::1]:9"}
    sent["HTTP_X_FORWARDED_PROTO"] = "http, HTTPS"

    assert passed_on(**FORGED | sent) == {
        "HTTP_X_FORWARDED_FOR": "2001:db8::1",
        "HTTP_X_FORWARDED_PROTO": "https",
    }


@pytest.mark.parametrize(
    "sent",
    [{"HTTP_X_FORWARDED_FOR": "unknown"}, {"HTTP_X_FORWARDED_PROTO": "ftp"},
     {"HTTP_X_FORWARDED_PROTO": "https, "}],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/organizations/1/access"])
def test_a_malformed_header_is_a_400(
    settings: Settings, path: str, sent: dict[str, str]
) -> None:
    settings.TRUSTED_PROXIES = 1

    status, headers, body = respond(
        ForwardedHeaders(lambda *_: pytest.fail("reached")), environ(path, **sent)
    )

    assert status.startswith("400 ")
    assert b'"invalid_forwarded_header"' in body
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Length"] == str(len(body))
