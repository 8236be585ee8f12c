"""The colors of emails: those of the pages, because emails support no variables."""

import re
from functools import cache

from django.conf import settings

_TOKENS = settings.BASE_DIR / "static/css/tokens.css"
_PAIR = re.compile(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")


@cache
def palette() -> dict[str, dict[str, str]]:
    """Return the colors of `light` and `dark` by token name, with `_` for `-`."""
    pairs = _PAIR.findall(_TOKENS.read_text())
    return {
        "light": {name.replace("-", "_"): light for name, light, _ in pairs},
        "dark": {name.replace("-", "_"): dark for name, _, dark in pairs},
    }
