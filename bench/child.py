"""Helpers of ours, each in a process of its own that ends when we do."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from config.dev.servers.process import StartError, die_with_parent

ROOT = Path(__file__).resolve().parent.parent


def output(
    *arguments: str, given: bytes = b"", env: Mapping[str, str] | None = None
) -> bytes:
    """What `python arguments` answers to `given`; raises `StartError` when it fails.

    In a session of its own: Ctrl-C is ours to hear, and we end it.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        input=given,
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),
    )
    if done.returncode:
        raise StartError(f"{' '.join(arguments)} failed with {done.returncode}")
    return done.stdout


def with_database(url: str) -> dict[str, str]:
    """The environment of a helper that works on that database."""
    return os.environ | {"DATABASE_URL": url}
