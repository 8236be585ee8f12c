"""Responses to requests that are refused before Django sees them."""

import uuid
from typing import Any, NamedTuple

from django.core.handlers.wsgi import WSGIRequest

from config.errors import error_response
from config.server.headers import NO_STORE, outside_headers
from orgs.errors import DomainError

Headers = list[tuple[str, str]]


class Refusal(NamedTuple):
    """A whole response."""

    status: int
    reason: str
    headers: Headers
    body: bytes


def refuse(environ: dict[str, Any], error: DomainError) -> Refusal:
    """Return the response to a request, in the error format of its path.

    `environ` is a WSGI environment, whose body is not read.
    """
    response = error_response(WSGIRequest(environ), error)
    headers = [*response.items(), *outside_headers()]
    headers += [
        ("Cache-Control", NO_STORE),
        ("X-Request-ID", uuid.uuid4().hex),
        ("Content-Length", str(len(response.content))),
    ]
    return Refusal(
        response.status_code, response.reason_phrase, headers, response.content
    )
