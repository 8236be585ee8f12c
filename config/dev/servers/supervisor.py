"""The supervisor of servers, web, worker and beat: it starts, restarts and stops them.

Imports neither Django nor Celery: it takes less than 20 MB and starts at once.
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

from config.dev.servers import error_messages, folders, logs, process, sources
from config.dev.servers.postgres import Postgres
from config.dev.servers.process import Pause, StartError, Stopped
from config.dev.servers.stripe import FakeStripe
from config.dev.servers.valkey import Valkey

_BASE_DIR = Path(__file__).resolve().parents[3]
_READY_SECONDS = 60.0
_INFO = ["--loglevel", "info"]
_NO_STRIPE = (
    "Stripe is off: set STRIPE_SECRET_KEY, or ALLOW_UNSAFE=fake_stripe for the fake one"
    " beside the database of DATABASE_URL"
)
_SERVING = {200, 301}  # 301: HTTPS_ONLY=1, behind a proxy that terminates TLS
_MAX_EXITS_PER_MINUTE = 5
_RESTART_DELAYS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


class Runnable(Protocol):
    """A process that the supervisor keeps running: a server or a program of ours."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    log_start: int  # size of the log when the process was started
    process: subprocess.Popen[bytes] | None

    def start(self, pause: Pause) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Program:
    """A Python program of ours: web, worker or beat."""

    name: str
    command: list[str]
    log: Path
    stop_steps: Sequence[tuple[int, float]]
    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0

    def start(self, pause: Pause) -> None:
        """Start without waiting; the program is killed when the supervisor is.

        The servers end then, too: a worker that stopped politely would wait for its
        tasks, which wait for the servers. Its finished work is safe in the database.
        """
        with logs.open_log(self.log) as log:
            self.log_start = log.tell()
            self.process = process.spawn(
                [sys.executable, "-m", "config.dev.servers.program", *self.command],
                log=log,
                env=os.environ | {"ORGDESK_PROCESS": self.name},
                cwd=_BASE_DIR,
                death_signal=signal.SIGKILL,
            )

    def request_stop(self) -> None:
        """Send the first stop signal without waiting."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_steps[0][0])

    def stop(self) -> None:
        """Stop the program and wait for its end."""
        if self.process:
            process.end(self.process, self.stop_steps)


@dataclass
class Supervised:
    """A runnable with the times of its exits: each restart waits longer, five times."""

    runnable: Runnable
    exits: deque[float] = field(default_factory=deque)
    restart_at: float | None = None

    def record_exit(self, now: float) -> bool:
        """Plan the restart; return False if it exited too often to be restarted."""
        self.exits.append(now)
        while self.exits[0] < now - 60:
            self.exits.popleft()
        last_delay = len(_RESTART_DELAYS) - 1
        delay = _RESTART_DELAYS[min(len(self.exits) - 1, last_delay)]
        self.restart_at = now + delay
        return len(self.exits) <= _MAX_EXITS_PER_MINUTE


def programs(state: Path, port: int) -> list[Program]:
    """Return web, beat and worker in the order they stop: requests end first."""
    folder = state / "logs"
    celery = ["celery", "-A", "config.celery"]
    worker = ["worker", "-c", "2", "--without-gossip", "--without-mingle"]
    beat = ["beat", "--pidfile=", "-s", str(state / "beat-schedule")]
    # SIGQUIT makes a worker abandon its running tasks; the queue delivers them again.
    worker_steps = [(signal.SIGTERM, 5.0), (signal.SIGQUIT, 3.0)]
    return [
        Program(
            "web",
            ["config.server", "--port", str(port), "config.wsgi:application"],
            folder / "web.log",
            [(signal.SIGTERM, 8.0)],
        ),
        Program(
            "beat",
            [*celery, *beat, *_INFO],
            folder / "beat.log",
            [(signal.SIGTERM, 5.0)],
        ),
        Program(
            "worker", [*celery, *worker, *_INFO], folder / "worker.log", worker_steps
        ),
    ]


def embedded_servers(state: Path, port: int) -> list[Runnable]:
    """Return the servers that no URL or key replaces, in the order they stop."""
    servers: list[Runnable] = []
    if wants_fake_stripe():
        servers.append(FakeStripe(state, port, _host()))
    if not os.environ.get("REDIS_URL"):
        servers.append(Valkey(state))
    if not os.environ.get("DATABASE_URL"):
        servers.append(Postgres(state))
    return servers


def wants_fake_stripe() -> bool:
    """Return whether nothing real is there that the fake Stripe could falsify.

    Beside a database of one's choice, money would follow the fake: only if that is
    allowed by name.
    """
    if os.environ.get("STRIPE_SECRET_KEY"):
        return False
    allowed = os.environ.get("ALLOW_UNSAFE", "").replace(" ", "").split(",")
    return not os.environ.get("DATABASE_URL") or "fake_stripe" in allowed


class Supervisor:
    """A run of all processes on a state folder that the caller has locked."""

    def __init__(self, state: Path, port: int) -> None:
        self.state = state
        self.port = port
        self.signals = process.StopSignals()
        self.programs = programs(state, port)
        self.servers = embedded_servers(state, port)
        self.supervised: list[Supervised] = []
        self.helpers: list[subprocess.Popen[bytes]] = []

    def run(self) -> int:
        """Run until a stop request (0) or a failure (1), then stop all processes."""
        process.adopt_orphans()
        _set_environment(self.state)
        os.environ.setdefault("SITE_URL", f"http://127.0.0.1:{self.port}")
        try:
            self._start()
            self._supervise()
        except Stopped:
            return 0
        except StartError as error:
            print(error, file=sys.stderr, flush=True)
            return 1
        except OSError as error:
            if (message := error_messages.full_disk_message(error)) is None:
                raise
            print(message, file=sys.stderr, flush=True)
            return 1
        finally:
            self._stop()
        return 0

    def _start(self) -> None:
        folders.make_secret_key(self.state)
        print_line(self._servers_line())
        for server in self.servers:
            if isinstance(server, FakeStripe):
                server.set_environment()
                print_line(f"STRIPE_SECRET_KEY is not set: fake Stripe at {server.url}")
            self._begin(server)
        if not (os.environ.get("STRIPE_SECRET_KEY") or wants_fake_stripe()):
            print_line(_NO_STRIPE)
        greeting = self._serve()
        for line in greeting.splitlines():
            print_line(line)
        print_line(f"ready http://127.0.0.1:{self.port}/")

    def _serve(self) -> str:
        """Start web, worker and beat; return what `prepare` printed.

        Importing Django takes seconds, so the processes start at the same time. Beat
        starts after the first answer: it has nothing to do in the first seconds.
        """
        web, beat, worker = self.programs
        stamp = self.state / "served.fingerprint"
        fingerprint = sources.fingerprint(_BASE_DIR)
        unchanged = stamp.exists() and stamp.read_text() == fingerprint
        unchanged &= (self.state / "static" / "staticfiles.json").exists()
        if unchanged:  # it is migrated and has its static files
            self._begin(web)
        greeting = self._prepare()
        for program in (worker,) if unchanged else (web, worker):
            self._begin(program)
        self._await_health()
        self._begin(beat)
        stamp.write_text(fingerprint)
        return greeting

    def _servers_line(self) -> str:
        source = {
            name: f"from {name}" if os.environ.get(name) else "embedded"
            for name in ("DATABASE_URL", "REDIS_URL")
        }
        return (
            f"PostgreSQL {source['DATABASE_URL']}, Valkey {source['REDIS_URL']},"
            f" state folder {self.state}"
        )

    def _begin(self, runnable: Runnable) -> None:
        self.supervised.append(Supervised(runnable))
        runnable.start(self.signals.pause)

    def _prepare(self) -> str:
        """Run `manage.py prepare` in a separate process; return what it printed."""
        with tempfile.TemporaryFile() as output:
            code = self._run_helper(output)
            output.seek(0)
            printed = output.read().decode(errors="replace")
        if code == 1:  # it has printed the reason
            raise Stopped if self.signals.requested else SystemExit(1)
        if code != 0:
            raise StartError(f"manage.py prepare {process.describe_exit(code)}")
        return printed

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
            self._check_running()
        return code

    def _check_running(self) -> None:
        """Raise StartError if a process has ended before all are ready."""
        for supervised in self.supervised:
            runnable = supervised.runnable
            child = runnable.process
            if child and (code := child.poll()) is not None:
                reason = logs.failure_reason(runnable.log, runnable.log_start)
                raise StartError(
                    f"{runnable.name} {process.describe_exit(code)} while starting"
                    f" ({reason}): see {runnable.log}"
                )

    def _await_health(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while (status := _health(self.port)) not in _SERVING:
            self._check_running()
            if time.monotonic() > deadline:
                log = self.state / "logs" / "web.log"
                raise StartError(
                    f"/healthz answers {status or 'nothing'} after"
                    f" {_READY_SECONDS:.0f} seconds: see {log}"
                )
            self.signals.pause(0.03)

    def _supervise(self) -> None:
        """Restart what ends; wakes when a child ends, otherwise twice a second."""
        while not self.signals.requested:
            for supervised in self.supervised:
                self._restart_if_ended(supervised)
            planned = [each.restart_at for each in self.supervised if each.restart_at]
            until = min(planned, default=time.monotonic() + 0.5)
            self.signals.wait(max(0.0, until - time.monotonic()))

    def _restart_if_ended(self, supervised: Supervised) -> None:
        """Restart a process after its delay; a failed restart counts as an exit."""
        runnable, child = supervised.runnable, supervised.runnable.process
        if (
            supervised.restart_at is None
            and child
            and (code := child.poll()) is not None
        ):
            self._plan_restart(supervised, process.describe_exit(code))
        if supervised.restart_at and supervised.restart_at <= time.monotonic():
            supervised.restart_at = None
            try:
                runnable.start(self.signals.pause)
            except StartError as error:
                runnable.stop()
                self._plan_restart(supervised, f"could not be restarted ({error})")

    def _plan_restart(self, supervised: Supervised, exit_text: str) -> None:
        """Plan a restart after ending the orphans, which hold its port or its files."""
        runnable = supervised.runnable
        if not supervised.record_exit(time.monotonic()):
            reason = logs.failure_reason(runnable.log, runnable.log_start)
            raise StartError(
                f"{runnable.name} {exit_text}, more than {_MAX_EXITS_PER_MINUTE} times"
                f" in a minute ({reason}): stopping all, see {runnable.log}"
            )
        process.end_adopted(self._children(), grace=0.0)
        print_line(f"{runnable.name} {exit_text}; restarting it")

    def _children(self) -> set[int]:
        running = [each.runnable.process for each in self.supervised]
        return {child.pid for child in [*running, *self.helpers] if child}

    def _stop(self) -> None:
        """Stop web, beat and worker at the same time, then the servers one by one."""
        for helper in self.helpers:
            process.end(helper, [(signal.SIGTERM, 2.0)])
        for program in self.programs:
            program.request_stop()
        for runnable in [*self.programs, *self.servers]:
            runnable.stop()
        process.end_adopted(set(), grace=0.0)


def print_line(line: str) -> None:
    """Print a line; output is discarded once the terminal is closed."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  never closed


