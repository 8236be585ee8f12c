"""The parameter by which a CSV file is asked for as Excel reads it."""

from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from orgs.errors import DomainError

EXCEL = "excel"


class CsvIn(Schema):
    """What a CSV file is for: programs, or Excel."""

    for_: Literal["excel"] | None = Field(
        None,
        alias="for",
        description="`excel` adds a byte order mark and keeps text that looks like a"
        " number or a date as it is.",
    )

    @property
    def is_for_excel(self) -> bool:
        return self.for_ == EXCEL


def csv_answer(example: str) -> dict[str, Any]:
    """Return the documentation of an answer with a CSV file, and how it begins."""
    schema = {
        "x-name": "CsvFile",
        "type": "string",
        "contentMediaType": "text/csv",
        "description": "A table as UTF-8 text: a header, then a row per line.",
        "examples": ["day,quantity\r\n2026-11-05,800\r\n"],
    }
    media = {"schema": schema, "example": example}
    return {"responses": {200: {"content": {"text/csv": media}}}}


def read_is_for_excel(text: str) -> bool:
    """Return whether the parameter `for` of a page's link asks for an Excel file.

    Raises `DomainError` for another program.
    """
    if text not in {"", EXCEL}:
        raise DomainError("`for` must be `excel`.", fields=("for",))
    return text == EXCEL
