"""One form of Unicode, and one reader of booleans. Pure.

`é` is one character, or `e` and an accent; macOS sends the second. As IDs they would be
two things of one name, so all names and IDs are stored in normal form C.
"""

import unicodedata
from typing import Any

from orgs.errors import DomainError

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def to_nfc(text: str) -> str:
    """Return the text in Unicode's normal form C."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def to_nfc_deep(value: Any) -> Any:
    """Return JSON values with all texts and keys in normal form C."""
    if isinstance(value, str):
        return to_nfc(value)
    if isinstance(value, list):
        return [to_nfc_deep(item) for item in value]
    if isinstance(value, dict):
        return {to_nfc(key): to_nfc_deep(inner) for key, inner in value.items()}
    return value


def read_boolean(text: str, *, field: str) -> bool:
    """Return the value of a boolean parameter: true, 1, false, or 0, in any case.

    Raises `DomainError` for anything else: a parameter that is not understood must not
    count as false in silence.
    """
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise DomainError(
            f"`{field}` is {text[:50]!r}; it must be true or false.", fields=(field,)
        ) from None


def plain_lines(text: str) -> str:
    """Return a text with one kind of line break, and without NUL, which CSV refuses."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
