"""How errors are rendered: in the API's format below its prefixes, else as a page.

Never a trace, never the database's words; what surprises us is logged with the path.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import psycopg
import redis
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import empty
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from config.error_formats import (
    is_api,
    is_organization_api,
    render_error,
    validation_errors,
)
from orgs.errors import (
    DomainError,
    OrganizationNotFound,
    RateLimited,
    ReauthenticationRequired,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from orgs.web.http import wants_fragment

logger = logging.getLogger(__name__)


def register(api: NinjaAPI) -> None:
    """Teach an API what to do with each kind of error."""
    api.add_exception_handler(DomainError, _domain)
    api.add_exception_handler(AuthenticationError, _unauthenticated)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http)
    api.add_exception_handler(Http404, _missing)
    api.add_exception_handler(RequestDataTooBig, _too_large)
    api.add_exception_handler(Exception, _crash)


def _domain(request: HttpRequest, error: Any) -> HttpResponse:
    response = render_error(
        request, error.status, error.code, error.message, error.fields, part=error.part
    )
    return _with_wait(response, error)


def _unauthenticated(request: HttpRequest, error: Any) -> HttpResponse:
    response = render_error(
        request,
        Unauthorized.status,
        Unauthorized.code,
        "Send a valid API key or login token.",
    )
    response["WWW-Authenticate"] = 'Bearer realm="Orgdesk"'
    return response


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    """Names the first input at fault, contract B all; no value is repeated."""
    if is_organization_api(request):
        return validation_errors([_place(one) for one in error.errors])
    first = error.errors[0]
    # ("query" or "body", the parameter's name in our code, the field, …)
    places = [str(place) for place in first["loc"] if place not in _PARAMETERS]
    field = places[-1] if places else "body"
    code = _CODES.get(first["type"], "invalid_request")
    return render_error(request, 400, code, f"{field}: {_message(first)}", (field,))


def _place(one: dict[str, Any]) -> tuple[list[str], str, str]:
    part, *rest = map(str, one["loc"])
    places = [place for place in rest if place not in _PARAMETERS]
    return [part, *places], _message(one), _CODES.get(one["type"], one["type"])


def _message(one: dict[str, Any]) -> str:
    """Return what is wrong, without the names of our classes."""
    return _MESSAGES.get(one["type"]) or str(one["msg"])


_OBJECT = "Input should be an object"
_MESSAGES = {
    "extra_forbidden": "There is no field of this name",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _OBJECT),
}
# Names of parameters that collect a query or body; callers never see them.
_PARAMETERS = frozenset({"query", "body", "path", "header", "filters", "data"})
_CODES = {
    "extra_forbidden": "unknown_field",
    "missing": "missing_field",
    "string_too_long": "too_long",
    "finite_number": "not_finite",
    "decimal_max_digits": "out_of_range",
    "decimal_max_places": "too_precise",
    "decimal_whole_digits": "out_of_range",
    "timezone_aware": "timezone_required",
}


def _http(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error.__cause__, DomainError):  # our parser's, wrapped by ninja
        return _domain(request, error.__cause__)
    return render_error(request, error.status_code, "invalid_request", str(error))


def _too_large(request: HttpRequest, error: Any) -> HttpResponse:
    return render_error(
        request, TooLarge.status, TooLarge.code, "The request body is too large."
    )


def _missing(request: HttpRequest, error: Any) -> HttpResponse:
    return render_error(request, 404, *_SENTENCES[404])


def error_response(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return what the API answers to an error outside of Django's request handling."""
    if isinstance(error, DomainError):
        return _domain(request, error)
    return _crash(request, error)


# Statement timeouts, lost connections, and a pool that has no connection in time.
_DATABASE_ERRORS = (OperationalError, InterfaceError, psycopg.OperationalError)


def _crash(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, _DATABASE_ERRORS):
        return _unavailable(request, error)
    logger.error(
        "request_failed path=%s request_id=%s",
        request.path,
        _request_id(request),
        exc_info=error,
        extra={"request_id": _request_id(request)},
    )
    return render_error(request, 500, "billing_service.failed_request", _FAILED)


_FAILED = "Something went wrong on our side. The error was logged."


def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.warning(
        "database_unavailable error=%s path=%s request_id=%s",
        type(error).__name__,
        request.path,
        _request_id(request),
        extra={"request_id": _request_id(request)},
    )
    response = render_error(
        request, 503, "unavailable", "The database is unavailable. Try again in 5 s."
    )
    response["Retry-After"] = "5"
    return response


def _request_id(request: HttpRequest) -> str:
    return getattr(request, "request_id", "")


# --- Django's own handlers, for URLs no API or page owns --------------------------

_SENTENCES = {
    400: ("invalid_request", "The request is malformed."),
    403: ("forbidden", "You don't have access to this resource."),
    404: ("not_found", "Not found."),
    405: ("method_not_allowed", "This URL doesn't accept that method."),
    500: ("failed_request", _FAILED),
}


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    if is_api(request):
        is_of_costs = request.path.startswith(_COSTS_PREFIX)
        if is_of_costs and status == HTTPStatus.NOT_FOUND:
            missing = OrganizationNotFound()
            return render_error(request, status, missing.code, missing.message)
        return render_error(request, status, *_SENTENCES[status])
    return _shown(request, status)


