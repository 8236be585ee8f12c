"""Requests to URLs of users: which addresses are contacted, and what ends a request."""

import gzip
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from orgs import valkey
from orgs.errors import UrlNotAllowed
from orgs.networks import read_networks
from orgs.outbound import ErrorKind, Target, check_url, client, connections, send
from tests.support.receivers import (
    Script,
    answer,
    drip,
    flood,
    hang,
    receiver,
    server_tls,
)

PUBLIC = "93.184.216.34"


@pytest.fixture
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return what the resolver answers by host; each lookup counts in `calls`."""
    hosts: dict[str, list[str]] = {"calls": []}

    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        hosts["calls"].append(host)
        if host not in hosts:
            raise socket.gaierror
        return [(0, 0, 0, "", (address, port)) for address in hosts[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return hosts


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses to which a connection is tried; each one is refused."""
    tried: list[str] = []

    def connect(endpoint: Any, address: Any, *_: Any) -> Any:
        tried.append(str(address))
        raise AssertionError

    monkeypatch.setattr(client, "open_connection", connect)
    return tried


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["100.64.0.1"],
        ["169.254.169.254"],
        ["192.168.0.1"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:8.8.8.8"],
        ["64:ff9b::a9fe:a9fe"],
        ["64:ff9b:1::1"],
        ["2002:7f00:1::"],
        ["2001:0:1::"],
        ["fe80::1"],
        ["fe80::1%eth0"],
        ["fc00::7"],
        ["ff02::1"],
        ["fec0::1"],
        ["4000::1"],
        ["192.0.0.192"],
        ["192.88.99.1"],
        ["168.63.129.16"],
        [PUBLIC, "127.0.0.1"],
        [PUBLIC, "fd00::1"],
    ],
)
def test_a_name_with_one_private_address_is_not_contacted(
    resolved: dict[str, list[str]], sockets: list[str], addresses: list[str]
) -> None:
    resolved["prom.example.com"] = addresses

    result = send(Target("https://prom.example.com/push"), b"x", {})

    assert result.error == ErrorKind.REFUSED_ADDRESS
    assert (resolved["calls"], sockets) == (["prom.example.com"], [])


