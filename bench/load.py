"""The load generator: raw keep-alive sockets that send prepared bytes.

It runs in a separate process, `python -m bench.load`, with a pickled `Load` on standard
input and a pickled `LoadResult` on standard output. It has one thread: at 5,000
requests per second it uses a quarter of a core, for Orgdesk and for peers alike.
"""

import pickle
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

from bench import child

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to a port: each is sent once, or all repeatedly for `seconds`."""

    port: int
    requests: list[bytes]
    connections: int = 8
    seconds: float | None = None
    status: int = 200
    keeps_bodies: bool = False


@dataclass(slots=True)
class LoadResult:
    """The responses to a load; latencies in seconds, in the order of arrival."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Return a percentile of the latencies, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


class UnexpectedResponse(Exception):
    """A response other than the expected one, which makes the figures meaningless."""


def run(load: Load) -> LoadResult:
    """Send a load from a separate process; raises `UnexpectedResponse`."""
    output = child.output("-m", "bench.load", stdin=pickle.dumps(load))
    result = pickle.loads(output)  # noqa: S301  from our child
    if isinstance(result, str):
        raise UnexpectedResponse(result)
    assert isinstance(result, LoadResult)  # noqa: S101  for the types
    return result


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self.received = b""
        self.length = 0  # bytes of the response; 0 until all headers have arrived

    def send(self, request: bytes) -> None:
        self.received, self.length = b"", 0
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Receive what has arrived; return whether the response is complete."""
        more = self.socket.recv(262_144)
        if not more:
            raise UnexpectedResponse("the connection was closed")
        self.received = self.received + more if self.received else more
        if not self.length:
            self.length = _response_length(self.received)
        return 0 < self.length <= len(self.received)


def _response_length(received: bytes) -> int:
    """Return the bytes of headers and body; 0 until all headers have arrived."""
    end = received.find(_END)
    if end < 0:
        return 0
    at = received.find(_LENGTH, 0, end)
    if at < 0 and received[9:12] != b"304":
        at = received.lower().find(_LENGTH, 0, end)
    if at < 0 and received[9:12] != b"304":
        raise UnexpectedResponse(f"no content-length: {received[:300]!r}")
    if at < 0:
        return end + len(_END)
    at += len(_LENGTH)
    return end + len(_END) + int(received[at : received.find(b"\r", at)])


def _drive(load: Load) -> LoadResult:
    result = LoadResult()
    status = str(load.status).encode()
    count = len(load.requests)
    sent = 0
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        end = began + load.seconds if load.seconds else None
        waiting = min(load.connections, count)
        for _ in range(waiting):
            connection = _Connection(load.port)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(load.requests[sent % count])
            sent += 1
        while waiting:
            for key, _ in selector.select():
                connection = key.data
                if not connection.receive():
                    continue
                now = time.perf_counter()
                result.latencies.append(now - connection.began)
                if connection.received[9:12] != status:
                    raise UnexpectedResponse(
                        connection.received[:1000].decode(errors="replace")
                    )
                if load.keeps_bodies:
                    result.bodies.append(connection.received)
                if (now < end) if end else (sent < count):
                    connection.send(load.requests[sent % count])
                    sent += 1
                else:
                    waiting -= 1
        result.seconds = time.perf_counter() - began
    return result


def main() -> None:
    load = pickle.load(sys.stdin.buffer)  # noqa: S301  from our parent
    try:
        result: LoadResult | str = _drive(load)
    except (OSError, UnexpectedResponse) as error:
        result = f"{type(error).__name__}: {error}"
    sys.stdout.buffer.write(pickle.dumps(result))


if __name__ == "__main__":
    # Pickle stores the module of a class: without this import it would be __main__.
    from bench.load import main as module_main

    module_main()
