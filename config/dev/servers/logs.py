"""Log files of the servers and programs, and the reason that a log gives for a failure.

Each run appends to the log: the caller that starts a program remembers the size of
its log, so that an old failure is not taken for the reason of a new one.
"""

import re
from pathlib import Path
from typing import IO

_MAX_BYTES = 10_000_000
_TAIL_BYTES = 64_000
# By severity, as PostgreSQL, Python's programs and Valkey ("#") mark their lines.
_SEVERITIES = [
    re.compile(r"\bPANIC: "),
    re.compile(r"\bFATAL\b"),
    re.compile(r"\b(ERROR|error|\w+Error|ImproperlyConfigured)\b(:|\])"),
    re.compile(r"^\d+:\w .* # (?!WARNING)"),
]
# The answer to our own question whether PostgreSQL is ready yet.
_NOT_READY = re.compile(
    r"the database system is (starting|not yet|in recovery|shutting)"
)
_PREFIX = re.compile(
    r"^(\d{4}-\d\d-\d\d \S+ \w+ \[\d+\] "  # PostgreSQL
    r"|\d+:\w \d+ \w+ \d{4} \S+ . )"  # Valkey
)


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to it; `tell()` is its size.

    One older file is kept, so that a log takes at most 20 MB. Only its owner may read
    it: without a mail host, emails with links to reset a password are in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _MAX_BYTES:
        path.replace(path.with_suffix(".old.log"))
    path.touch(0o600)
    path.chmod(0o600)
    return path.open("ab")


def failure_reason(path: Path, start: int = 0) -> str:
    """Return the last line of the highest severity, or the last line of all.

    Only what was written after the first `start` bytes counts. A stopping program
    writes many lines after the one with the reason.
    """
    lines = [line for line in _tail(path, start) if not _NOT_READY.search(line)]
    for severity in _SEVERITIES:
        if matching := [line for line in lines if severity.search(line)]:
            return _without_prefix(matching[-1])
    return _without_prefix(lines[-1]) if lines else "it wrote nothing to its log"


def _tail(path: Path, start: int) -> list[str]:
    try:
        with path.open("rb") as log:
            log.seek(max(start, path.stat().st_size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def _without_prefix(line: str) -> str:
    """Return a line without time and process id, and with single spaces."""
    return " ".join(_PREFIX.sub("", line).split())
