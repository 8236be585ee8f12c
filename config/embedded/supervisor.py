"""Servers, web, worker and beat as one: started together, restarted, stopped in order.

Imports neither Django nor Celery: it stays below 20 MB and starts at once.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from config.embedded import folders, process, sources
from config.embedded.postgres import Postgres
from config.embedded.process import Pause, StartError, Stopped
from config.embedded.stripe import FakeStripe
from config.embedded.valkey import Valkey

_BASE_DIR = Path(__file__).resolve().parent.parent.parent
_READY_SECONDS = 60.0
_GRANIAN = [
    "granian",
    "--interface=wsgi",
    "--host=127.0.0.1",
    "--http=1",
    "--no-ws",
    "--workers=1",
    "--blocking-threads=4",
    "--respawn-failed-workers",
    "--workers-kill-timeout=5",
]
_INFO = ["--loglevel", "info"]
_SERVING = {200, 301}  # 301: HTTPS_ONLY=1, behind a proxy that speaks TLS
_DEATHS_A_MINUTE = 5


class Runnable(Protocol):
    """What the supervisor keeps alive: a server, or one of our own programs."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    process: subprocess.Popen[bytes] | None

    def start(self, pause: Pause) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Program:
    """One of our own Python programs: web, worker or beat."""

    name: str
    command: list[str]
    log: Path
    stop_steps: Sequence[tuple[int, float]]
    process: subprocess.Popen[bytes] | None = None

    def start(self, pause: Pause) -> None:
        """Does not wait until it serves. If we are killed, so is it.

        Its servers end with us, too: a worker that was asked politely would wait for
        its tasks, and those for servers that are gone. What it did is safe in rows.
        """
        with process.open_log(self.log) as log:
            self.process = process.spawn(
                [sys.executable, "-m", "config.embedded.program", *self.command],
                log=log,
                env=os.environ | {"ORGDESK_PROCESS": self.name},
                cwd=_BASE_DIR,
                death_signal=signal.SIGKILL,
            )

    def ask_to_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_steps[0][0])

    def stop(self) -> None:
        if self.process:
            process.end(self.process, self.stop_steps)


@dataclass
class Kept:
    """A runnable with the times it died: it comes back later each time, five times."""

    runnable: Runnable
    deaths: deque[float] = field(default_factory=deque)
    due: float | None = None

    def note_death(self, now: float) -> bool:
        """Plan the restart; False when it died too often to go on."""
        self.deaths.append(now)
        while self.deaths[0] < now - 60:
            self.deaths.popleft()
        self.due = now + (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)[min(len(self.deaths), 6) - 1]
        return len(self.deaths) <= _DEATHS_A_MINUTE


def programs(state: Path, port: int) -> list[Program]:
    """In the order they stop: no new requests, no new tasks, then the last tasks."""
    logs = state / "logs"
    celery = ["celery", "-A", "config.celery"]
    worker = ["worker", "-c", "2", "--without-gossip", "--without-mingle"]
    beat = ["beat", "--pidfile=", "-s", str(state / "beat-schedule")]
    # SIGQUIT makes a worker give up its running tasks; the queue gives them out again.
    patient = [(signal.SIGTERM, 5.0), (signal.SIGQUIT, 3.0)]
    return [
        Program(
            "web",
            [*_GRANIAN, "--port", str(port), "config.wsgi:application"],
            logs / "web.log",
            [(signal.SIGTERM, 8.0)],
        ),
        Program(
            "beat", [*celery, *beat, *_INFO], logs / "beat.log", [(signal.SIGTERM, 5.0)]
        ),
        Program("worker", [*celery, *worker, *_INFO], logs / "worker.log", patient),
    ]


def embedded_servers(state: Path, port: int) -> list[Runnable]:
    """Those no URL or key replaces, in the order they stop."""
    servers: list[Runnable] = []
    if not os.environ.get("STRIPE_SECRET_KEY"):
        servers.append(FakeStripe(state, port, _host()))
    if not os.environ.get("REDIS_URL"):
        servers.append(Valkey(state))
    if not os.environ.get("DATABASE_URL"):
        servers.append(Postgres(state))
    return servers


