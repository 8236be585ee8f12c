"""Integers in query parameters; `1.0` and `1e3` are refused."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_INTEGER = re.compile(r"-?[0-9]{1,19}")


def _require_digits(value: object) -> object:
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise ValueError("Write a whole number in digits")
    return value


PlainInt = Annotated[int, BeforeValidator(_require_digits)]
