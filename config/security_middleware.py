"""Events of the security log that every response can be: exports and denied access."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from orgs.security_log import (
    ActorKind,
    Kind,
    Origin,
    coming_from,
    current_origin,
    record,
)

_LONGEST_QUERY = 200
# The path of a customer page has its token, which no log may have.
_UNRECORDED = ("/static/", "/customer/")


class SecurityLogMiddleware:
    """Records files that were sent, and refusals of people and keys that logged in.

    A missing row and one of another white label are both a 404, and both are recorded:
    neither the answer nor its time shows which of them it was.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if _is_refusal(request, response):
            _record_refusal(request, response)
        elif response.status_code == HTTPStatus.OK and _is_file(response):
            _record_export(request, response)
        return response


def _is_refusal(request: HttpRequest, response: HttpResponseBase) -> bool:
    if response.status_code == HTTPStatus.NOT_FOUND:
        match = request.resolver_match
        has_id = match is not None and bool(match.kwargs or match.args)
        return has_id and not request.path.startswith(_UNRECORDED)
    return response.status_code == HTTPStatus.FORBIDDEN


def _record_refusal(request: HttpRequest, response: HttpResponseBase) -> None:
    if current_origin().actor.kind is ActorKind.ANONYMOUS:
        return
    record(
        Kind.ACCESS_DENIED,
        details={
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
        },
    )


def _is_file(response: HttpResponseBase) -> bool:
    return response.get("Content-Disposition", "").startswith("attachment")


def _record_export(request: HttpRequest, response: HttpResponseBase) -> None:
    """Record a file with its lines; one that is streamed when its end is sent."""
    details = {
        "file": response["Content-Disposition"].partition("filename=")[2].strip('"'),
        "path": request.path,
        "query": request.META.get("QUERY_STRING", "")[:_LONGEST_QUERY],
    }
    if isinstance(response, StreamingHttpResponse):
        stream = response.streaming_content
        response.streaming_content = _recorded(stream, details, current_origin())
    else:
        lines = response.content.count(b"\n")  # type: ignore[attr-defined]
        record(Kind.EXPORT, details=details | {"lines": lines})


def _recorded(parts: Any, details: dict[str, Any], origin: Origin) -> Iterator[bytes]:
    """Yield the parts of a file, and record it after the last, or when it is left."""
    size, lines, is_whole = 0, 0, False
    try:
        for part in parts:
            size, lines = size + len(part), lines + part.count(b"\n")
            yield part
        is_whole = True
    finally:
        counts = {"bytes": size, "lines": lines, "complete": is_whole}
        with coming_from(origin):
            record(Kind.EXPORT, details=details | counts)
