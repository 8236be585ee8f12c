"""The processes of a run: PostgreSQL, Valkey, worker, beat, web processes and peers.

Those of Orgdesk are started by the commands of `config.dev.servers`, as in `make up`;
peers run on the same web server with the same flags. All end with this process,
however it ends.
"""

import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from bench import child
from bench.data import Database
from config.dev.servers import folders, logs, paths, process
from config.dev.servers.postgres import Postgres
from config.dev.servers.process import StartError
from config.dev.servers.supervisor import Program, Runnable, programs
from config.dev.servers.valkey import Valkey

_READY_SECONDS = 60.0
_ASGI = [
    "granian",
    "--interface=asgi",
    "--loop=uvloop",
    "--http=1",
    "--no-ws",
    "--respawn-failed-workers",
]
_STOP = [(int(signal.SIGTERM), 8.0)]


@dataclass(frozen=True, slots=True)
class Site:
    """A web process and the port on which it listens."""

    name: str
    port: int
    program: Program


@dataclass(frozen=True, slots=True)
class Fleet:
    """A database with organizations 1 to `organizations`, and credentials for it."""

    database: str
    white_label_id: int
    owner_id: int
    organizations: int
    charted: int
    metered: int
    first_id: int
    today: str
    reader_key: str
    writer_keys: list[str]
    session: str
    admin_session: str

    def organization_id(self, number: int) -> int:
        return self.first_id + number - 1


class Stack:
    """All processes of a state folder, whose lock the caller holds."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.logs = state / "logs"
        self.servers: list[Runnable] = [Valkey(state), Postgres(state)]
        self.running: list[Program] = []

    def __enter__(self) -> "Stack":
        process.adopt_orphans()
        folders.make_secret_key(self.state)
        _set_environment(self.state)
        for server in self.servers:
            server.start(time.sleep)
        return self

    def __exit__(self, *_: object) -> None:
        for number in process.STOP_SIGNALS:  # already stopping
            signal.signal(number, signal.SIG_IGN)
        for program in self.running:
            program.request_stop()
        for program in self.running:
            program.stop()
        for server in self.servers:
            server.stop()
        process.end_adopted(set(), grace=0.0)

    # --- databases ----------------------------------------------------------------

    def url(self, database: str) -> str:
        """Return the URL of a database for Django, psycopg and asyncpg."""
        folder = quote(str(paths.socket_dir(self.state)), safe="/")
        return f"postgresql://orgdesk@/{database}?host={folder}"

    def connect(self, database: str = "postgres") -> Database:
        return psycopg.connect(self.url(database), autocommit=True)

    def fleet(self, *, organizations: int, charted: int, metered: int) -> Fleet:
        """Return the fleet of this size, from the state folder or built now."""
        database = f"bench_{organizations}"
        with self.connect() as connection:
            exists = "select from pg_database where datname = %s"
            if connection.execute(exists, [database]).rowcount == 0:
                connection.execute(f"create database {database}".encode())
        self.run("manage.py", "prepare", database=database)
        sizes = map(str, (organizations, charted, metered))
        output = self.run("-m", "bench.prepare", database, *sizes, database=database)
        return Fleet(**json.loads(output))

    def run(self, *arguments: str, database: str) -> bytes:
        """Run a Python command of the repository and return what it prints."""
        return child.output(
            *arguments, env=child.database_environment(self.url(database))
        )

    def environment(self, fleet: Fleet) -> dict[str, str]:
        """Return the environment of a helper that works on the fleet."""
        return child.database_environment(self.url(fleet.database))

    # --- processes ----------------------------------------------------------------

    def start_web(self, name: str, fleet: Fleet) -> Site:
        """Start the web process of Orgdesk over a fleet."""
        port = free_port()
        return self._serve(self._web(name, port), port, fleet)

    def start_web_without_fast_path(self, fleet: Fleet) -> Site:
        """Start the same web process with nothing in front of Django."""
        port = free_port()
        program = self._web("web-django", port)
        program.command[-1] = "config.wsgi:django_application"
        return self._serve(program, port, fleet)

    def start_worker_and_beat(self, fleet: Fleet) -> list[Program]:
        """Start beat and worker of Orgdesk over a fleet."""
        _, *workers = programs(self.state, 0)
        for program in workers:
            self.start(program, fleet)
        return workers

    def start_peer(
        self, name: str, application: str, fleet: Fleet, *, asgi: bool = False
    ) -> Site:
        """Start a peer on the web server of Orgdesk, behind the same front."""
        port = free_port()
        target = f"bench.peers.{application}"
        command = ["config.server", "--port", str(port), target]
        if asgi:
            command = [*_ASGI, "--port", str(port), target]
        program = Program(name, command, self.logs / f"{name}.log", _STOP)
        return self._serve(program, port, fleet)

    def _web(self, name: str, port: int) -> Program:
        program = programs(self.state, port)[0]
        program.log = self.logs / f"{name}.log"
        return program

    def _serve(self, program: Program, port: int, fleet: Fleet) -> Site:
        self.start(program, fleet)
        _await_port(port, program)
        return Site(program.log.stem, port, program)

    def start(self, program: Program, fleet: Fleet) -> None:
        """Start or restart a program over a fleet."""
        if program not in self.running:
            self.running.append(program)
        # A program inherits the environment of this process.
        os.environ["DATABASE_URL"] = self.url(fleet.database)
        program.start(time.sleep)
        del os.environ["DATABASE_URL"]


def _set_environment(state: Path) -> None:
    for name in ("REDIS_URL", "DATABASE_URL", "ALLOWED_HOSTS", "DEBUG", "SECRET_KEY"):
        os.environ.pop(name, None)
    os.environ |= {
        "STATE_DIR": str(state),
        "HTTPS_ONLY": "0",
        "DEMO": "0",
        "BENCH_REDIS_URL": paths.redis_url(state),
        "BENCH_SECRET_KEY": paths.read_secret_key(state),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int, program: Program) -> None:
    end = time.monotonic() + _READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            child = program.process
            if time.monotonic() > end or (child and child.poll() is not None):
                reason = logs.failure_reason(program.log, program.log_start)
                raise StartError(
                    f"{program.log.stem} does not serve: {reason}"
                ) from None
            time.sleep(0.05)
