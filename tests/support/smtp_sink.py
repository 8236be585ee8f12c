"""A mail host that does as it is told: takes letters, refuses, hangs, hangs up.

A real server on a port of its own, one thread a conversation. `script` says what to do
at a step, for all or for a domain or address; `letters` are what it said yes to.
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

_PATIENCE = 30.0  # seconds that a hang lasts unless the test lets go


@dataclass(frozen=True)
class Taken:
    """A letter that the host has; whoever sent it may not have heard so."""

    to: str
    raw: bytes
    is_secret: bool = False  # came by TLS

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
        found = part.get_body(preferencelist=(kind,))
        return str(found.get_content()).replace("\r\n", "\n")


@dataclass
class SmtpSink:
    """Steps are connect, mail, rcpt, body (the letter is there, not taken) and data (it
    is taken, no answer yet).

    What it does there: "hang", "cut", or an answer such as "421 busy". With `tls` it
    offers STARTTLS, or with `is_tls` speaks nothing else; with `login` it wants a name
    and password.
    """

    port: int = 0
    alert_emails: list[Taken] = field(default_factory=list)
    conversations: int = 0
    tls: ssl.SSLContext | None = None
    is_tls: bool = False
    login: tuple[str, str] | None = None
    tried: list[str] = field(default_factory=list)  # names that tried to log in
    _scripts: dict[tuple[str, str], str] = field(default_factory=dict)
    _reached: dict[str, threading.Event] = field(default_factory=dict)
    _release: threading.Event = field(default_factory=threading.Event)

    def script(self, step: str, do: str, *, to: str = "") -> None:
        """`to` is an address or a domain; without it, all."""
        self._scripts[step, to] = do

    def relent(self) -> None:
        """From now on it takes everything; who hangs is let go."""
        self._scripts.clear()
        self._release.set()
        self._release = threading.Event()

    def await_(self, step: str) -> None:
        """Until a conversation has come to a step that is scripted."""
        assert self._event(step).wait(20), f"nobody came to {step}"

    def reset(self) -> None:
        self.relent()
        self.alert_emails.clear()
        self._reached.clear()
        self.tried.clear()
        self.conversations = 0
        self.tls, self.is_tls, self.login = None, False, None

    def ids(self) -> list[str]:
        return [one.id for one in self.alert_emails]

    def to(self) -> list[str]:
        return sorted(one.to for one in self.alert_emails)

    def what(self, step: str, address: str = "") -> str:
        """What to do now; marks that somebody came here."""
        names = (address, address.rpartition("@")[2], "")
        found = next((do for to in names if (do := self._scripts.get((step, to)))), "")
        if found:
            self._event(step).set()
        if found == "hang":
            self._release.wait(_PATIENCE)
            return "cut"
        return found

    def _event(self, step: str) -> threading.Event:
        return self._reached.setdefault(step, threading.Event())


class _Conversation(socketserver.StreamRequestHandler):
    sink: SmtpSink

    def handle(self) -> None:
        self.sink.conversations += 1
        self.to: list[str] = []
        self.is_secret = self.is_known = False
        try:
            if self.sink.is_tls:
                self._secure()
            if self._say(self.sink.what("connect") or "220 sink"):
                while self._obey(self.rfile.readline().decode().strip()):
                    pass
        except (OSError, ValueError):
            return  # whoever spoke is gone
        finally:
            if self.is_secret:
                self.connection.close()  # the server closes the one below it

    def _obey(self, line: str) -> bool:
        """Whether the conversation goes on."""
        verb = line[:4].upper()
        known: dict[str, Callable[[str], bool]] = {
            "EHLO": self._greet,
            "STAR": self._start_tls,
            "AUTH": self._log_in,
            "HELO": lambda _: self._say("250 sink"),
            "RSET": self._reset,
            "NOOP": lambda _: self._say("250 ok"),
            "MAIL": self._sender,
            "RCPT": self._recipient,
            "DATA": self._data,
        }
        if verb in known:
            return known[verb](line)
        self._say("221 bye" if verb == "QUIT" else "500 what?")
        return verb not in {"QUIT", ""}

    def _greet(self, _: str) -> bool:
        offers = ["sink", "8BITMIME"]
        if self.sink.tls and not self.is_secret:
            offers.append("STARTTLS")
        if self.sink.login and (self.is_secret or not self.sink.tls):
            offers.append("AUTH PLAIN")
        *lines, last = offers
        return self._say("".join(f"250-{one}\r\n" for one in lines) + f"250 {last}")

    def _start_tls(self, _: str) -> bool:
        self._say("220 go on")
        self._secure()
        return True

    def _secure(self) -> None:
        assert self.sink.tls
        self.connection = self.sink.tls.wrap_socket(self.connection, server_side=True)
        self.setup_files()
        self.is_secret = True

    def setup_files(self) -> None:
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]

    def _log_in(self, line: str) -> bool:
        sent = base64.b64decode(line.rpartition(" ")[2])
        _, name, password = sent.decode().split("\0")
        self.sink.tried.append(name)
        self.is_known = (name, password) == self.sink.login
        return self._say("235 ok" if self.is_known else "535 who are you?")

    def _sender(self, _: str) -> bool:
        if self.sink.login and not self.is_known:
            return self._say("530 log in first")
        return self._say(self.sink.what("mail") or "250 ok")

    def _reset(self, _: str) -> bool:
        self.to = []
        return self._say("250 ok")

    def _recipient(self, line: str) -> bool:
        address = line.partition("<")[2].partition(">")[0]
        answer = self.sink.what("rcpt", address) or "250 ok"
        if answer.startswith("250"):
            self.to.append(address)
        return self._say(answer)

    def _data(self, _: str) -> bool:
        self._say("354 go on")
        lines = iter(self.rfile.readline, b".\r\n")
        raw = b"".join(one[1:] if one[:2] == b".." else one for one in lines)
        address = self.to[0]
        answer = self.sink.what("body", address)
        if not answer:
            taken = (Taken(to, raw, self.is_secret) for to in self.to)
            self.sink.alert_emails.extend(taken)
            answer = self.sink.what("data", address) or "250 taken"
        self.to = []
        return self._say(answer)

    def _say(self, answer: str) -> bool:
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
    handler = type("Handler", (_Conversation,), {"sink": sink})
    with _Server(("127.0.0.1", 0), handler) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield sink
        sink.relent()
        server.shutdown()


@pytest.fixture
def smtp_sink(smtp_sink_server: SmtpSink, settings: Settings) -> SmtpSink:
    """Empty and willing; the settings point at it, and wait little for it."""
    smtp_sink_server.reset()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = smtp_sink_server.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 1.5
    return smtp_sink_server
