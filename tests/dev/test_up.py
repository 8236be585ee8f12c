"""`make up` with real processes that are killed in every way. Linux only.

All tests share one stack. After a test that ends it, the next one starts it again.
"""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from config.dev.servers import paths
from tests import ROOT
from tests.support.processes import environment, eventually, free_port

pytestmark = pytest.mark.process


UP, LIGHT_UP = "config.dev.servers", "tests.support.light_up"


def command(port: int, module: str = UP) -> list[str]:
    return [sys.executable, "-m", module, "--port", str(port)]


def run(*argv: str, state: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=ROOT,
        env=environment(state, **extra),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def manage(*argv: str, state: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "manage.py", *argv, state=state, **extra)


def belongs(process: psutil.Process, state: Path) -> bool:
    """Return whether a process belongs to the stack of a state folder.

    PostgreSQL overwrites its environment, so arguments and current folder count, too.
    """
    try:
        seen = [*process.environ().values(), *process.cmdline(), process.cwd()]
    except psutil.Error:
        return False
    return any(str(state) in text for text in seen)


def processes_of(state: Path) -> list[str]:
    own_pid, commands = psutil.Process().pid, []
    for process in psutil.process_iter():
        if process.pid != own_pid and belongs(process, state):
            with contextlib.suppress(psutil.Error):  # it has just ended
                commands.append(" ".join(process.cmdline()))
    return commands


class Stack:
    """A run of `make up` on a state folder, with a shell as its parent."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port = free_port()
        self.shell: subprocess.Popen[bytes] | None = None
        self.output = state.with_name("output")

    def up(self, module: str = UP) -> "Stack":
        if self.shell and self.shell.poll() is None:
            return self
        # `; exit` keeps the shell from replacing itself: it stands for make.
        line = f"{' '.join(command(self.port, module))}; exit $?"
        with self.output.open("wb") as output:
            self.shell = subprocess.Popen(
                ["sh", "-c", line],
                cwd=ROOT,
                env=environment(self.state, DEMO="0"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        assert eventually(self.is_ready, seconds=180), self.read_output()
        return self

    def read_output(self) -> str:
        return self.output.read_text()

    def is_ready(self) -> bool:
        return "\nready " in self.read_output() or self._shell().poll() is not None

    def _shell(self) -> subprocess.Popen[bytes]:
        assert self.shell
        return self.shell

    def guard(self) -> psutil.Process:
        return psutil.Process(self._shell().pid).children()[0]

    def supervisor(self) -> psutil.Process:
        return next(
            child for child in self.guard().children() if "--port" in child.cmdline()
        )

    def child(self, *words: str) -> psutil.Process:
        """Return the child of the supervisor with these words in its command line."""
        return next(
            child
            for child in self.supervisor().children()
            if all(word in " ".join(child.cmdline()) for word in words)
        )

    def status(self, path: str = "healthz") -> int:
        try:
            url = f"http://127.0.0.1:{self.port}/{path}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def connect(self) -> "psycopg.Connection[tuple[int]]":
        host = paths.database(self.state)["HOST"]
        return psycopg.connect(
            host=host, user="orgdesk", dbname="orgdesk", autocommit=True
        )

    def takes_connections(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), self.connect():
            return True
        return False

    def exit_code(self) -> int:
        return self._shell().wait(120)


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orgdesk-up-") as folder:
        yield Path(folder).resolve() / "state"


@pytest.fixture(scope="module")
def shared(state: Path) -> Iterator[Stack]:
    stack = Stack(state)
    yield stack
    if stack.shell and stack.shell.poll() is None:
        stack.guard().terminate()
        stack.exit_code()


@pytest.fixture
def stack(shared: Stack) -> Stack:
    return shared.up()


def test_up_ends_with_a_line_that_names_the_page(stack: Stack) -> None:
    lines = stack.read_output().splitlines()
    assert lines[0] == (
        f"PostgreSQL embedded, Valkey embedded, state folder {stack.state}"
    )
    assert lines[-1] == f"ready http://127.0.0.1:{stack.port}/"
    assert stack.status() == 200
    assert stack.status("accounts/login/") == 200


def test_state_is_private(stack: Stack) -> None:
    modes = {
        name: (stack.state / name).stat().st_mode & 0o777
        for name in (".", "secret_key", "run", "postgres", "valkey", "logs", "stripe")
    }
    assert modes == {
        ".": 0o700,
        "secret_key": 0o600,
        "run": 0o700,
        "postgres": 0o700,
        "valkey": 0o700,
        "logs": 0o700,
        "stripe": 0o700,
    }
    assert (stack.state / "stripe/webhook_secret").stat().st_mode & 0o777 == 0o600


def test_secret_key_is_in_no_command_line(stack: Stack) -> None:
    secret = (stack.state / "secret_key").read_text()
    assert len(secret) == 64
    signing = (stack.state / "stripe/webhook_secret").read_text()
    assert signing.startswith("whsec_")
    key = (stack.state / "stripe/key").read_text()
    assert key.startswith("sk_test_fake_")
    lines = processes_of(stack.state)
    assert not [
        line for line in lines if any(text in line for text in (secret, signing, key))
    ]


def test_every_process_runs(stack: Stack) -> None:
    def counts() -> dict[str, int]:
        running = processes_of(stack.state)
        names = {"web": " config.server ", "beat": " beat ", "worker": " worker -c"}
        names["stripe"] = " config.dev.fakestripe "
        return {
            name: sum(word in line for line in running) for name, word in names.items()
        }

    # Including their forked children.
    expected = {"web": 2, "beat": 1, "worker": 3, "stripe": 1}
    assert eventually(lambda: counts() == expected), counts()


def test_second_up_on_the_same_state_is_refused(stack: Stack) -> None:
    done = run(*command(free_port()), state=stack.state)
    assert done.stderr == (
        f"`make up` already runs with the state folder {stack.state}\n"
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_busy_port_is_refused(stack: Stack, tmp_path: Path) -> None:
    done = run(*command(stack.port), state=tmp_path)
    assert done.stderr == (
        f"Port {stack.port} of 127.0.0.1 cannot be used (Address already in use):"
        " choose another, as in `make up PORT=8001`\n"
    )
    assert done.returncode == 1


def test_manage_py_finds_the_running_servers(stack: Stack) -> None:
    done = manage("showmigrations", "contenttypes", state=stack.state)
    assert "[X] 0001_initial" in done.stdout
    assert done.returncode == 0


def test_killed_postgres_restarts_with_its_rows(stack: Stack) -> None:
    with stack.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    old = stack.child("bin/postgres", "-D")
    old.kill()
    assert eventually(lambda: "PostgreSQL was killed by SIGKILL" in stack.read_output())
    assert eventually(lambda: has_child(stack, "bin/postgres", "-D"))
    assert eventually(lambda: stack.status("accounts/login/") == 200)
    assert eventually(stack.takes_connections)
    with stack.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]
        connection.execute("DROP TABLE kept")
    assert stack.child("bin/postgres", "-D").pid != old.pid


def test_killed_fake_stripe_restarts_with_its_objects(stack: Stack) -> None:
    line = "STRIPE_SECRET_KEY is not set: fake Stripe at "
    url = next(
        output.removeprefix(line)
        for output in stack.read_output().splitlines()
        if output.startswith(line)
    )
    customer = {"object": "customer", "id": "cus_kept"}
    data = json.dumps({"objects": [customer]}).encode()
    key = (stack.state / "stripe/key").read_text()

    def ask(query: str, data: bytes | None = None) -> str:
        request = urllib.request.Request(f"{url}/_fake/objects{query}", data)
        request.add_header("Authorization", f"Bearer {key}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())

    ask("", data)
    stack.child("config.dev.fakestripe").kill()

    def is_back() -> bool:
        with contextlib.suppress(OSError):
            return "cus_kept" in ask("?kind=customer")
        return False

    assert eventually(is_back)


def test_killed_web_server_restarts(stack: Stack) -> None:
    old = stack.child("config.server")
    worker = old.children()[0]
    old.kill()
    assert eventually(lambda: "web was killed by SIGKILL; rest" in stack.read_output())
    assert eventually(lambda: stack.status() == 200)
    assert stack.child("config.server").pid != old.pid
    assert not worker.is_running()


def test_killed_web_worker_restarts(stack: Stack) -> None:
    old = stack.child("config.server").children()[0]
    old.kill()
    old.wait(60)
    assert eventually(lambda: stack.status() == 200)


def test_killed_worker_and_beat_restart(stack: Stack) -> None:
    for name, words in (("worker", ["worker", "-c"]), ("beat", ["beat", "--pidfile"])):
        old = stack.child(*words)
        orphans = old.children()
        old.kill()
        line = f"{name} was killed by SIGKILL; restarting it"
        assert eventually(lambda line=line: line in stack.read_output())  # type: ignore[misc]
        assert eventually(lambda words=words: has_child(stack, *words))  # type: ignore[misc]
        assert not [orphan for orphan in orphans if orphan.is_running()]


def has_child(stack: Stack, *words: str) -> bool:
    with contextlib.suppress(StopIteration, psutil.Error):  # one may end meanwhile
        return bool(stack.child(*words).is_running())
    return False


def ends_by_sigint(stack: Stack) -> None:
    stack.guard().send_signal(signal.SIGINT)


def ends_by_sigterm(stack: Stack) -> None:
    stack.guard().send_signal(signal.SIGTERM)


def ends_by_killed_supervisor(stack: Stack) -> None:
    stack.supervisor().kill()


def ends_by_killed_guard(stack: Stack) -> None:
    stack.guard().kill()


def ends_by_both_killed(stack: Stack) -> None:
    pair = [stack.supervisor(), stack.guard()]
    for process in pair:
        process.suspend()
    for process in pair:
        process.kill()


def ends_by_killed_parent(stack: Stack) -> None:
    assert stack.shell
    stack.shell.kill()


@pytest.mark.parametrize(
    ("end", "code", "module"),
    [
        (ends_by_sigint, 0, UP),
        (ends_by_sigterm, 0, LIGHT_UP),
        (ends_by_killed_supervisor, 1, LIGHT_UP),
        (ends_by_killed_guard, 137, LIGHT_UP),
        (ends_by_killed_parent, -9, LIGHT_UP),
        (ends_by_both_killed, 137, UP),
    ],
)
def test_no_process_remains_after_any_shutdown(
    shared: Stack, end: Callable[[Stack], None], code: int, module: str
) -> None:
    stack = shared.up(module)
    assert eventually(lambda: len(processes_of(stack.state)) > 10)
    end(stack)
    assert stack.exit_code() == code
    assert eventually(lambda: processes_of(stack.state) == []), processes_of(
        stack.state
    )


def test_manage_py_explains_how_to_start_the_servers(shared: Stack) -> None:
    assert processes_of(shared.state) == []
    done = manage("showmigrations", state=shared.state)
    assert done.stderr == (
        f"No PostgreSQL is running in the state folder {shared.state}: start it with"
        " `make up`, with the same STATE_DIR in both terminals, or set DATABASE_URL\n"
    )
    assert done.returncode == 1


URLS = {
    "DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1:1/none",
    "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
}


@pytest.mark.parametrize("name", URLS)
def test_unresponsive_server_is_reported_in_one_line(shared: Stack, name: str) -> None:
    url = URLS[name]
    done = run(*command(free_port()), state=shared.state, **{name: url})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert name in done.stderr
    assert "refused" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert processes_of(shared.state) == []


def test_url_of_an_unsupported_database_is_reported_in_one_line(tmp_path: Path) -> None:
    url = "mysql://ada:hunter2@127.0.0.1/none"
    for argv in (command(free_port()), [sys.executable, "manage.py", "check"]):
        done = run(*argv, state=tmp_path, DATABASE_URL=url)
        assert done.stderr == (
            "DATABASE_URL must begin with one of"
            " pgsql, postgres, postgresql, psql and ://\n"
        )
        assert done.returncode == 1


def test_missing_secret_key_is_reported_in_one_line(tmp_path: Path) -> None:
    done = manage("check", state=tmp_path)
    assert done.stderr == (
        f"SECRET_KEY is not set and there is none in the state folder {tmp_path}: run"
        " `make up` first, with the same STATE_DIR in both terminals, or set"
        " SECRET_KEY\n"
    )
    assert done.returncode == 1


def test_genuine_errors_keep_their_traceback(tmp_path: Path) -> None:
    done = manage("shell", "-v0", "-c", "1 / 0", state=tmp_path, SECRET_KEY="k" * 50)
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" in done.stderr