@pytest.mark.parametrize(
    "url",
    [
        "http://prom.example.com/",
        "https://prom.example.com:22/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost/",
        "https://localhost.localdomain/",
        "https://LOCALHOST6.localdomain6./",
        "https://router.home.arpa/",
        "https://api.default.svc/",
        "https://user@prom.example.com/",
        "ftp://prom.example.com/",
        "https://[fe80::1%25eth0]/",
        "https://prom.example.com\r\nX: y/",
    ],
)
def test_what_no_form_accepts_is_not_contacted_either(
    resolved: dict[str, list[str]], sockets: list[str], url: str
) -> None:
    resolved["prom.example.com"] = [PUBLIC]

    with pytest.raises(UrlNotAllowed):
        check_url(url)

    assert send(Target(url), b"", {}).error == ErrorKind.REFUSED_ADDRESS
    assert sockets == []


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("http://prom:9091/api/v1/write", True),
        ("https://prom/", True),
        ("http://10.1.255.1:1/", True),
        ("https://both.example.com/", True),
        ("https://public.example.com/", True),
        ("http://both.example.com/", False),
        ("http://public.example.com/", False),
        ("https://public.example.com:8443/", False),
        ("http://10.2.0.1/", False),
        ("http://other/", False),
        ("http://unknown/", False),
        ("http://[::ffff:10.1.0.1]/", False),
        ("http://0x0a.1/", False),
        ("http://prom:0/", False),
    ],
)
def test_private_networks_are_admitted_by_the_setting_alone(
    settings: Settings,
    resolved: dict[str, list[str]],
    sockets: list[str],
    url: str,
    is_allowed: bool,
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("10.1.0.0/16, fd00::/8")
    resolved |= {
        "prom": ["10.1.0.5", "fd00::5"],
        "other": ["10.1.0.5", "10.2.0.1"],
        "both.example.com": ["10.1.0.5", PUBLIC],
        "public.example.com": [PUBLIC],
    }

    if is_allowed:
        assert check_url(url) == url
        with pytest.raises(AssertionError):
            send(Target(url), b"", {})
    else:
        with pytest.raises(UrlNotAllowed):
            check_url(url)
        assert not send(Target(url), b"", {}).is_success
    assert bool(sockets) == is_allowed


@pytest.mark.parametrize("text", ["10.1.0.1/16", "x", "10.0.0.0/33", "10.0.0.0/8;::/0"])
def test_a_network_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|host bits|appear"):
        read_networks(text)


@pytest.mark.process
def test_a_wrong_network_refuses_to_start() -> None:
    started = subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        env={**os.environ, "OUTBOUND_ALLOWED_NETWORKS": "10.0.0.1/8"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode
    assert "OUTBOUND_ALLOWED_NETWORKS: 10.0.0.1/8 has host bits" in started.stderr


def test_a_name_is_resolved_once_and_another_answer_is_never_used(
    loopback: None, resolved: dict[str, list[str]]
) -> None:
    with receiver(answer(200, b"ok", "X-A: 1")) as server:
        resolved["prom.test"] = ["127.0.0.1"]
        url = f"http://prom.test:{server.port}/push?a=1"

        result = send(Target(url), b"body", {"X-Tenant": "7", "Host": "else"})

    assert (result.status, result.body, result.headers["x-a"]) == (200, b"ok", "1")
    assert resolved["calls"] == ["prom.test"]
    [request] = server.requests
    assert (request.line, request.body) == ("POST /push?a=1 HTTP/1.1", b"body")
    assert request.headers["host"] == f"prom.test:{server.port}"
    assert request.headers["x-tenant"] == "7"
    assert request.headers["accept-encoding"] == "identity"


def test_the_next_address_is_tried_when_one_refuses(
    loopback: None, resolved: dict[str, list[str]]
) -> None:
    with receiver(answer()) as server:
        resolved["prom.test"] = ["127.0.0.9", "127.0.0.1"]

        assert send(Target(f"http://prom.test:{server.port}"), b"", {}).is_success


def test_proxies_of_the_environment_are_not_used(
    loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with receiver(answer()) as server:
        assert send(Target(server.url), b"", {}).is_success


@pytest.mark.parametrize(
    ("script", "kind", "status"),
    [
        (hang, ErrorKind.TIMEOUT, None),
        (drip(b"", seconds=0.05), ErrorKind.TIMEOUT, None),
        (drip(b"HTTP/1.1 200 OK\r\nX: ", seconds=0.05), ErrorKind.TIMEOUT, None),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n", seconds=0.05), ErrorKind.TIMEOUT, None),
        (flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 9_999), ErrorKind.TOO_LARGE, 200),
        (flood(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), ErrorKind.TOO_LARGE, None),
        (flood(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 999), ErrorKind.TOO_LARGE, None),
        (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), ErrorKind.TOO_LARGE, None),
        (
            flood(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
            ),
            ErrorKind.TOO_LARGE,
            200,
        ),
        (answer(302, b"", "Location: http://127.0.0.1/"), ErrorKind.REDIRECT, 302),
        (answer(400, b"out of order"), ErrorKind.HTTP, 400),
        (answer(503, b""), ErrorKind.HTTP, 503),
        (
            lambda _, connection: connection.sendall(b"SSH-2\r\n"),
            ErrorKind.CONNECT,
            None,
        ),
        (lambda _, connection: connection.close(), ErrorKind.CONNECT, None),
    ],
)
def test_whatever_a_server_does_ends_in_time_with_an_error(
    loopback: None, script: Script, kind: ErrorKind, status: int | None
) -> None:
    # Long where another end is expected: a loaded machine is slow.
    deadline = 0.4 if kind is ErrorKind.TIMEOUT else 10
    begin = time.monotonic()
    with receiver(script) as server:
        result = send(Target(server.url, deadline=deadline), b"x", {})

    assert (result.error, result.status) == (kind, status)
    assert result.message
    assert time.monotonic() - begin < 5
    assert len(server.requests) == 1


def test_a_compressed_answer_is_never_inflated(loopback: None) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    script = answer(200, bomb, "Content-Encoding: gzip")
    with receiver(script) as server:
        result = send(Target(server.url), b"", {})

    assert (result.is_success, result.body) == (True, bomb)
    assert len(result.text) <= 500


def test_tls_checks_the_certificate_and_the_name(
    loopback: None,
    resolved: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    tls, certificate = server_tls(tmp_path, "prom.test")
    resolved |= {"prom.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}
    server_names: list[str] = []
    tls.sni_callback = lambda _, name, __: server_names.append(name)

    def kind(host: str) -> ErrorKind | None:
        return send(Target(f"https://{host}:{server.port}/"), b"", {}).error

    with receiver(answer(), tls=tls) as server:
        assert kind("prom.test") == ErrorKind.TLS  # its authority is unknown
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(connections, "tls_context", lambda: trusting)
        assert kind("prom.test.") is None
        assert kind("other.test") == ErrorKind.TLS
    assert server_names == ["prom.test", "prom.test", "other.test"]
    with receiver(answer()) as server:
        assert kind("prom.test") == ErrorKind.TLS
    with receiver(answer()) as server:
        tcp_only = socket.create_server(("127.0.0.1", 0))  # never says hello
        url = f"https://prom.test:{tcp_only.getsockname()[1]}/"
        assert send(Target(url, deadline=0.2), b"", {}).error == ErrorKind.TIMEOUT
        tcp_only.close()


def test_errors_below_http_are_values(
    loopback: None, resolved: dict[str, list[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert send(Target(f"http://127.0.0.1:{port}/"), b"", {}).error == ErrorKind.CONNECT
    assert send(Target("https://none.example/"), b"", {}).error == ErrorKind.DNS
    with receiver(answer()) as server:
        result = send(Target(server.url), b"", {"X": "a\r\nEvil: 1"})
    assert result.error == ErrorKind.REQUEST


def test_a_lookup_that_hangs_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait() and [])

    result = send(Target("https://slow.example.com/", deadline=0.1), b"", {})

    assert (result.error, result.seconds < 5) == (ErrorKind.TIMEOUT, True)
    end.set()


def test_a_target_that_fails_is_left_alone_and_tried_again(loopback: None) -> None:
    with receiver(answer(500)) as server:
        target = Target(server.url, breaker="test:1")
        kinds = [send(target, b"", {}).error for _ in range(7)]
        assert kinds == [ErrorKind.HTTP] * 5 + [ErrorKind.CIRCUIT_OPEN] * 2
        assert send(Target(server.url, breaker="test:2"), b"", {}).status == 500
        assert server.connections == 6

        server.script = answer()
        valkey.client().delete("orgdesk:breaker:test:1:open")  # the pause is over
        assert send(target, b"", {}).is_success
        assert send(target, b"", {}).is_success


def test_a_request_that_the_target_refuses_opens_no_breaker(loopback: None) -> None:
    with receiver(answer(400)) as server:
        target = Target(server.url, breaker="test:3")
        kinds = {send(target, b"", {}).error for _ in range(7)}

    assert kinds == {ErrorKind.HTTP}
