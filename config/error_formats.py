"""The formats in which the APIs return an error: three contracts, three bodies.

Ours and contract C: `{"errors": [{code, message, fields?}]}`. Contract A:
`{"success": false, "error"}`. Contract B: `{"detail"}`, a list with places for input
that is not understood, with status 422. All have the code in the header
`x-cloud-error-codes`.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

API_PREFIXES = ("/api/", "/v1/", "/webhooks/")
_CONTRACT_A = ("/v1/api/", "/v1/api-login")
_CONTRACT_B = "/v1/"


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIXES)


def is_organization_api(request: HttpRequest) -> bool:
    path = request.path
    return path.startswith(_CONTRACT_B) and not path.startswith(_CONTRACT_A)


def render_error(
    request: HttpRequest,
    status: int,
    code: str,
    message: str,
    fields: tuple[str, ...] = (),
    *,
    part: str = "body",
) -> HttpResponse:
    """Return the error in the format of the API that was called.

    `part` is where the fields are: in the body or the query. Each format has the code
    in a header, too.
    """
    response = _format(request, status, code, message, (part, *fields))
    response["x-cloud-error-codes"] = code
    return response


def _format(
    request: HttpRequest,
    status: int,
    code: str,
    message: str,
    place: tuple[str, ...],
) -> HttpResponse:
    if request.path.startswith(_CONTRACT_A):
        body: dict[str, Any] = {"success": False, "error": message}
        return JsonResponse(body, status=status)
    if is_organization_api(request):
        return _contract_b(status, code, message, place)
    error: dict[str, Any] = {"code": code, "message": message}
    if fields := place[1:]:
        error["fields"] = list(fields)
    return JsonResponse({"errors": [error]}, status=status)


def _contract_b(
    status: int, code: str, message: str, place: tuple[str, ...]
) -> HttpResponse:
    if status != HTTPStatus.BAD_REQUEST:
        return JsonResponse({"detail": message}, status=status)
    return validation_errors([(place, message, code)])


def validation_errors(
    problems: Sequence[tuple[Sequence[str], str, str]],
) -> HttpResponse:
    """Return contract B's 422 for invalid input: place, message and type of each."""
    detail = [{"loc": loc, "msg": msg, "type": type_} for loc, msg, type_ in problems]
    return JsonResponse({"detail": detail}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
