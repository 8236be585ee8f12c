"""Landmarks of a page have different names, by which a screen reader lists them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests import ROOT

TEMPLATES = ROOT / "templates"
NAMED = re.compile(
    r'<(?:section|nav|aside|form)\b[^>]*? aria-label="(?P<tag>[^"]+)"'
    r'|role="region" aria-label="(?P<role>[^"]+)"'
    r"|{% (?P<loop>for|endfor)\b"
)


def repeated(source: str) -> list[str]:
    """Return the names that occur twice, or that a loop would write again."""
    names: Counter[str] = Counter()
    depth = 0
    for match in NAMED.finditer(source):
        if match["loop"]:
            depth += 1 if match["loop"] == "for" else -1
            continue
        name = match["tag"] or match["role"]
        names[name] += 2 if depth and "{{" not in name else 1
    return [name for name, count in names.items() if count > 1]


def _templates() -> list[Path]:
    return sorted(
        path for path in TEMPLATES.rglob("*.html") if "admin" not in path.parts
    )


def test_no_template_names_two_landmarks_alike() -> None:
    names = {path.name: repeated(path.read_text()) for path in _templates()}
    assert {name: twice for name, twice in names.items() if twice} == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('<section aria-label="A"><div role="region" aria-label="A">', ["A"]),
        ('<section aria-label="A"><div role="region" aria-label="B">', []),
        ('{% for x in y %}<pre role="region" aria-label="A">{% endfor %}', ["A"]),
        ('{% for x in y %}<pre role="region" aria-label="{{ x }}">{% endfor %}', []),
    ],
)
def test_the_check_finds_names_that_occur_twice(source: str, names: list[str]) -> None:
    assert repeated(source) == names