class Supervisor:
    """One run of everything on one state folder, whose lock the caller holds."""

    def __init__(self, state: Path, port: int) -> None:
        self.state = state
        self.port = port
        self.signals = process.StopSignals()
        self.programs = programs(state, port)
        self.servers = embedded_servers(state, port)
        self.kept: list[Kept] = []
        self.helpers: list[subprocess.Popen[bytes]] = []

    def run(self) -> int:
        """Until asked to stop (0) or unable to go on (1); stops all it started."""
        process.adopt_orphans()
        _set_environment(self.state)
        os.environ.setdefault("SITE_URL", f"http://127.0.0.1:{self.port}")
        try:
            self._start()
            self._keep()
        except Stopped:
            return 0
        except StartError as error:
            print(error, file=sys.stderr, flush=True)
            return 1
        finally:
            self._stop()
        return 0

    def _start(self) -> None:
        folders.make_secret_key(self.state)
        say(self._which_servers())
        for server in self.servers:
            if isinstance(server, FakeStripe):
                server.set_environment()
                say(f"no STRIPE_SECRET_KEY: a stand-in for Stripe at {server.url}")
            self._begin(server)
        greeting = self._serve()
        for line in greeting.splitlines():
            say(line)
        say(f"ready http://127.0.0.1:{self.port}/")

    def _serve(self) -> str:
        """Importing Django takes seconds: what can start at the same time does.

        Beat waits for the first page: it has nothing to do within seconds.
        """
        web, beat, worker = self.programs
        stamp = self.state / "served.fingerprint"
        wanted = sources.fingerprint(_BASE_DIR)
        unchanged = stamp.exists() and stamp.read_text() == wanted
        unchanged &= (self.state / "static" / "staticfiles.json").exists()
        if unchanged:  # migrated, and with its static files
            self._begin(web)
        greeting = self._prepare()
        for program in (worker,) if unchanged else (web, worker):
            self._begin(program)
        self._await_health()
        self._begin(beat)
        stamp.write_text(wanted)
        return greeting

    def _which_servers(self) -> str:
        which = {
            name: "embedded" if not os.environ.get(name) else f"of {name}"
            for name in ("DATABASE_URL", "REDIS_URL")
        }
        return (
            f"PostgreSQL {which['DATABASE_URL']}, Valkey {which['REDIS_URL']},"
            f" state in {self.state}"
        )

    def _begin(self, runnable: Runnable) -> None:
        self.kept.append(Kept(runnable))
        runnable.start(self.signals.pause)

    def _prepare(self) -> str:
        """Migrations, static files, demo data: in a process that then is gone."""
        with tempfile.TemporaryFile() as output:
            code = self._run_helper(output)
            output.seek(0)
            said = output.read().decode(errors="replace")
        if code == 1:  # it has said why
            raise Stopped if self.signals.asked else SystemExit(1)
        if code != 0:
            raise StartError(f"manage.py prepare {process.how_it_ended(code)}")
        return said

    def _run_helper(self, output: IO[bytes]) -> int:
        helper = process.spawn(
            [sys.executable, str(_BASE_DIR / "manage.py"), "prepare"],
            log=output,
            stderr=sys.stderr.buffer,
            env=dict(os.environ),
            cwd=_BASE_DIR,
        )
        self.helpers.append(helper)
        while (code := helper.poll()) is None:
            self.signals.pause(0.5)
            self._check_starting([kept.runnable for kept in self.kept])
        return code

    def _check_starting(self, runnables: list[Runnable]) -> None:
        for runnable in runnables:
            child = runnable.process
            if child and (code := child.poll()) is not None:
                ended = process.how_it_ended(code)
                said = process.last_line(runnable.log)
                raise StartError(
                    f"{runnable.name} {ended} while starting ({said}):"
                    f" see {runnable.log}"
                )

    def _await_health(self) -> None:
        end = time.monotonic() + _READY_SECONDS
        while (status := _health(self.port)) not in _SERVING:
            self._check_starting([kept.runnable for kept in self.kept])
            if time.monotonic() > end:
                log = self.state / "logs" / "web.log"
                raise StartError(
                    f"/healthz answers {status or 'nothing'} after"
                    f" {_READY_SECONDS:.0f} seconds: see {log}"
                )
            self.signals.pause(0.03)

    def _keep(self) -> None:
        """Wakes at once when a child ends; otherwise twice a second."""
        while not self.signals.asked:
            for kept in self.kept:
                self._revive(kept)
            planned = [kept.due for kept in self.kept if kept.due is not None]
            until = min(planned, default=time.monotonic() + 0.5)
            self.signals.wait(max(0.0, until - time.monotonic()))

    def _revive(self, kept: Kept) -> None:
        """A restart that fails counts as one more death."""
        child = kept.runnable.process
        if kept.due is None and child and (code := child.poll()) is not None:
            self._mourn(kept, process.how_it_ended(code))
        if kept.due is not None and kept.due <= time.monotonic():
            kept.due = None
            try:
                kept.runnable.start(self.signals.pause)
            except StartError as error:
                kept.runnable.stop()
                self._mourn(kept, f"did not come back ({error})")

    def _mourn(self, kept: Kept, ended: str) -> None:
        """Its orphans go first: they hold its port, its memory or its files."""
        name = kept.runnable.name
        if not kept.note_death(time.monotonic()):
            raise StartError(
                f"{name} {ended}, more than {_DEATHS_A_MINUTE} times in a minute:"
                f" stopping all; see {kept.runnable.log}"
            )
        process.end_adopted(self._known(), patience=0.0)
        say(f"{name} {ended}; restarting it")

    def _known(self) -> set[int]:
        running = [kept.runnable.process for kept in self.kept]
        return {child.pid for child in [*running, *self.helpers] if child}

    def _stop(self) -> None:
        """Web, beat, worker, asked together, awaited in turn; then the servers."""
        for helper in self.helpers:
            process.end(helper, [(signal.SIGTERM, 2.0)])
        for program in self.programs:
            program.ask_to_stop()
        for runnable in [*self.programs, *self.servers]:
            runnable.stop()
        process.end_adopted(set(), patience=0.0)


