"""What the tools answer: a result, where it is from, and as of when."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from pydantic import BaseModel, Field


class Source(BaseModel):
    """A page or an operation of the API that has the same figures."""

    title: str = Field(description="What the link leads to.")
    url: str = Field(description="The address, for a person or an API client.")


class Answer(BaseModel):
    """The answer of a tool."""

    as_of: datetime = Field(description="The instant that the figures are of.")
    sources: list[Source] = Field(description="Where the same figures are.")
    result: dict[str, Any] = Field(
        description="The figures, as the API operation among the sources has them."
    )


def make_answer(
    result: dict[str, Any], *sources: Source, as_of: str | None = None
) -> Answer:
    """Return an answer; without `as_of` the figures are those of now."""
    instant = datetime.fromisoformat(as_of) if as_of else timezone.now()
    return Answer(as_of=instant, sources=list(sources), result=result)


def page(title: str, name: str, **path: int) -> Source:
    """Return a page of staff as a source."""
    return Source(title=title, url=settings.SITE_URL + reverse(name, kwargs=path))


def operation(path: str) -> Source:
    """Return a reading operation of the API as a source."""
    return Source(title=f"GET {path}", url=settings.SITE_URL + path)
