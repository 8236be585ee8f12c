"""Integers of a query as they are written: `1.0` and `1e3` are not among them."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_INTEGER = re.compile(r"-?[0-9]{1,19}")


def _plain(value: object) -> object:
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise ValueError("Write a whole number in digits")
    return value


PlainInt = Annotated[int, BeforeValidator(_plain)]
