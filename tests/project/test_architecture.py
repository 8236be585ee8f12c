"""Rules for the structure of the code base."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

BIN = Path(sys.executable).parent


def tracked() -> list[Path]:
    """Return the files in git or, without git, those that no tool has generated."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        )
        names = listed.stdout.decode().split("\0")
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not _is_made(path)]


def _is_made(path: Path) -> bool:
    """Return whether a tool generated the file: hidden folders and bytecode."""
    parts = path.relative_to(ROOT).parts
    return any(part == "__pycache__" or part.startswith(".") for part in parts)


def test_apps_and_layers_import_in_one_direction() -> None:
    answer = subprocess.run(
        [BIN / "lint-imports", "--no-cache"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 0, answer.stdout


def test_no_tracked_file_is_large() -> None:
    large = {p.name: p.stat().st_size for p in tracked() if p.stat().st_size > 300_000}

    assert large == {}


def test_no_tracked_file_names_a_registry() -> None:
    hosts = re.compile(
        rb"//[^/\s\"']*(?:pypi|pythonhosted|npmjs|jsdelivr|unpkg|cdnjs|artifactory|nexus)"
    )
    naming = [
        p.name
        for p in tracked()
        if p != Path(__file__) and hosts.search(p.read_bytes())
    ]

    assert naming == []


def test_no_page_loads_from_another_host() -> None:
    asking = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//""")
    pages = [p for p in tracked() if p.suffix == ".html"]

    assert len(pages) > 20
    assert [p.name for p in pages if asking.search(p.read_text())] == []


# --- queries do not write -----------------------------------------------------------

_WRITING_SQL = re.compile(
    r"\b(insert\s+into|update\s+[\w\s]+\bset\b|delete\s+from|merge\s+into)\b", re.I
)
_WRITING_CALLS = {
    f"{prefix}{verb}" for prefix in ("", "a", "bulk_") for verb in ("create", "update")
} | {"delete", "get_or_create", "save", "update_or_create"}


def writes(tree: ast.AST) -> list[int]:
    """Return the lines with SQL that writes, or with a call that saves a row."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _WRITING_SQL.search(node.value):
                lines.append(node.lineno)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_instance = isinstance(node.func.value, ast.Attribute) and (
                node.func.value.attr in ("__dict__", "_hash")
            )
            is_hash = getattr(node.func.value, "id", "") == "digest"
            if node.func.attr in _WRITING_CALLS and not (of_instance or is_hash):
                lines.append(node.lineno)
    return lines


def test_queries_write_nothing() -> None:
    modules = [p for p in tracked() if p.suffix == ".py" and "queries" in p.parts]
    writing = {
        str(p.relative_to(ROOT)): lines
        for p in modules
        if (lines := writes(ast.parse(p.read_text())))
    }

    assert len(modules) > 50
    assert writing == {}


@pytest.mark.parametrize(
    "line",
    [
        'SQL = f"with a as (insert into {table} select 1)"',
        'SQL = "update billing_alert a set state = 1"',
        'SQL = "delete from billing_alert"',
        "Alert.objects.filter(pk=1).update(state=1)",
        "alert.save()",
    ],
)
def test_a_write_is_detected(line: str) -> None:
    assert writes(ast.parse(line)) == [1]
