"""Slow clients of every shape, and how fast others are answered meanwhile.

    python -m bench.slow_clients --port 8000 --clients 1000 [--download PATH] [PATH …]

Opens so many connections of each shape to 127.0.0.1 and keeps them slow, prints the
median and the slowest answer to each path without and with them, and how many of them
the server still serves.
"""

import argparse
import contextlib
import http.client
import itertools
import resource
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_HEAD = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
_POST = f"POST /api/v1/users/auth/_login HTTP/1.1\r\n{_HEAD}"
SHAPES = {
    "slow headers": f"POST / HTTP/1.1\r\n{_HEAD}",
    "slow body": f"{_POST}Content-Length: 1000\r\n\r\n{{",
    "body never sent": f"{_POST}Content-Length: 1000\r\n\r\n",
    "body after 100": f"{_POST}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "slow chunks": f"{_POST}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n",
    "silent": "",
}
# The next bytes of each, one at a time.
_NEXT = {"slow headers": b"x", "slow body": b" ", "slow chunks": b"1\r\n \r\n"}
_SETTLE_SECONDS = 5.0
_SMALL = 4_096  # bytes that a slow reader's socket receives on its own


@dataclass
class Slow:
    """Slow connections to a port, by shape."""

    port: int
    sockets: dict[str, list[socket.socket]] = field(default_factory=dict)

    def open(self, shape: str, count: int, text: str) -> None:
        """Open connections that begin with a text."""
        self.sockets[shape] = [self._connect(text.encode()) for _ in range(count)]

    def _connect(self, data: bytes) -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        client.settimeout(30)
        client.connect(("127.0.0.1", self.port))
        client.sendall(data)
        return client

    def half_close(self, shape: str) -> None:
        """Stop sending on all connections of a shape, and keep them open."""
        for client in self.sockets[shape]:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)

    def trickle(self) -> None:
        """Send the next byte of every connection that goes on."""
        for shape, data in _NEXT.items():
            for client in self.sockets.get(shape, []):
                with contextlib.suppress(OSError):
                    client.send(data)

    def close(self) -> None:
        """Close all connections."""
        for client in itertools.chain(*self.sockets.values()):
            client.close()


@contextlib.contextmanager
def slow_clients(port: int, count: int, download: str = "") -> Iterator[Slow]:
    """Keep `count` connections of each shape open during the block."""
    slow = Slow(port)
    try:
        for shape, text in SHAPES.items():
            slow.open(shape, count, text)
        slow.open("half open", count, SHAPES["slow body"])
        slow.half_close("half open")
        if download:
            slow.open("slow reader", count, f"GET {download} HTTP/1.1\r\n{_HEAD}\r\n")
        slow.trickle()
        yield slow
    finally:
        slow.close()


def measure(port: int, path: str, count: int) -> list[float]:
    """Return the seconds of `count` answers to a path, each on its own connection."""
    return [_seconds(port, path) for _ in range(count)]


def _seconds(port: int, path: str) -> float:
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    finally:
        connection.close()
    return time.perf_counter() - started


def main() -> None:
    """Print the figures."""
    options = _arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    idle = {path: measure(options.port, path, 50) for path in options.paths}
    with slow_clients(options.port, options.clients, options.download) as slow:
        time.sleep(_SETTLE_SECONDS)  # until the buffers of slow readers are full
        total = sum(map(len, slow.sockets.values()))
        print(f"{total} slow connections, {options.clients} of each shape")
        for path, before in idle.items():
            slow.trickle()
            _print(path, before, measure(options.port, path, 50))


def _print(path: str, before: Sequence[float], during: Sequence[float]) -> None:
    idle, busy = (1000 * statistics.median(times) for times in (before, during))
    print(
        f"{path}: median {idle:.1f} ms idle, {busy:.1f} ms with them"
        f" ({busy / idle:.1f} x); slowest {1000 * max(during):.1f} ms"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.slow_clients", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, default=1_000, help="of each shape")
    parser.add_argument("--download", default="", help="a large file to read slowly")
    parser.add_argument("paths", nargs="*", default=["/healthz"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
