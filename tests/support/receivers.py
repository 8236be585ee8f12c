"""Servers that receive what is sent to the URLs of users, and answer by a script.

A script gets the connection after its request was read, and may do whatever a server in
the world does: answer, drip, hang, or end.
"""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Script = Callable[["Request", socket.socket], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was received; the names of headers are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: int = 204, body: bytes = b"", *headers: str) -> Script:
    """Return a script that answers each request so."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    text = "\r\n".join(lines).encode() + body
    return lambda _, connection: connection.sendall(text)


def hang(_: Request, connection: socket.socket) -> None:
    """Answer nothing, until the client closes."""
    connection.recv(1)


def drip(text: bytes, *, seconds: float) -> Script:
    """Return a script that sends a byte, waits, sends the next, for ever."""
    pause = threading.Event()

    def run(_: Request, connection: socket.socket) -> None:
        connection.sendall(text)
        while not pause.wait(seconds):
            connection.sendall(b"x")

    return run


def flood(head: bytes, piece: bytes) -> Script:
    """Return a script that sends pieces for as long as the client reads."""

    def run(_: Request, connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return run


@dataclass(slots=True)
class Receiver:
    """A server on loopback; `requests` are those it received."""

    script: Script
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """Return the address to send to."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/push"

    def serve(self, listener: socket.socket) -> None:
        """Serve each connection in a thread, until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, raw: socket.socket) -> None:
        try:
            with self._secured(raw) as connection:
                request = _read(connection)
                self.requests.append(request)
                self.script(request, connection)
        except (OSError, ValueError):  # the client ended first
            return

    def _secured(self, raw: socket.socket) -> socket.socket:
        return self.tls.wrap_socket(raw, server_side=True) if self.tls else raw


@contextmanager
def receiver(
    script: Script, *, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Serve by the script on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server = Receiver(script, tls, port=listener.getsockname()[1])
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _read(connection: socket.socket) -> Request:
    file = connection.makefile("rb")
    line = file.readline().decode().strip()
    headers: dict[str, str] = {}
    while text := file.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return Request(line, headers, body)


def server_tls(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """Return the TLS settings of a server with this name, and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path
