"""A fresh installation in which the commands of documents run.

It is a copy of the working tree with the environment of this test run, and servers
started by `make up`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import ROOT
from tests.support.documents import Block, blocks
from tests.support.processes import environment, eventually, free_port


class Installation:
    """A copy of the working tree in which `make up` runs, with the demo."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.output = folder / "orgdesk", folder / "output"
        self.port = free_port()
        self.environment = environment(folder / "state", DEMO="1")
        shutil.copytree(ROOT, self.tree, ignore=shutil.ignore_patterns(".*"))
        self.commands = folder / "commands"  # the socket of the process that runs them
        _link_environment(self.tree / ".venv", self.commands)

    @contextmanager
    def up(self) -> Iterator[None]:
        with self.output.open("wb") as output:
            make = subprocess.Popen(
                ["make", "up", f"PORT={self.port}"],
                cwd=self.tree,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(make)
            with self._warm_commands():
                yield
        finally:
            os.killpg(make.pid, signal.SIGTERM)
            make.wait(60)

    def _wait_until_ready(self, make: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + 600  # a loaded machine is slow
        while "\nready " not in self.output.read_text():
            assert make.poll() is None, self.output.read_text()
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(0.1)

    @contextmanager
    def _warm_commands(self) -> Iterator[None]:
        """Run commands in forks of one process: see `tests.support.warm_commands`."""
        argv = [sys.executable, "-m", "tests.support.warm_commands", str(self.commands)]
        with subprocess.Popen(argv, cwd=self.tree, env=self.environment) as server:
            try:
                assert eventually(lambda: self.commands.exists() or bool(server.poll()))
                yield
            finally:
                server.terminate()

    def run(self, commands: Sequence[Block]) -> "subprocess.CompletedProcess[str]":
        """Run blocks in one shell, in order; it ends at the first that fails."""
        script = "".join([_PROLOGUE, *map(self._written, commands)])
        return subprocess.run(
            ["sh"],
            input=script.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}"),
            cwd=self.tree,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def _written(self, block: Block) -> str:
        write = f"echo '--- {block}' >&2\n"
        if block.language == "sh":
            return write + block.text
        name, program = _PROGRAMS[block.language]
        return f"{write}cat > {name} <<'EOF'\n{_plain(block)}EOF\n{program} {name}\n"


def _link_environment(target: Path, commands: Path) -> None:
    """Make an environment like the one of this run, with another way to `manage.py`."""
    (target / "bin").mkdir(parents=True)
    own = Path(sys.prefix)
    for path in (*own.iterdir(), *(own / "bin").iterdir()):
        if path.relative_to(own).as_posix() not in ("bin", "bin/python"):
            (target / path.relative_to(own)).symlink_to(path)
    client = f"{sys.executable} -S {ROOT}/tests/support/warm_commands.py {commands}"
    python = target / "bin/python"
    python.write_text(
        _PYTHON.format(real=sys.executable, client=client, socket=commands)
    )
    python.chmod(0o755)


_PYTHON = """#!/bin/sh
if [ "$1" = manage.py ] && [ -S {socket} ]; then exec {client} "$@"; fi
exec {real} "$@"
"""

# An HTTP error ends the script, and each response is on its own line.
_PROLOGUE = """set -eu
curl() { command curl --fail-with-body "$@" && echo; }
"""
_PROGRAMS = {
    "python": ("example.py", sys.executable),
    "ts": ("example.mjs", "node" if shutil.which("node") else "true"),
}


def _plain(block: Block) -> str:
    """Remove type annotations, which older versions of Node cannot parse."""
    if block.language != "ts":
        return block.text
    return re.sub(r"\??: (?:string|number|object)\b(?=[,)])", "", block.text)


def commands_of(name: str) -> list[Block]:
    """Return what a reader of the document types, except `make up`."""
    return [
        block
        for block in blocks(ROOT / name)
        if block.language in ("sh", *_PROGRAMS)
        and not block.reason
        and block.text != "make up\n"
    ]


def run_documents(printed: dict[str, list[str]]) -> None:
    """Run all commands of documents, and look for what they must print."""
    with tempfile.TemporaryDirectory(prefix="orgdesk-docs-") as folder:
        installation = Installation(Path(folder))
        with installation.up():
            for name, patterns in printed.items():
                done = installation.run(commands_of(name))
                assert done.returncode == 0, done.stdout + done.stderr
                for pattern in patterns:
                    assert re.search(pattern, done.stdout), done.stdout