def say(line: str) -> None:
    """To a terminal that may be gone: then there is nobody to tell."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  to the end


def _set_environment(state: Path) -> None:
    """For every child. The secret key stays in its file, or where it was given."""
    os.environ["STATE_DIR"] = str(state)
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ["HTTPS_ONLY"] = os.environ.get("HTTPS_ONLY") or "0"
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        # Without byte code each of five processes compiles Django for itself, 1.3 s
        # apiece; ours goes where nobody minds.
        os.environ["PYTHONPYCACHEPREFIX"] = str(state / "bytecode")


def check_port(port: int, *, patience: float = 2.0) -> None:
    """Refuse a busy port now, in one sentence, instead of later in a log."""
    end = time.monotonic() + patience
    while True:
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            return
        except OSError as error:
            if time.monotonic() > end or not isinstance(error.errno, int):
                raise StartError(
                    f"Port {port} of 127.0.0.1 cannot be used ({error.strerror}):"
                    " choose another, as in `make up PORT=8001`"
                ) from None
        time.sleep(0.05)


def _health(port: int) -> int | None:
    """The status of /healthz, or nothing while nobody listens."""
    lines = ["GET /healthz HTTP/1.1", f"Host: {_host()}", "Connection: close"]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = client.recv(64).split()
    except OSError:
        return None
    return int(answer[1]) if len(answer) > 1 and answer[1].isdigit() else None


def _host() -> str:
    """A name our own web process answers to."""
    allowed = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    return allowed if allowed not in {"", "*"} else "127.0.0.1"


def run(state: Path, port: int) -> int:
    return Supervisor(state, port).run()
