"""The document of safeguards: each row names tests, and all of them exist."""

import ast
import re
from functools import cache

import pytest

from tests import ROOT

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"^\|(.+)\|(.+)\|(.+)\|$")
_HEADINGS = {"Subject", "---"}


def rows() -> list[tuple[str, str, str]]:
    """Return subject, statement, and tests of each row of the tables."""
    lines = (ROOT / "docs/security.md").read_text().splitlines()
    cells = [
        tuple(map(str.strip, match.groups()))
        for line in lines
        if (match := _ROW.match(line))
    ]
    return [row for row in cells if row[0] not in _HEADINGS]  # type: ignore[misc]


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_document_has_rows() -> None:
    subjects = [subject for subject, _, _ in rows()]

    assert subjects
    assert len(subjects) == len(set(subjects))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].replace(" ", "-"))
def test_the_tests_of_a_row_exist(row: tuple[str, str, str]) -> None:
    named = _TEST.findall(row[2])

    assert named
    assert not {
        f"{path}::{name}" for path, name in named if name not in functions_of(path)
    }
