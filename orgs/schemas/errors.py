"""Error bodies of the API, one format per contract."""

from ninja import Schema
from pydantic import Field


class ErrorOut(Schema):
    """An error of a request."""

    code: str = Field(
        max_length=100, description="A stable code that programs can check."
    )
    message: str = Field(
        description="A sentence for people. It may change at any time."
    )
    fields: list[str] | None = Field(
        None, description="The fields or parameters that caused the error, if known."
    )


class ErrorsOut(Schema):
    """The body of every error response."""

    errors: list[ErrorOut] = Field(min_length=1, description="At least one error.")


class FailureOut(Schema):
    """The body of every error response of contract A."""

    success: bool = Field(description="Always false.")
    error: str = Field(description="What went wrong, as a sentence for people.")


class InvalidInputOut(Schema):
    """An input that is not valid, in the format of contract B."""

    loc: list[str] = Field(description="Where it is: `body` or `query`, then its name.")
    msg: str = Field(description="A sentence for people. It may change at any time.")
    type: str = Field(description="A stable code that programs can check.")


class DetailOut(Schema):
    """The body of every error response of contract B."""

    detail: str | list[InvalidInputOut] = Field(
        description="A sentence, or for status 422 a list with the location (`loc`),"
        " message (`msg`), and code (`type`) of each invalid input."
    )