# Contract C has one code for all paths that it does not find: clients of it encode the
# slash of an ID such as `a/b`, which no path of ours matches.
_COSTS_PREFIX = "/api/v1/billing/costs/"


def _shown(
    request: HttpRequest,
    status: int,
    message: str = "",
    *,
    sent_status: int | None = None,
) -> HttpResponse:
    """Render the error page, or a fragment where htmx expects a part of a page."""
    status_sent = sent_status or status
    if wants_fragment(request):
        context = {"message": message or _SENTENCES[status][1]}
        return render(request, "errors/_fragment.html", context, status=status_sent)
    template, context = f"errors/{status}.html", {"message": message}
    if _is_logged_in(request, may_ask=status < HTTPStatus.INTERNAL_SERVER_ERROR):
        try:
            return _with_navigation(request, template, context, status_sent)
        except Exception as error:  # the page without navigation needs nothing
            logger.warning("error_page_is_plain error=%s", type(error).__name__)
    return render(request, template, context, status=status_sent)


def _is_logged_in(request: HttpRequest, *, may_ask: bool) -> bool:
    """Return whether the page knows its user; with `may_ask`, the database is asked."""
    user = request.__dict__.get("user")
    is_unread = getattr(user, "_wrapped", None) is empty  # of a lazy object
    if user is None or (is_unread and not may_ask):
        return False
    return bool(user.is_authenticated)


def _with_navigation(
    request: HttpRequest, template: str, context: dict[str, Any], status: int
) -> HttpResponse:
    """Render an error page in the shell of all pages, without the database.

    Its error may be that of the database, which would then fail again.
    """
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        template = "errors/crash.html"
    with connection.execute_wrapper(_refuse_statement):
        shell = {**context, "error_layout": "errors/shell.html"}
        return render(request, template, shell, status=status)


def _refuse_statement(*_: Any) -> None:
    raise InterfaceError("Error pages ask no database.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, 500)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Answer what allauth's own limits refuse; they do not say for how long."""
    response = _shown(request, 400, _TOO_MANY, sent_status=RateLimited.status)
    response["Retry-After"] = str(_RETRY_AFTER)
    return response


_TOO_MANY = "Too many requests. Try again in a minute."
_RETRY_AFTER = 60  # seconds


class ApiLanguageMiddleware:
    """Whatever answered under an API prefix, errors are JSON in the caller's language.

    Wrong methods, failed CSRF checks and Django's own refusals come as HTML or text;
    doubled slashes come from clients whose host was given with one at its end.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        while request.path_info.startswith("/v1//"):
            request.path_info = request.path_info.replace("/v1//", "/v1/", 1)
            request.path = request.path.replace("/v1//", "/v1/", 1)
        response = self.get_response(request)
        if response.status_code >= 400 and is_api(request):  # noqa: PLR2004
            return self._translated(request, response)
        return response

    def _translated(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        status = response.status_code
        code, message = _SENTENCES.get(status, _SENTENCES[400])
        answer = render_error(request, status, code, message)
        for name in ("Allow", "Retry-After"):
            if name in response:
                answer[name] = response[name]
        return answer


class DomainErrorMiddleware:
    """Renders a `DomainError` that a page's view raises as an error page.

    A parameter with a NUL character never reaches a view: no column can hold one, and
    each query that compares a text with it would fail.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Give a page whose form was refused the status and wait of the refusal."""
        response = self.get_response(request)
        if wait := getattr(request, "retry_after", None):
            response.status_code = RateLimited.status
            response["Retry-After"] = str(wait)
        return response

    def process_view(
        self, request: HttpRequest, view: object, args: object, options: object
    ) -> HttpResponse | None:
        if is_api(request) or "%00" not in request.META.get("QUERY_STRING", ""):
            return None
        message = "Parameters must not contain NUL characters."
        return self.process_exception(request, DomainError(message))

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponse | None:
        if isinstance(error, redis.RedisError):
            logger.warning("valkey_unavailable error=%s", type(error).__name__)
            error = Unavailable("This page is unavailable. Try again in 5 s.")
        if isinstance(error, PermissionDenied) or not isinstance(error, DomainError):
            return None
        if is_api(request):
            return _domain(request, error)
        if isinstance(error, ReauthenticationRequired):
            return None  # `config.reauthentication` leads to the confirmation
        return answer_domain_error(request, error)


def answer_domain_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """Return the answer to an expected error: a page, a fragment, or JSON."""
    if is_api(request):
        return _domain(request, error)
    status = error.status if error.status in _SENTENCES else 400
    response = _shown(request, status, error.message, sent_status=error.status)
    return _with_wait(response, error)


def _with_wait(response: HttpResponse, error: DomainError) -> HttpResponse:
    if retry_after := getattr(error, "retry_after", None):
        response["Retry-After"] = str(retry_after)
    return response