def _set_environment(state: Path) -> None:
    """Set what every child needs, but no secret key: children read it from its file."""
    os.environ["STATE_DIR"] = str(state)
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ["HTTPS_ONLY"] = os.environ.get("HTTPS_ONLY") or "0"


def check_port(port: int, *, seconds: float = 2.0) -> None:
    """Raise StartError if the port stays in use for some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            return
        except OSError as error:
            if time.monotonic() > deadline or not isinstance(error.errno, int):
                raise StartError(
                    f"Port {port} of 127.0.0.1 cannot be used ({error.strerror}):"
                    " choose another, as in `make up PORT=8001`"
                ) from None
        time.sleep(0.05)


def _health(port: int) -> int | None:
    """Return the status of /healthz, or None while no process listens."""
    lines = ["GET /healthz HTTP/1.1", f"Host: {_host()}", "Connection: close"]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = client.recv(64).split()
    except OSError:
        return None
    return int(answer[1]) if len(answer) > 1 and answer[1].isdigit() else None


def _host() -> str:
    """Return a host name that ALLOWED_HOSTS permits."""
    allowed = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    return allowed if allowed not in {"", "*"} else "127.0.0.1"


def run(state: Path, port: int) -> int:
    """Run everything on a state folder; return the exit code."""
    return Supervisor(state, port).run()
