"""A scripted mail host for tests: it accepts emails, rejects, hangs or hangs up.

A real server on a free port, with one thread per connection. `script` sets the behavior
of a step, for all, a domain or an address; `alert_emails` are the accepted messages.
"""

import base64
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import SMTP
from typing import Any

import pytest
from pytest_django import Settings

_MAX_HANG = 30.0  # seconds, unless the test ends it


@dataclass(frozen=True)
class AcceptedEmail:
    """An accepted message; its sender may not have received the response."""

    to: str
    raw: bytes
    is_encrypted: bool = False  # received over TLS

    @property
    def message(self) -> Message:
        return message_from_bytes(self.raw, policy=SMTP)

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def body(self, kind: str = "plain") -> str:
        part: Any = self.message
        body = part.get_body(preferencelist=(kind,))
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class SmtpSink:
    """The state and the script of the mail host.

    Steps are connect, mail, rcpt, body (received, not accepted) and data (accepted, not
    answered). Each can "hang", "cut" the connection, or answer, such as "421 busy".
    With `tls` it offers STARTTLS, with `is_tls` it requires TLS from the start; with
    `login` it requires a name and password.
    """

    port: int = 0
    alert_emails: list[AcceptedEmail] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    is_tls: bool = False
    login: tuple[str, str] | None = None
    login_names: list[str] = field(default_factory=list)  # of attempts to log in
    _scripts: dict[tuple[str, str], str] = field(default_factory=dict)
    _reached: dict[str, threading.Event] = field(default_factory=dict)
    _release: threading.Event = field(default_factory=threading.Event)

    def script(self, step: str, do: str, *, to: str = "") -> None:
        """Set the behavior of a step for an address, a domain, or (no `to`) for all."""
        self._scripts[step, to] = do

    def accept_all(self) -> None:
        """Clear the script and end every hang."""
        self._scripts.clear()
        self._release.set()
        self._release = threading.Event()

    def await_(self, step: str) -> None:
        """Wait until a connection has reached a scripted step."""
        assert self._event(step).wait(60), f"no connection reached {step}"

    def reset(self) -> None:
        self.accept_all()
        self.alert_emails.clear()
        self._reached.clear()
        self.login_names.clear()
        self.connections = 0
        self.tls, self.is_tls, self.login = None, False, None

    def ids(self) -> list[str]:
        return [email.id for email in self.alert_emails]

    def to(self) -> list[str]:
        return sorted(email.to for email in self.alert_emails)

    def behavior(self, step: str, address: str = "") -> str:
        """Return the scripted behavior of a step, and note that it was reached."""
        names = (address, address.rpartition("@")[2], "")
        scripted = (
            self._scripts[step, to] for to in names if (step, to) in self._scripts
        )
        behavior = next(filter(None, scripted), "")
        if behavior:
            self._event(step).set()
        if behavior == "hang":
            self._release.wait(_MAX_HANG)
            return "cut"
        return behavior

    def _event(self, step: str) -> threading.Event:
        return self._reached.setdefault(step, threading.Event())


class _Connection(socketserver.StreamRequestHandler):
    sink: SmtpSink

    def handle(self) -> None:
        self.sink.connections += 1
        self.to: list[str] = []
        self.is_encrypted = self.is_known = False
        try:
            if self.sink.is_tls:
                self._secure()
            if self._respond(self.sink.behavior("connect") or "220 sink"):
                while self._handle_command(self.rfile.readline().decode().strip()):
                    pass
        except (OSError, ValueError):
            return  # the client has disconnected
        finally:
            if self.is_encrypted:
                self.connection.close()  # the server closes the one below it

    def _handle_command(self, line: str) -> bool:
        """Handle a command; return whether the connection stays open."""
        verb = line[:4].upper()
        known: dict[str, Callable[[str], bool]] = {
            "EHLO": self._greet,
            "STAR": self._start_tls,
            "AUTH": self._log_in,
            "HELO": lambda _: self._respond("250 sink"),
            "RSET": self._reset,
            "NOOP": lambda _: self._respond("250 ok"),
            "MAIL": self._sender,
            "RCPT": self._recipient,
            "DATA": self._data,
        }
        if verb in known:
            return known[verb](line)
        self._respond("221 bye" if verb == "QUIT" else "500 what?")
        return verb not in {"QUIT", ""}

    def _greet(self, _: str) -> bool:
        offers = ["sink", "8BITMIME"]
        if self.sink.tls and not self.is_encrypted:
            offers.append("STARTTLS")
        if self.sink.login and (self.is_encrypted or not self.sink.tls):
            offers.append("AUTH PLAIN")
        *lines, last = offers
        return self._respond(
            "".join(f"250-{line}\r\n" for line in lines) + f"250 {last}"
        )

    def _start_tls(self, _: str) -> bool:
        self._respond("220 go on")
        self._secure()
        return True

    def _secure(self) -> None:
        assert self.sink.tls
        self.connection = self.sink.tls.wrap_socket(self.connection, server_side=True)
        self.setup_files()
        self.is_encrypted = True

    def setup_files(self) -> None:
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]

    def _log_in(self, line: str) -> bool:
        sent = base64.b64decode(line.rpartition(" ")[2])
        _, name, password = sent.decode().split("\0")
        self.sink.login_names.append(name)
        self.is_known = (name, password) == self.sink.login
        return self._respond("235 ok" if self.is_known else "535 who are you?")

    def _sender(self, _: str) -> bool:
        if self.sink.login and not self.is_known:
            return self._respond("530 log in first")
        return self._respond(self.sink.behavior("mail") or "250 ok")

    def _reset(self, _: str) -> bool:
        self.to = []
        return self._respond("250 ok")

    def _recipient(self, line: str) -> bool:
        address = line.partition("<")[2].partition(">")[0]
        answer = self.sink.behavior("rcpt", address) or "250 ok"
        if answer.startswith("250"):
            self.to.append(address)
        return self._respond(answer)

    def _data(self, _: str) -> bool:
        self._respond("354 go on")
        lines = iter(self.rfile.readline, b".\r\n")
        raw = b"".join(line[1:] if line[:2] == b".." else line for line in lines)
        address = self.to[0]
        answer = self.sink.behavior("body", address)
        if not answer:
            accepted = (AcceptedEmail(to, raw, self.is_encrypted) for to in self.to)
            self.sink.alert_emails.extend(accepted)
            answer = self.sink.behavior("data", address) or "250 accepted"
        self.to = []
        return self._respond(answer)

    def _respond(self, answer: str) -> bool:
        if answer == "cut":
            return False
        self.wfile.write(f"{answer}\r\n".encode())
        return not answer.startswith("421")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture(scope="session")
def smtp_sink_server() -> Iterator[SmtpSink]:
    sink = SmtpSink()
    handler = type("Handler", (_Connection,), {"sink": sink})
    with _Server(("127.0.0.1", 0), handler) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield sink
        sink.accept_all()
        server.shutdown()


@pytest.fixture
def smtp_sink(smtp_sink_server: SmtpSink, settings: Settings) -> SmtpSink:
    """Provide a mail host that accepts everything, with settings that use it."""
    smtp_sink_server.reset()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = smtp_sink_server.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 1.5
    return smtp_sink_server
