"""How an error looks in our own language; contract C's words."""

from ninja import Schema
from pydantic import Field


class ErrorOut(Schema):
    """One error; `fields` names the inputs at fault."""

    code: str = Field(max_length=100)
    message: str
    fields: list[str] | None = None


class ErrorsOut(Schema):
    """The body of every answer that is not a success."""

    errors: list[ErrorOut] = Field(min_length=1)


class FailureOut(Schema):
    """Contract A's words."""

    success: bool = Field(description="Always false.")
    error: str


class DetailOut(Schema):
    """Contract B's words: a sentence, or places of what was not understood."""

    detail: str | list[dict[str, str | list[str | int]]]
