"""The header `Idempotency-Key` of API operations that write."""

import re
from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any, TypeVar

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja.decorators import decorate_view
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback

from orgs.access.limits import count_call
from orgs.access.parameters import operation_of
from orgs.access.principals import Principal
from orgs.commands.idempotency import (
    NamedWrite,
    StoredAnswer,
    begin_write,
    hash_request,
    store_answer,
)
from orgs.errors import DomainError

View = TypeVar("View", bound=Callable[..., Any])
Run = Callable[..., Any]
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_MAX_LENGTH = 255
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_FIRST_ERROR = 300
_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": _MAX_LENGTH,
        "description": "A name that you choose for this write, 1 to 255 printable ASCII"
        " characters without spaces. If it is sent again with the same request within"
        " three days, the answer is repeated and nothing is written.",
    },
    "example": "5f0c7a52-3c1e-4f0e-9d39-6c1f5a3a8f11",
}


def idempotent(view: View) -> View:
    """Decorate an operation that writes: it takes the header `Idempotency-Key`.

    The operation runs in one transaction with the row of the key. It must not call
    other services before it returns; what it enqueues is sent after the commit.
    """
    contribute_operation_callback(view, _declare)
    decorated: View = decorate_view(_with_key)(view)
    return decorated


def _declare(operation: Operation) -> None:
    extra = operation.openapi_extra or {}
    parameters = [*extra.get("parameters", ()), deepcopy(_PARAMETER)]
    operation.openapi_extra = {**extra, "parameters": parameters}


def _with_key(run: Run) -> Run:
    operation = operation_of(run)

    @wraps(run)
    def run_with_key(request: HttpRequest, **arguments: Any) -> Any:
        if HEADER not in request.headers:
            return run(request, **arguments)
        try:
            return _run_once(operation, run, request, arguments)
        except Exception as error:
            return operation.api.on_exception(request, error)

    return run_with_key


def _run_once(
    operation: Operation, run: Run, request: HttpRequest, arguments: dict[str, Any]
) -> Any:
    """Return the answer of the write, made now or before; errors store nothing."""
    credential: Any = operation.auth_callbacks[0]
    caller: Principal | None = credential.identify(request)
    if caller is None:  # the operation answers that there is no valid credential
        return run(request, **arguments)
    write = _named_write(request, caller)
    with transaction.atomic():
        if stored := begin_write(write):
            count_call(caller)
            return _repeat(stored)
        response = run(request, **arguments)
        if response.status_code < _FIRST_ERROR:
            content_type = response.headers.get("Content-Type", "")
            store_answer(
                write,
                StoredAnswer(response.status_code, response.content, content_type),
            )
        else:
            transaction.set_rollback(True)
    return response


def _named_write(request: HttpRequest, caller: Principal) -> NamedWrite:
    key = request.headers[HEADER]
    if not _KEY.fullmatch(key):
        message = f"`{HEADER}` must have 1 to {_MAX_LENGTH} printable ASCII characters."
        raise DomainError(message, code="invalid_idempotency_key", fields=(HEADER,))
    url = request.get_full_path().encode()
    parts = (str(request.method).encode(), url, request.body)
    return NamedWrite(_owner(caller), key, hash_request(parts))


def _owner(caller: Principal) -> str:
    """Return whose key it is; what a user may access can change, what a key may not."""
    if caller.key_id is not None:
        return f"key {caller.key_id}"
    return f"user {caller.user_id} of {caller.white_label_id or 'all'}"


def _repeat(stored: StoredAnswer) -> HttpResponse:
    response = HttpResponse(stored.body, status=stored.status)
    if stored.content_type:
        response["Content-Type"] = stored.content_type
    else:
        del response["Content-Type"]
    response[REPLAYED] = "true"
    return response
