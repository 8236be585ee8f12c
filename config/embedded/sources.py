"""Has anything changed since the last start? Then nothing may run before `prepare`."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_APPS = ["config", "orgs", "metrics", "billing"]
_FOLDERS = [*_APPS, "static", "templates", "requirements"]


def fingerprint(base: Path) -> str:
    """Name, size and time of code, static files and locks; URLs too. Takes 10 ms."""
    digest = hashlib.sha256()
    for name in ("DATABASE_URL", "REDIS_URL"):
        digest.update(f"{os.environ.get(name)}\0".encode())
    for path in _files(base):
        found = path.stat()
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _files(base: Path) -> Iterator[Path]:
    for name in _FOLDERS:
        for folder, folders, files in os.walk(base / name):
            folders[:] = sorted(set(folders) - {"__pycache__"})
            yield from (Path(folder) / file for file in sorted(files))
