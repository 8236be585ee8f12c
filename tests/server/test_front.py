"""The front as a process: what slow clients hold up, and what it does with bodies."""

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.slow_clients import measure, slow_clients
from tests.server.slow_app import PART, PARTS
from tests.support.processes import eventually, free_port

pytestmark = pytest.mark.process


class Server:
    """A running front; `log` has what it printed after its end."""

    def __init__(self) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "config.server", "--port", str(self.port)]
        self.process = subprocess.Popen([*command, "tests.server.slow_app:application"])

    def ask(self, method: str, path: str, **options: object) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, **options)  # type: ignore[arg-type]
            response = connection.getresponse()
            return response.status, response.read()

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("GET", "/")[0] == 200
        return False


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    try:
        assert eventually(running.is_up)
        yield running
    finally:
        running.process.terminate()
        running.process.wait(30)


def test_slow_clients_of_every_shape_delay_no_other(server: Server) -> None:
    with slow_clients(server.port, 60, download="/large") as slow:
        assert max(measure(server.port, "/", 20)) < 2
        slow.trickle()
        assert server.ask("POST", "/", body=b"x")[1] == b"x"


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies_arrive_whole_with_a_length_or_in_chunks(
    server: Server, size: int
) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    parts = (body[start : start + 50_000] for start in range(0, size, 50_000))

    assert server.ask("POST", "/", body=body) == (200, body)
    assert server.ask("POST", "/", body=parts) == (200, body)
    assert server.ask("POST", "/", body=body, headers={"Expect": "100-continue"}) == (
        200,
        body,
    )


def test_a_computed_file_is_sent_whole_with_its_length(server: Server) -> None:
    assert server.ask("GET", "/stream") == (200, PART * 100)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("HEAD", "/stream")
        response = connection.getresponse()
        assert response.getheader("Content-Length") == str(len(PART) * 100)
        assert response.getheader("Server") == "Orgdesk"


def test_a_client_that_leaves_a_large_file_holds_no_thread(server: Server) -> None:
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            assert str(PARTS * len(PART)).encode() in client.recv(1_000)
    assert server.ask("GET", "/")[0] == 200


def test_pipelined_requests_and_old_clients_are_answered(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\ncd"
            b"GET / HTTP/1.0\r\n\r\n"
        )
        received = b""
        while more := client.recv(10_000):
            received += more
    assert received.count(b"200 OK") == 3
    assert received.index(b"\r\n\r\nab") < received.index(b"\r\n\r\ncd")


def test_a_stop_waits_for_the_requests_that_run(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.ask("GET", "/")[0] == 200  # it has the one before, too
        server.process.send_signal(signal.SIGTERM)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    server.process.wait(30)
