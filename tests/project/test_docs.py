"""The documents are true: their links and paths exist, their settings and figures.

Their commands run in `test_docs_commands.py`.
"""

import re
import tomllib
from pathlib import Path

import pytest

from config.api import api
from config.version import VERSION
from tests import ROOT
from tests.support.documents import (
    DOCS_PRINTED,
    README_PRINTED,
    anchors,
    blocks,
    documents,
    links,
    paths,
)

# Blocks of commands that no test runs; a comment before each gives the reason.
NOT_TESTED = {
    "README.md": ["the address of the repository"],
    "CONTRIBUTING.md": [
        "installs packages from the network",
        "the suite cannot run inside the suite",
        "needs Chromium and a running demo",
        "resolves packages from the network",
        "resolves packages from the network",
        "asks a service in the network",
    ],
    "docs/history.md": [
        "tests/orgs/test_seals.py runs them on sealed rows",
        "needs a file of an earlier day",
    ],
    "docs/operations.md": [
        "production with its own database, under a supervisor",
        "needs a PostgreSQL with two roles",
    ],
    "docs/performance.md": ["takes minutes", "takes minutes"],
}
SETTING = re.compile(r'(?:env\.\w+|_flag|_number)\(\s*"([A-Z_]+)"')
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
    tested = {*DOCS_PRINTED, *README_PRINTED}
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
