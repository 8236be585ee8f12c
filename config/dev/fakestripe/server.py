"""The HTTP server: keep-alive, each answer in one write, loopback only."""

import itertools
import json
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from config.dev.fakestripe import access, advance, api, errors, pages, webhooks
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.api import Answer
from config.dev.fakestripe.controls import Controls
from config.dev.fakestripe.errors import ApiError
from config.dev.fakestripe.scripts import Fault, Scripts
from config.dev.fakestripe.store import Store

_JSON = {"content-type": "application/json"}
_HTML = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline';"
    " form-action 'self'",
}
_LARGEST = 256 << 20
_TICK_SECONDS = 0.5
_FORGET_TICKS = 600


class Server(ThreadingHTTPServer):
    """A server of one account on 127.0.0.1; `port` 0 takes a free port.

    Without a key it accepts every test key.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, state: Path, key: str = access.OPEN) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.base_url = f"http://127.0.0.1:{self.server_address[1]}"
        self.key = key
        pages_url = f"{self.base_url}{access.pages_path(key)}"
        account = Account(Store(state), pages_url)
        self.account = account
        self.scripts = Scripts()
        self.sender = webhooks.Sender(account, self.scripts)
        self.controls = Controls(account, self.scripts, self.sender)

    def start_threads(self) -> None:
        self.sender.start()
        threading.Thread(target=self._tick, daemon=True, name="clock").start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnected; other errors are in the response."""

    def _tick(self) -> None:
        """Do what is due while the clock runs, a hundred objects at a time."""
        store = self.account.store
        for tick in itertools.count():
            time.sleep(_TICK_SECONDS)
            try:
                with store.transaction():
                    if store.setting("frozen") is None:
                        advance.run_due(self.account, self.account.now(), most=100)
                        if tick % _FORGET_TICKS == 0:
                            advance.forget(self.account)
            except Exception:
                traceback.print_exc()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: `GET /_fake/requests` lists the calls."""

    def _answer(self) -> None:
        """Answer 500 and log the exception, instead of cutting the connection."""
        try:
            if self._is_ours():
                self._route()
            else:
                refusal = ApiError(403, "Only programs of this machine may ask.")
                self._send(Answer(403, json.dumps(refusal.body()).encode()))
        except (OSError, EOFError):
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            self._send(Answer(500, json.dumps(_FAILED.body()).encode()))

    def _is_ours(self) -> bool:
        """Refuse requests whose Host header is not this machine (DNS rebinding)."""
        origin = self.headers.get("origin", self.server.base_url)
        host = self.headers.get("host", "").partition(":")[0]
        return origin == self.server.base_url and host in {"127.0.0.1", "localhost"}

    def _route(self) -> None:
        path, _, query = self.path.partition("?")
        prefix = access.pages_path(self.server.key)
        body = self._body()
        if body is None:
            return
        if page := access.page_of(path, prefix):
            account = self.server.account
            status, html = pages.answer(account, self.command, page, prefix)
            self._send(Answer(status, html.encode(), _HTML))
        elif not access.is_allowed(self.server.key, self._authorization()):
            refusal = errors.unauthorized("Invalid API Key provided.")
            self._send(Answer(401, json.dumps(refusal.body()).encode(), _JSON))
        elif path.startswith("/v1/"):
            self._answer_api(path, body if self.command == "POST" else query or body)
        elif path.startswith("/_fake/"):
            self._send(self._controlled(path, query, body))
        else:
            refusal = ApiError(404, f"Unrecognized request URL ({path}).")
            self._send(Answer(404, json.dumps(refusal.body()).encode(), _JSON))

    def _authorization(self) -> str:
        return str(self.headers.get("authorization", ""))

    def _body(self) -> str | None:
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _LARGEST:
            self.close_connection = True
            return None
        return self.rfile.read(int(length)).decode(errors="replace")

    def _controlled(self, path: str, query: str, body: str) -> Answer:
        try:
            given = json.loads(body) if body else dict(parse_qsl(query))
            result = self.server.controls.answer(self.command, path, given)
            return Answer(200, json.dumps(result).encode(), _JSON)
        except ApiError as error:
            return Answer(error.status, json.dumps(error.body()).encode(), _JSON)
        except ValueError as error:
            return Answer(400, json.dumps({"error": str(error)}).encode(), _JSON)

    def _answer_api(self, path: str, text: str) -> None:
        self.server.controls.calls.append(
            {
                "method": self.command,
                "path": path,
                "params": parse_qsl(text, keep_blank_values=True),
                "idempotency_key": self.headers.get("idempotency-key"),
                "version": self.headers.get("stripe-version"),
            }
        )
        if latency := self.server.scripts.latency:
            time.sleep(latency)
        fault = self.server.scripts.take(self.command, path)
        if fault and fault.do in _INSTEAD:
            self._spoil(fault)
            return
        if fault and fault.do == "latency":
            time.sleep(fault.seconds)
        self._deliver(self._called(path, text, fault), fault)
        if self.command != "GET":
            self.server.sender.woken.set()

    def _called(self, path: str, text: str, fault: Fault | None) -> Answer:
        headers = {key.lower(): value for key, value in self.headers.items()}
        account = self.server.account
        broken = fault is not None and fault.do == "error_saved"
        return api.answer(account, self.command, path, text, headers, broken=broken)

    def _deliver(self, answer: Answer, fault: Fault | None) -> None:
        """Send the answer of a call that was done, unless a fault spoils it."""
        if fault and fault.do == "disconnect_after":
            self._cut()
        elif fault and fault.do == "truncate":
            self._send(answer, only=len(answer.body) // 2)
            self._cut()
        elif fault and fault.do == "garbage":
            self._send(Answer(200, b"<html>Bad gateway</html>", _HTML))
        else:
            self._send(answer)

    def _spoil(self, fault: Fault) -> None:
        """Answer with a fault before the call is done."""
        if fault.do == "hang":
            time.sleep(fault.seconds)
        if fault.do in {"hang", "disconnect_before"}:
            self._cut()
            return
        status, error, headers = _INSTEAD[fault.do]
        status = fault.status if fault.do == "error" else status
        body = json.dumps(error.body()).encode()
        self._send(Answer(status, body, _JSON | headers))

    def _send(self, answer: Answer, *, only: int | None = None) -> None:
        """Status, headers and body in one write: two would wait for each other."""
        lines = [f"HTTP/1.1 {answer.status} {_WORDS.get(answer.status, 'Answer')}"]
        headers = _JSON | dict(answer.headers) | {"content-length": len(answer.body)}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        try:
            self.wfile.write(head + answer.body[:only])
        except OSError:
            self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True


_WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
_WORDS |= {402: "Payment Required", 409: "Conflict", 429: "Too Many Requests"}
_WORDS |= {500: "Internal Server Error", 503: "Service Unavailable"}
_FAILED = ApiError(500, "An unknown error occurred", kind="api_error")
_INSTEAD: dict[str, tuple[int, ApiError, dict[str, str]]] = {
    "rate_limit": (
        429,
        ApiError(429, "Too many requests", code="rate_limit"),
        {"retry-after": "1", "stripe-rate-limited-reason": "global-rate"},
    ),
    "error": (500, _FAILED, {}),
    "conflict": (
        409,
        ApiError(409, "This object cannot be accessed right now", code="lock_timeout"),
        {},
    ),
    "hang": (0, _FAILED, {}),
    "disconnect_before": (0, _FAILED, {}),
}
