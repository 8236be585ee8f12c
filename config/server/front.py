"""The front of the web process: an RSGI application that runs a WSGI application.

The web server reads heads of requests without Python. One thread runs an event loop,
which reads bodies and sends large responses under deadlines, for all clients at once; a
few threads run the application, each for a request that has arrived whole. So no thread
and no database connection waits for a client.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from config.server.bodies import Body, Disconnected, announced_size, read_body
from config.server.environ import HeaderRefused, Scope, basic_environ, environ_of
from config.server.pipes import Pipe
from config.server.responses import AT_ONCE, Response, run
from config.server.threads import Threads
from orgs.errors import DomainError, Unavailable

logger = logging.getLogger(__name__)
_SERVER = ("server", "Orgdesk")  # or the web server writes its own name
_CLOSE = ("connection", "close")


class Connection(Protocol):
    """The web server's side of a request: it gives a body and takes a response."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def response_bytes(
        self, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None: ...

    def response_file(
        self, status: int, headers: list[tuple[str, str]], file: str
    ) -> None: ...


class Exchange(NamedTuple):
    """A request and its connection; `done` is called once, after the response."""

    scope: Scope
    connection: Connection
    done: Callable[[], object]


class Front:
    """Hands requests to threads, and responses to the web server."""

    def __init__(self, application: Any, threads: int) -> None:
        self.application = application
        self.threads = Threads(threads)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    async def __rsgi__(self, scope: Any, connection: Any) -> None:
        """Answer a request of a web server that calls this in its event loop."""
        if scope.proto != "http":
            return
        self.loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        done = partial(self.loop.call_soon_threadsafe, answered.set)
        self.accept(Exchange(scope, connection, done))
        await answered.wait()

    def accept(self, exchange: Exchange) -> None:
        """Begin with a request, in any thread; never blocks."""
        try:
            size = announced_size(exchange.scope.headers)
            if self.threads.is_full:
                raise Unavailable("Too many requests are waiting. Try again in 5 s.")
        except DomainError as error:
            _refuse(exchange, error)
            return
        if size == 0:
            self.threads.submit(self._run, exchange, Body())
        else:
            self._in_loop(self._read, exchange, size)

    def _in_loop(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run a coroutine function in the event loop."""
        assert self.loop is not None  # noqa: S101  for the types
        self.loop.call_soon_threadsafe(self._create_task, function, arguments)

    def _create_task(
        self, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        task = asyncio.get_running_loop().create_task(function(*arguments))
        self.tasks.add(task)  # the loop itself holds its tasks weakly
        task.add_done_callback(self.tasks.discard)

    async def _read(self, exchange: Exchange, size: int | None) -> None:
        """Read the body, then let a thread run the application."""
        body = Body()
        try:
            await read_body(aiter(exchange.connection), body, size)
        except DomainError as error:
            body.release()
            _refuse(exchange, error)
        except Exception as error:
            body.release()
            logger.info("body_incomplete error=%s", type(error).__name__)
            _refuse(exchange, Disconnected())
        else:
            self.threads.submit(self._run, exchange, body)

    def _run(self, exchange: Exchange, body: Body) -> None:
        """Run the application, in one of the threads, and begin the response."""
        try:
            environ = environ_of(exchange.scope)
            if body.size:
                environ["CONTENT_LENGTH"] = str(body.size)
                environ["wsgi.input"] = body.open()
            response = run(self.application, environ)
        except DomainError as error:
            _refuse(exchange, error)
        except Exception:
            logger.exception("request_failed path=%s", exchange.scope.path)
            _refuse(exchange, _Failed())
        else:
            self._respond(exchange, response)
        finally:
            body.release()

    def _respond(self, exchange: Exchange, response: Response) -> None:
        headers = [*response.headers, _SERVER]
        if response.read is None and len(response.body) <= AT_ONCE:
            exchange.connection.response_bytes(response.status, headers, response.body)
            exchange.done()
        else:
            self._in_loop(self._stream, exchange, response, headers)

    async def _stream(
        self, exchange: Exchange, response: Response, headers: list[tuple[str, str]]
    ) -> None:
        """Send a large response as fast as the client reads it."""
        pipe = Pipe()
        exchange.connection.response_file(response.status, headers, pipe.path)
        exchange.done()
        try:
            await pipe.write(response.body)
            while chunk := await self._next(response):
                await pipe.write(chunk)
        except (OSError, TimeoutError) as error:  # the client left, or does not read
            logger.info("response_cut_off error=%s", type(error).__name__)
        except Exception:
            logger.exception("response_failed path=%s", exchange.scope.path)
        finally:
            pipe.close()
            await self._call(response, response.close)

    async def _next(self, response: Response) -> bytes:
        if response.read is None:
            return b""
        chunk: bytes = await self._call(response, response.read)
        return chunk

    async def _call(self, response: Response, function: Callable[[], Any]) -> Any:
        """Call a function of a response, in a thread if it needs the database."""
        if not response.in_thread:
            return function()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self.threads.submit(_settle, loop, future, function)
        return await future


class _Failed(DomainError):
    status = 500
    code = "failed_request"

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side. The error was logged.")


def _settle(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Any],
    function: Callable[[], Any],
) -> None:
    """Give the result of a function, or its error, to a future of the loop."""
    try:
        result = function()
    except BaseException as error:
        loop.call_soon_threadsafe(future.set_exception, error)
    else:
        loop.call_soon_threadsafe(future.set_result, result)


def _refuse(exchange: Exchange, error: DomainError) -> None:
    """Answer with an error and close the connection: its body was not read."""
    # Not at the top: it needs Django, which the main process has not loaded.
    from config.server.refusals import refuse  # noqa: PLC0415

    try:
        environ = environ_of(exchange.scope)
    except HeaderRefused:
        environ = basic_environ(exchange.scope)
    refusal = refuse(environ, error)
    headers = [*refusal.headers, _CLOSE, _SERVER]
    exchange.connection.response_bytes(refusal.status, headers, refusal.body)
    exchange.done()
