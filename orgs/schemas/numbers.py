"""Integers and booleans in query parameters; `1.0`, `1e3`, and `yes` are refused."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from orgs.errors import DomainError
from orgs.text import read_boolean

_INTEGER = re.compile(r"-?[0-9]{1,19}")


def _require_digits(value: object) -> object:
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise ValueError("Write a whole number in digits")
    return value


def _require_boolean(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return read_boolean(value, field="value")
    except DomainError:
        raise ValueError("Write true or false") from None


PlainInt = Annotated[int, BeforeValidator(_require_digits)]
PlainBool = Annotated[bool, BeforeValidator(_require_boolean)]
# The parameter `includeDeleted` of operations that read one organization.
DELETED_FIELD: Any = Field(
    False,
    description="Whether a deleted organization is read, too, instead of a 404.",
)
