"""The documents are true: their commands run, their links and paths exist.

Commands run on a fresh installation: a copy of the working tree with the environment of
this test run, and servers started by `make up`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.api import api
from config.version import VERSION
from tests import ROOT
from tests.dev.test_up import environment, free_port
from tests.support.documents import Block, anchors, blocks, documents, links, paths

# Blocks of commands that no test runs; a comment before each gives the reason.
NOT_TESTED = {
    "README.md": ["the address of the repository"],
    "CONTRIBUTING.md": [
        "installs packages from the network",
        "the suite cannot run inside the suite",
        "needs Chromium and a running demo",
        "resolves packages from the network",
    ],
    "docs/operations.md": ["production with its own database, under a supervisor"],
    "docs/performance.md": ["takes minutes", "takes minutes"],
}
DEMO = ["README.md"]
EMPTY = ["docs/loading.md", "docs/api.md", "docs/operations.md"]
# What a document's commands must print, besides ending without an error.
PRINTED = {
    "README.md": [r'"accepted": ?1\b', r'"value": ?0\.003\b'],
    "docs/loading.md": [r"accepted 3 duplicates 0 rejected 0"],
    "docs/api.md": [r'"accepted": ?1\b', "organization_not_found", r'"allowed": ?true'],
    "docs/operations.md": ["metrics_usageevent_"],
}
SETTING = re.compile(r'(?:env\.\w+|_flag)\(\s*"([A-Z_]+)"')
MEANT = re.compile(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", re.M)


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_have_existing_targets(document: Path) -> None:
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_named_paths_exist(document: Path) -> None:
    missing = [path for path in paths(document) if not (ROOT / path).exists()]
    assert not missing


def test_readme_has_fewer_than_1000_words() -> None:
    assert len((ROOT / "README.md").read_text().split()) < 1_000


def test_commands_that_are_not_tested_are_known() -> None:
    reasons = {
        document.relative_to(ROOT).as_posix(): [
            block.reason for block in blocks(document) if block.reason
        ]
        for document in documents()
    }
    assert {name: given for name, given in reasons.items() if given} == NOT_TESTED


def test_no_other_document_has_commands() -> None:
    tested = {*DEMO, *EMPTY}
    untested = [
        str(block)
        for document in documents()
        for block in blocks(document)
        if block.language == "sh" and not block.reason and block.document not in tested
    ]
    assert not untested


def test_every_setting_is_documented() -> None:
    table = (ROOT / "docs/operations.md").read_text().partition("## Processes")[0]
    documented = set(re.findall("[A-Z_]{4,}", " ".join(MEANT.findall(table))))
    source = (ROOT / "config/settings.py").read_text()
    assert documented == {*SETTING.findall(source), "STATE_DIR"}


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert api.version == VERSION
    changes = (ROOT / "CHANGELOG.md").read_text()
    released = re.search(r"^## (\d\S*) - \d{4}-\d\d-\d\d$", changes, re.M)
    assert released
    assert released[1] == VERSION


# --- commands ---------------------------------------------------------------------


class Installation:
    """A copy of the working tree in which `make up` runs."""

    def __init__(self, folder: Path, *, demo: bool) -> None:
        self.tree, self.output = folder / "orgdesk", folder / "output"
        self.port, self.demo = free_port(), demo
        self.environment = environment(folder / "state", DEMO=str(int(demo)))
        shutil.copytree(ROOT, self.tree, ignore=shutil.ignore_patterns(".*", "__py*"))
        (self.tree / ".venv").symlink_to(sys.prefix)

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


@pytest.mark.process
@pytest.mark.parametrize("names", [DEMO, EMPTY], ids=["demo", "empty"])
def test_commands_run_on_a_fresh_installation(names: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="orgdesk-docs-") as folder:
        installation = Installation(Path(folder), demo=names is DEMO)
        with installation.up():
            for name in names:
                done = installation.run(commands_of(name))
                assert done.returncode == 0, done.stdout + done.stderr
                for pattern in PRINTED[name]:
                    assert re.search(pattern, done.stdout), done.stdout
