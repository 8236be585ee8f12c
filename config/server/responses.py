"""Responses of the WSGI application, in a form that needs no thread to be sent."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from io import SEEK_END
from typing import IO, Any, NamedTuple, cast

from orgs.errors import Unavailable

Headers = list[tuple[str, str]]
AT_ONCE = 128 << 10  # bytes that are handed to the web server as they are
_CHUNK = 64 << 10  # of what follows; each slow reader holds one
MAX_SPOOLED = 2 << 30  # bytes of all responses that wait in temporary files
_IN_MEMORY = 1 << 20


class Response(NamedTuple):
    """A response: its bytes, or those it begins with and a function for the others.

    `read` returns nothing at the end. `in_thread` says that it needs the database, and
    therefore a thread. `close` ends the request. A body that goes on is longer than
    `AT_ONCE`, and its length is stated: one that is cut off is seen as not whole.
    """

    status: int
    headers: Headers
    body: bytes
    read: Callable[[], bytes] | None = None
    in_thread: bool = False
    close: Callable[[], None] = lambda: None


class _Spool:
    """The bytes of all responses in temporary files."""

    size = 0


def run(application: Any, environ: dict[str, Any]) -> Response:
    """Run the application and return its response.

    What is computed while it is sent (a CSV file) is computed now, into a temporary
    file, so that a slow reader holds no thread and an error is no half of a file. Only
    a file that states its length and is read piece by piece is read while it is sent.
    """
    started: list[Any] = []
    result = application(environ, lambda *start: started.append(start))
    status, headers = int(started[0][0][:3]), list(started[0][1])
    if getattr(result, "streaming", False):
        return _streaming(status, headers, result)
    try:
        return Response(status, headers, b"".join(result))
    finally:
        if close := getattr(result, "close", None):
            close()


def _streaming(status: int, headers: Headers, result: Any) -> Response:
    file = getattr(result, "file_to_stream", None)
    if file is not None:
        return _of_file(status, headers, file, result.close)
    if not _has_length(headers):
        file, close = _spool(result)
        return _of_file(status, headers, file, close)
    return _of_parts(status, headers, iter(result), result.close)


def _of_parts(
    status: int, headers: Headers, parts: Iterator[bytes], close: Callable[[], None]
) -> Response:
    """Return the first parts, and how to read the others."""
    start = b""
    while len(start) < AT_ONCE:
        part = next(parts, b"")
        start += part
        if not part:
            close()
            return Response(status, headers, start)

    def read() -> bytes:
        return next(parts, b"")

    return Response(status, headers, start, read, in_thread=True, close=close)


def _remaining(file: IO[bytes]) -> int:
    position = file.tell()
    size = file.seek(0, SEEK_END) - position
    file.seek(position)
    return size


def _of_file(
    status: int, headers: Headers, file: IO[bytes], close: Callable[[], None]
) -> Response:
    """Return a whole file if it is small, or else its beginning and how to go on."""
    if not _has_length(headers):
        headers.append(("Content-Length", str(_remaining(file))))
    start = file.read(AT_ONCE)
    if len(start) == AT_ONCE:

        def read() -> bytes:
            return file.read(_CHUNK)

        return Response(status, headers, start, read, in_thread=False, close=close)
    close()
    return Response(status, headers, start)


def _has_length(headers: Headers) -> bool:
    return any(name.lower() == "content-length" for name, _ in headers)


def _spool(result: Any) -> tuple[IO[bytes], Callable[[], None]]:
    """Return all parts as a file, and a function that removes it."""
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    try:
        size = _fill(file, result)
    except BaseException:
        file.close()
        raise
    finally:
        result.close()

    def close() -> None:
        file.close()
        _Spool.size -= size

    return cast("IO[bytes]", file), close


def _fill(file: Any, parts: Iterable[bytes]) -> int:
    """Write all parts; return their size, which counts until the file is closed."""
    size = 0
    try:
        for part in parts:
            size += len(part)
            _Spool.size += len(part)
            if _Spool.size > MAX_SPOOLED:
                raise Unavailable("Too many large files at once. Try again in 5 s.")
            file.write(part)
    except BaseException:
        _Spool.size -= size
        raise
    file.seek(0)
    return size
