"""Connections to one checked address, with limits on what is read from them."""

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from orgs.networks import Address
from orgs.outbound.urls import Endpoint

MAX_BODY_BYTES = 64 * 1_024
_MAX_BYTES = MAX_BODY_BYTES + 32 * 1_024  # with the status line and headers


class ReadLimitExceeded(Exception):
    """More bytes were received than any answer may have."""


class Deadline:
    """Ends a connection at an instant, whatever it is doing then.

    A socket's own timeout starts again with each byte, so that a target which sends one
    a second would never time out. This one shuts the socket down from another thread.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None

    @property
    def remaining(self) -> float:
        """Return the seconds that are left, at least a millisecond."""
        return max(self._end - time.monotonic(), 0.001)

    @property
    def has_passed(self) -> bool:
        """Return whether the instant has passed."""
        return time.monotonic() >= self._end

    def watch(self, connected: socket.socket) -> None:
        """Shut this connection down at the deadline.

        A duplicate is kept, because TLS takes over the original's descriptor.
        """
        self.release()
        self._socket = connected.dup()
        self._timer = threading.Timer(self.remaining, _shut_down, (self._socket,))
        self._timer.daemon = True
        self._timer.start()

    def release(self) -> None:
        """Stop watching; call it after the connection was closed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
        self._timer = self._socket = None


def _shut_down(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:  # it was closed at the same moment
        return


def open_connection(
    endpoint: Endpoint, address: Address, deadline: Deadline, seconds: float
) -> HTTPConnection:
    """Return a connection to this address that is not yet established.

    The address must accept it within `seconds`. The name of the URL is what TLS asks
    for and checks in the certificate.
    """
    timeout = deadline.remaining
    if endpoint.scheme == "http":
        connection = _Connection(str(address), endpoint.port, timeout=timeout)
        connection.deadline, connection.seconds = deadline, seconds
        return connection
    secure = _SecureConnection(
        str(address),
        endpoint.port,
        timeout=timeout,
        ssl_context=tls_context(),
        cert_reqs="CERT_REQUIRED",
        server_hostname=endpoint.host,
    )
    secure.deadline, secure.seconds = deadline, seconds
    return secure


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS settings: the system's authorities, names checked."""
    return ssl.create_default_context()


class _LimitedFile(io.BufferedIOBase):
    """What a socket receives, up to a number of bytes; then `ReadLimitExceeded`."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _MAX_BYTES

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise ReadLimitExceeded
        return data

    def _limited(self, read: Callable[[int], bytes], size: int | None) -> bytes:
        limit = self._left + 1
        return self._count(
            read(limit if size is None or size < 0 else min(size, limit))
        )

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._limited(self._file.readline, size)

    def read(self, size: int | None = -1, /) -> bytes:
        return self._limited(self._file.read, size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._limited(self._file.read1, size)

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def flush(self) -> None:
        """Do nothing: the file is only read."""

    def close(self) -> None:
        self._file.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    """A response of which only so many bytes are read, headers included."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fp: Any = _LimitedFile(self.fp)


def _connect(host: str, port: int, deadline: Deadline, seconds: float) -> socket.socket:
    """Return a connected socket, which ends at the deadline.

    Connects to the number itself, so that no resolver is asked again.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        connected.settimeout(seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.connect((host, port))
    except OSError:
        connected.close()
        raise
    connected.settimeout(deadline.remaining)
    deadline.watch(connected)
    return connected


class _Connection(HTTPConnection):
    deadline: Deadline
    seconds: float
    response_class = _LimitedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port, self.deadline, self.seconds)


class _SecureConnection(HTTPSConnection):
    deadline: Deadline
    seconds: float
    response_class = _LimitedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port, self.deadline, self.seconds)
