"""Helper commands in separate processes that end with this one."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from config.dev.servers.process import StartError, die_with_parent

ROOT = Path(__file__).resolve().parent.parent


def output(
    *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> bytes:
    """Run `python arguments` with `stdin`; return what it prints.

    Raises `StartError` when it fails. The command runs in a new session, so that Ctrl-C
    reaches only this process, which then ends the command.
    """
    completed = subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),
    )
    if completed.returncode:
        raise StartError(f"{' '.join(arguments)} failed with {completed.returncode}")
    return completed.stdout


def database_environment(url: str) -> dict[str, str]:
    """Return the environment of a helper that works on this database."""
    return os.environ | {"DATABASE_URL": url}
