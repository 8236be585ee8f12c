"""Colors: the tokens of the pages as plain values, and the contrast of two of them."""

import re
from functools import cache

from django.conf import settings

_TOKENS = settings.BASE_DIR / "static/css/tokens.css"
_PAIR = re.compile(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
HEX = re.compile(r"#[0-9a-f]{6}")
ENOUGH_CONTRAST = 4.5  # of text, by WCAG 2.2 AA


@cache
def palette() -> dict[str, dict[str, str]]:
    """Return the colors of `light` and `dark` by token name, with `_` for `-`.

    Emails need them, because email clients support no variables.
    """
    pairs = _PAIR.findall(_TOKENS.read_text())
    return {
        "light": {name.replace("-", "_"): light for name, light, _ in pairs},
        "dark": {name.replace("-", "_"): dark for name, _, dark in pairs},
    }


def contrast(one: str, other: str) -> float:
    """Return the contrast of two hexadecimal colors as WCAG defines it, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def accent_contrasts(accent: str) -> dict[str, float]:
    """Return the contrast of the text on an accent color, by `light` and `dark`."""
    return {
        theme: contrast(accent, colors["on_accent"])
        for theme, colors in palette().items()
    }


def _luminance(color: str) -> float:
    """Return the relative luminance of `#rrggbb`, 0 to 1."""
    red, green, blue = (
        _linear(int(color[start : start + 2], 16) / 255) for start in (1, 3, 5)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    if channel <= 0.04045:  # noqa: PLR2004  the constants are those of sRGB
        return channel / 12.92
    return float(((channel + 0.055) / 1.055) ** 2.4)
