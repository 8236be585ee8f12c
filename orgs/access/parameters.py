"""Checks of the query parameters of an API call, before their values are read.

An unknown parameter is refused, because a filter that is misspelled and ignored answers
with other rows than were meant. Two of the published contracts have clients that send
parameters of other services; they ignore those, but not a misspelled known one.
"""

from collections.abc import Callable, Iterable, Set
from functools import wraps
from inspect import unwrap
from typing import Any

from django.http import HttpRequest
from ninja.operation import Operation

from orgs.errors import DomainError, UnknownParameter
from orgs.text import read_boolean

Run = Callable[..., Any]
DELETED = "includeDeleted"
_STRICT_PREFIX = "/api/v1/"
_TOLERANT_PREFIXES = ("/v1/api", "/api/v1/billing/costs/")
_MAX_NAME = 40  # characters of a name in a message


def with_parameters(run: Run) -> Run:
    """Decorate the `run` of an operation: its calls know the parameters it takes.

    An operation with a credential checks them after the caller's access, one without
    checks them here.
    """
    operation = operation_of(run)
    known = query_parameters(operation)

    @wraps(run)
    def run_with(request: HttpRequest, **arguments: Any) -> Any:
        request.query_parameters = known  # type: ignore[attr-defined]
        if not operation.auth_callbacks:
            check_parameters(request)
        return run(request, **arguments)

    return run_with


def operation_of(run: Run) -> Operation:
    """Return the operation whose `run` this is, which may be decorated."""
    operation: Operation = unwrap(run).__self__
    return operation


def query_parameters(operation: Operation) -> frozenset[str]:
    """Return the names of the query parameters that an operation declares."""
    return frozenset(
        name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in model.__ninja_flatten_map__
    )


def check_parameters(request: HttpRequest) -> None:
    """Raise `DomainError` for a parameter that the operation would ignore.

    Below `/api/v1`, also for one that is given twice or contains a NUL character.
    """
    if request.path.startswith(_STRICT_PREFIX):
        _refuse_ambiguous(request)
    known: frozenset[str] = getattr(request, "query_parameters", frozenset())
    names = list(request.GET)
    if request.path.startswith(_TOLERANT_PREFIXES):
        own_names = {_simplify(name) for name in (*known, DELETED)}
        names = [name for name in names if _simplify(name) in own_names]
    require_known(names, known)


def require_known(names: Iterable[str], known: Set[str]) -> None:
    """Raise `UnknownParameter` for the first name that is not known."""
    if unknown := sorted(set(names) - known):
        accepted = f"Use: {', '.join(sorted(known))}." if known else "There are none."
        message = f"Unknown parameter “{unknown[0][:_MAX_NAME]}”. {accepted}"
        raise UnknownParameter(message, fields=(unknown[0],))


def includes_deleted(request: HttpRequest) -> bool:
    """Return whether the call asks for deleted rows; raise for a bad value."""
    text = request.GET.get(DELETED)
    return text is not None and read_boolean(text, field=DELETED)


def _simplify(name: str) -> str:
    """Return a name as its misspellings are, too: `From`, `include_deleted`."""
    return name.lower().replace("_", "").replace("-", "")


def _refuse_ambiguous(request: HttpRequest) -> None:
    for name, values in request.GET.lists():
        if len(values) > 1:
            raise DomainError(
                f"`{name}` is given more than once.",
                code="duplicate_parameter",
                fields=(name,),
            )
        if "\x00" in name or "\x00" in values[0]:
            raise DomainError(
                "Parameters must not contain NUL characters.",
                code="invalid_character",
                fields=(name.replace("\x00", ""),),
            )
