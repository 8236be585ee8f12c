"""Each status and kind is written once, in its `TextChoices`; statements use it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT

_SQL = re.compile(r"\b(select|insert|update|delete|where|join|and|case when)\b|[<>=]")
_FILTERS = {"Q", "create", "exclude", "filter", "get", "get_or_create", "update"}
_FIELDS = r"(.*__)?(cycle|kind|role|source|stage|state|status)(__in)?"


def modules() -> list[Path]:
    paths = [
        p for app in ("orgs", "metrics", "billing") for p in (ROOT / app).rglob("*.py")
    ]
    return [p for p in sorted(paths) if "migrations" not in p.parts]


def values_of(tree: ast.AST) -> set[str]:
    """Return the values of the `TextChoices` that a module declares."""
    return {
        str(item.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith("TextChoices") for base in node.bases)
        for part in node.body
        if isinstance(part, ast.Assign)
        for item in [
            part.value.elts[0] if isinstance(part.value, ast.Tuple) else part.value
        ]
        if isinstance(item, ast.Constant)
    }


def repeated(tree: ast.AST, values: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and value of each SQL text or filter that repeats a value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            quoted = (
                re.findall(r"'(\w+)'", node.value) if _SQL.search(node.value) else []
            )
            yield from ((node.lineno, one) for one in quoted if one in values)
        elif isinstance(node, ast.Call) and name_of(node.func) in _FILTERS:
            for keyword in node.keywords:
                if keyword.arg and re.fullmatch(_FIELDS, keyword.arg):
                    yield from constants(keyword.value, values)


def name_of(function: ast.expr) -> str:
    """Return the last part of the name of a function that is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def constants(node: ast.AST, values: set[str]) -> Iterator[tuple[int, str]]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in values:
            yield part.lineno, part.value


def test_no_statement_and_no_filter_repeats_a_choice() -> None:
    trees = {p: ast.parse(p.read_text()) for p in modules()}
    values = set().union(*map(values_of, trees.values()))
    repetitions = [
        f"{p.relative_to(ROOT)}:{line} {value}"
        for p, tree in trees.items()
        for line, value in repeated(tree, values)
    ]

    assert {"no_recipient", "past_due", "two_live"} <= values
    assert repetitions == []


@pytest.mark.parametrize(
    "line",
    [
        """SQL = "select 1 from billing_charge where state = 'failed'\"""",
        """SQL = f"select 1 from {table} where state in ('failed', {more})\"""",
        """rows = Charge.objects.filter(state="failed")""",
        """condition = Q(state__in=["failed"])""",
    ],
)
def test_a_repeated_choice_is_detected(line: str) -> None:
    assert list(repeated(ast.parse(line), {"failed"})) == [(1, "failed")]
