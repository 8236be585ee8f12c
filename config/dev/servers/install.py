"""Install locked packages into `.venv`: `python -m config.dev.servers.install SET`.

A set is a lock file of `requirements/`: uv, runtime, dev or bench. The record
`.venv/installed.json` is removed before packages change and written after the last one:
a virtual environment without it was interrupted at some moment and is built again,
quickly, from the caches of pip and uv. Needs Python 3.11 and nothing else: no package
is there yet.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[3]
_SETS = ("uv", "runtime", "dev", "bench", "audit")
_PIP_OPTIONS = ("-q", "--disable-pip-version-check", "--no-input", "--require-hashes")
_AGAIN = "then run the same command again."
# What a failed installer prints, and what to do about it; the first match counts.
_REMEDIES = {
    r"No space left on device|Disk quota exceeded|Errno 28\b|os error 28\b": (
        f"The disk is full: free about 500 MB for .venv and the caches of uv, {_AGAIN}"
    ),
    r"CERTIFICATE_VERIFY_FAILED|UnknownIssuer|invalid peer certificate": (
        "The certificate of the package index is not trusted: set SSL_CERT_FILE to the"
        f" CA file of your company's proxy, {_AGAIN}"
    ),
    r"Failed to (fetch|establish)|NewConnectionError|name resolution|Connection refused"
    r"|Could not connect|timed out|unreachable|error sending request|ProxyError": (
        "The package index cannot be reached: check the network and HTTPS_PROXY, or"
        f" name a mirror in PIP_INDEX_URL and UV_DEFAULT_INDEX, {_AGAIN}"
    ),
    r"Read-only file system|Permission denied|os error (13|30)\b": (
        "A folder is not writable by this user: change the owner of .venv, or set"
        f" UV_CACHE_DIR to a folder of your own, {_AGAIN}"
    ),
}


class InstallError(Exception):
    """A failed installation; the message says what the operator can do."""


@dataclass
class Record:
    """What is installed: the digest of each set's lock file, and the packages."""

    locks: dict[str, str] = field(default_factory=dict)
    packages: list[str] = field(default_factory=list)


class Environment:
    """The virtual environment of a project folder."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.path = project / ".venv"
        self.python = self.path / "bin" / "python"
        self.record_file = self.path / "installed.json"
        self._lock_descriptor = -1

    def has(self, name: str) -> bool:
        """Return whether a set is installed as its lock file says. Takes 1 ms."""
        record = self.read_record()
        is_current = record.locks.get(name) == self._digest(name)
        return is_current and self._is_intact(record)

    def install(self, name: str) -> None:
        """Install uv and one set; build the environment first where it is broken."""
        if not os.access(self.project, os.W_OK):
            raise InstallError(
                f"{self.project} is not writable: clone Orgdesk into a folder of your"
                " own, or become the user who owns it."
            )
        with self._locked():
            if not self._is_intact(self.read_record()) or not self._python_runs():
                self._create()
            for lock_name in dict.fromkeys(("uv", name)):
                if not self.has(lock_name):
                    self._install(lock_name)

    def read_record(self) -> Record:
        """Return the record, or an empty one when it is missing or damaged."""
        try:
            return Record(**json.loads(self.record_file.read_text()))
        except (OSError, ValueError, TypeError):
            return Record()

    def write_record(self, locks: dict[str, str]) -> None:
        """Write the record, whole or not at all."""
        record = Record(locks, sorted(self._packages()))
        fresh = self.record_file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record)))
        fresh.replace(self.record_file)

    def _create(self) -> None:
        """Make an empty environment; `--clear` removes what an interruption left.

        A link is refused: the folder that it points to may be in use by others.
        """
        if self.path.is_symlink():
            raise InstallError(
                f"{self.path} is a link to a broken environment: delete it."
            )
        self.record_file.unlink(missing_ok=True)
        self._run([sys.executable, "-m", "venv", "--clear", str(self.path)])

    def _install(self, name: str) -> None:
        """Install one set. A failure before the first change keeps the record."""
        record, packages = self.read_record(), self._packages()
        self.record_file.unlink(missing_ok=True)
        try:
            self._run(self._command(name))
        except InstallError:
            if record.locks and self._packages() == packages:
                self.write_record(record.locks)
            raise
        # The dev and bench sets contain the runtime set.
        installed = {name} if name == "uv" else {name, "runtime"}
        digests = {each: self._digest(each) for each in installed}
        self.write_record(record.locks | digests)

    def _command(self, name: str) -> list[str]:
        lock = str(self._lock_file(name))
        if name == "uv":
            return [str(self.python), "-m", "pip", "install", *_PIP_OPTIONS, "-r", lock]
        uv = [str(self.path / "bin" / "uv"), "pip", "install", "-q"]
        return [*uv, "--python", str(self.python), "--require-hashes", "-r", lock]

    def _run(self, command: list[str]) -> None:
        """Run an installer; its output is shown only when it fails.

        An installer that outlives a killed `make` keeps the lock until it ends.
        """
        done = subprocess.run(
            command,
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            pass_fds=[self._lock_descriptor],
        )
        if done.returncode != 0:
            raise InstallError(explain(done.stdout))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the project folder, so that two `make` do not install at once."""
        self._lock_descriptor = os.open(self.project, os.O_RDONLY)
        try:
            _wait_for_lock(self._lock_descriptor)
            yield
        finally:
            os.close(self._lock_descriptor)

    def _python_runs(self) -> bool:
        """Return whether the environment's Python still exists and is new enough."""
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        try:
            done = subprocess.run([self.python, "-S", "-c", check], check=False)
        except OSError:
            return False
        return done.returncode == 0

    def _is_intact(self, record: Record) -> bool:
        """Return whether there is a record and none of its packages was removed."""
        packages = record.packages
        return bool(packages) and self._packages().issuperset(packages)

    def _packages(self) -> set[str]:
        """Return the names of all packages and programs; none before they exist."""
        folders = [self.path / "bin", *self.path.glob("lib/python3*/site-packages")]
        paths = (path for each in folders if each.is_dir() for path in each.iterdir())
        return {path.name for path in paths} - {"__pycache__"}

    def _lock_file(self, name: str) -> Path:
        return self.project / "requirements" / f"{name}.lock"

    def _digest(self, name: str) -> str:
        return hashlib.sha256(self._lock_file(name).read_bytes()).hexdigest()


def _wait_for_lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another installation into .venv.", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def explain(output: str) -> str:
    """Return one sentence for a known failure, else the installer's whole output."""
    for pattern, remedy in _REMEDIES.items():
        if re.search(pattern, output):
            return remedy
    return f"{output.strip()}\nThe packages could not be installed: see above."


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="config.dev.servers.install", description=__doc__
    )
    parser.add_argument("set", choices=_SETS)
    parser.add_argument("--check", action="store_true", help="exit 1 if not installed")
    arguments = parser.parse_args()
    environment = Environment(_PROJECT)
    if environment.has(arguments.set):
        return 0
    return 1 if arguments.check else _install(environment, arguments.set)


def _install(environment: Environment, name: str) -> int:
    print(f"Installing packages into {environment.path}", flush=True)
    try:
        environment.install(name)
    except KeyboardInterrupt:
        print(
            "Stopped. The next `make` starts the installation again.", file=sys.stderr
        )
        return 130
    except (InstallError, OSError) as error:
        print(
            error if isinstance(error, InstallError) else explain(str(error)),
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
