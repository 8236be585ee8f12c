"""The palette has enough contrast for text, controls and the series of charts."""

import re
from itertools import combinations, pairwise

import pytest

from tests import ROOT

CSS = ROOT / "static" / "css"
PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
TOKENS = {
    name: (light, dark)
    for name, light, dark in PAIR.findall((CSS / "tokens.css").read_text())
}
SERIES = [f"series-{tone}" for tone in range(1, 6)]

# How each kind of color vision sees linear red, green and blue (Viénot 1999).
EYES = {
    "most": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
    "deutan": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1)),
}


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def luminance(rgb: list[float]) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(linear(one)), luminance(linear(other))))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: list[float]) -> tuple[float, float, float]:
    red, green, blue = (max(0.0, part) for part in rgb)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    a, b, c = (
        v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)
    )
    return 116 * b - 16, 500 * (a - b), 200 * (b - c)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("words", "behind"),
    [
        ("text", "canvas"),
        ("text", "hover"),
        ("text-muted", "canvas"),
        ("text-muted", "surface"),
        ("text-muted", "sunken"),
        ("text-faint", "surface"),
        ("action", "surface"),
        ("action", "action-soft"),
        ("on-action", "action"),
        ("good", "good-soft"),
        ("warn", "warn-soft"),
        ("bad", "bad-soft"),
        ("bad", "surface"),
    ],
)
def test_text_has_enough_contrast(words: str, behind: str, mode: int) -> None:
    assert contrast(TOKENS[words][mode], TOKENS[behind][mode]) >= 4.5


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("role", ["line-control", "focus"])
def test_controls_have_enough_contrast(role: str, mode: int) -> None:
    assert contrast(TOKENS[role][mode], TOKENS["surface"][mode]) >= 3


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_series_differ_for_every_kind_of_color_vision(eye: str, mode: int) -> None:
    for one, other in combinations(SERIES, 2):
        seen = [
            lab([sum(map(float.__mul__, map(float, row), rgb)) for row in EYES[eye]])
            for rgb in (linear(TOKENS[one][mode]), linear(TOKENS[other][mode]))
        ]
        distance = sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5
        assert distance >= 15, (one, other)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_adjacent_series_differ_in_gray(mode: int) -> None:
    greys = [lab(linear(TOKENS[name][mode]))[0] for name in SERIES]

    assert all(abs(a - b) >= 10 for a, b in pairwise(greys))


def test_colors_are_defined_only_in_the_tokens() -> None:
    for sheet in CSS.rglob("*.css"):
        if sheet.name != "tokens.css":
            assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;, )])", sheet.read_text())
