"""How an error is said: JSON under an API prefix, a page elsewhere; never a trace.

Under /api/v1 the language is contract C's: `{"errors": [{code, message, fields?}]}`
and the codes once more in the header `x-cloud-error-codes`.
"""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from orgs.errors import DomainError, Unauthorized

logger = logging.getLogger(__name__)
API_PREFIXES = ("/api/", "/v1/", "/webhooks/")


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIXES)


def envelope(
    status: int, code: str, message: str, fields: tuple[str, ...] = ()
) -> JsonResponse:
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = list(fields)
    response = JsonResponse({"errors": [error]}, status=status)
    response["x-cloud-error-codes"] = code
    return response


def register(api: NinjaAPI) -> None:
    """Teach an API the language."""
    api.add_exception_handler(DomainError, _domain)
    api.add_exception_handler(AuthenticationError, _unauthenticated)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http)
    api.add_exception_handler(Http404, _missing)
    api.add_exception_handler(Exception, _crash)


def _domain(request: HttpRequest, error: Any) -> HttpResponse:
    return envelope(error.status, error.code, error.message, error.fields)


def _unauthenticated(request: HttpRequest, error: Any) -> HttpResponse:
    response = envelope(
        Unauthorized.status, Unauthorized.code, "A valid credential is needed."
    )
    response["WWW-Authenticate"] = 'Bearer realm="Orgdesk"'
    return response


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    """Names the first input at fault; its value is not repeated."""
    first = error.errors[0]
    field = str(first["loc"][-1])
    return envelope(400, "invalid_request", f"{field}: {first['msg']}", (field,))


def _http(request: HttpRequest, error: Any) -> HttpResponse:
    return envelope(error.status_code, "invalid_request", str(error))


def _missing(request: HttpRequest, error: Any) -> HttpResponse:
    return envelope(404, "not_found", "There is nothing here.")


def _crash(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, OperationalError):
        return _unavailable(error)
    logger.error("request_failed path=%s", request.path, exc_info=error)
    return envelope(500, "billing_service.failed_request", "This failed on our side.")


def _unavailable(error: OperationalError) -> HttpResponse:
    logger.warning("database_unavailable error=%s", type(error).__name__)
    response = envelope(503, "unavailable", "The database does not answer just now.")
    response["Retry-After"] = "5"
    return response


# --- Django's own handlers, for URLs no API or page owns --------------------------

_SENTENCES = {
    400: ("invalid_request", "The request is not one we understand."),
    403: ("forbidden", "This is not yours to see."),
    404: ("not_found", "There is nothing here."),
    500: ("failed_request", "This failed on our side."),
}


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    if is_api(request):
        return envelope(status, *_SENTENCES[status])
    return render(request, f"errors/{status}.html", status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, 500)


class DomainErrorMiddleware:
    """Pages: an expected refusal becomes its page; whoever raised it did not care."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer: HttpResponse = self.get_response(request)
        return answer

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponse | None:
        if isinstance(error, PermissionDenied) or not isinstance(error, DomainError):
            return None
        if is_api(request):
            return _domain(request, error)
        status = error.status if error.status in _SENTENCES else 400
        context = {"message": error.message}
        return render(request, f"errors/{status}.html", context, status=error.status)
