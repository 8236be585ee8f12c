"""The load generator: raw keep-alive sockets, requests as bytes made beforehand.

It runs in a process of its own, `python -m bench.load`, with a pickled `Load` on
standard input and a pickled `Answer` on standard output. One thread: at 5,000 requests
a second it takes a quarter of a core, from ours and from the peer alike.
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
    """Requests for a port: each once, or round and round for `seconds`."""

    port: int
    requests: list[bytes]
    connections: int = 8
    seconds: float | None = None
    status: int = 200
    keeps_bodies: bool = False


@dataclass(slots=True)
class Answer:
    """What came back; latencies in seconds, in the order of the answers."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


class WrongAnswer(Exception):
    """A status that nobody expected: the numbers would be worth nothing."""


def run(load: Load) -> Answer:
    """In a process of its own; raises `WrongAnswer`."""
    said = child.output("-m", "bench.load", given=pickle.dumps(load))
    answer = pickle.loads(said)  # noqa: S301  our own child's
    if isinstance(answer, str):
        raise WrongAnswer(answer)
    assert isinstance(answer, Answer)  # noqa: S101  for the types
    return answer


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self.received = b""
        self.wanted = 0  # bytes of the whole answer; 0 while its head is incomplete

    def send(self, request: bytes) -> None:
        self.received, self.wanted = b"", 0
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what is there; whether the answer is whole."""
        more = self.socket.recv(262_144)
        if not more:
            raise WrongAnswer("the connection was closed")
        self.received = self.received + more if self.received else more
        if not self.wanted:
            self.wanted = _whole(self.received)
        return 0 < self.wanted <= len(self.received)


def _whole(received: bytes) -> int:
    """How long the answer is, head and body; 0 while the head is incomplete."""
    end = received.find(_END)
    if end < 0:
        return 0
    at = received.find(_LENGTH, 0, end)
    if at < 0 and received[9:12] != b"304":
        at = received.lower().find(_LENGTH, 0, end)
    if at < 0 and received[9:12] != b"304":
        raise WrongAnswer(f"no content-length: {received[:300]!r}")
    if at < 0:
        return end + len(_END)
    at += len(_LENGTH)
    return end + len(_END) + int(received[at : received.find(b"\r", at)])


def _drive(load: Load) -> Answer:
    answer = Answer()
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
                answer.latencies.append(now - connection.began)
                if connection.received[9:12] != status:
                    raise WrongAnswer(
                        connection.received[:1000].decode(errors="replace")
                    )
                if load.keeps_bodies:
                    answer.bodies.append(connection.received)
                if (now < end) if end else (sent < count):
                    connection.send(load.requests[sent % count])
                    sent += 1
                else:
                    waiting -= 1
        answer.seconds = time.perf_counter() - began
    return answer


def main() -> None:
    load = pickle.load(sys.stdin.buffer)  # noqa: S301  our own parent's
    try:
        answer: Answer | str = _drive(load)
    except (OSError, WrongAnswer) as error:
        answer = f"{type(error).__name__}: {error}"
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    # Pickle names classes by module: ours would be __main__'s.
    from bench.load import main as run_here

    run_here()
