"""Authenticate and authorize API calls before their input is looked at.

The credential, its scope, the organization it reaches and the rate limit are checked
first: a caller who is refused learns nothing from how the input would have been judged.
"""

from django.http import HttpRequest
from ninja.security.base import AuthBase

from orgs.access.api_access import (
    billed_organization,
    called_organization,
    called_white_label,
    inner_organization,
)
from orgs.access.credentials import authenticate
from orgs.access.principals import Principal
from orgs.catalog import Scope
from orgs.errors import DomainError

_OWN_PREFIX = "/api/v1/"
_COSTS_PREFIX = "/api/v1/billing/costs/"
_LABEL_PREFIX = "/v1/api/"
_TRUE = frozenset({"true", "1"})
# Contract C has a code of its own for its two charts.
CHARTS_RATE_LIMITED = "billing_service.rate_limited"


class Credential(AuthBase):
    """An API key or a login token, in any of the forms the contracts know."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = (
        "An API key or login token. It is also accepted as `Authorization: ApiKey …`,"
        " `x-api-key`, `x-jwt-token`, the cookie `jwt`, or Basic's password."
    )

    def __init__(self, scope: Scope | None = None, *, reaches_deleted: bool = False):
        super().__init__()
        self.scope = scope
        self.reaches_deleted = reaches_deleted

    def __call__(self, request: HttpRequest) -> Principal | None:
        found = authenticate(request)
        if found is None:
            return None
        request.auth = found  # type: ignore[attr-defined]
        if self.scope is not None:
            found.require(self.scope)
            self._reach(request, self.scope)
        if request.path.startswith(_OWN_PREFIX):
            check_query(request)
        return found

    def _reach(self, request: HttpRequest, scope: Scope) -> None:
        """Fetch what the path names; the operation finds it in the request cache."""
        named = request.resolver_match.kwargs if request.resolver_match else {}
        if "organization_id" not in named:
            return
        id_ = str(named["organization_id"])
        deleted = self.reaches_deleted or _wants_deleted(request)
        if request.path.startswith(_COSTS_PREFIX):
            billed_organization(request, id_, limit_code=_limit_code(request))
        elif not request.path.startswith(_LABEL_PREFIX):
            called_organization(request, id_, scope, include_deleted=deleted)
        elif "inner_id" in named:
            inner_organization(
                request, id_, str(named["inner_id"]), scope, include_deleted=deleted
            )
        else:
            called_white_label(request, id_, scope)


def needs(scope: Scope, *, reaches_deleted: bool = False) -> Credential:
    """Return the check for an operation: `auth=needs(Scope.BILLING_READ)`."""
    return Credential(scope, reaches_deleted=reaches_deleted)


def _wants_deleted(request: HttpRequest) -> bool:
    return request.GET.get("includeDeleted", "").lower() in _TRUE


def _limit_code(request: HttpRequest) -> str:
    return CHARTS_RATE_LIMITED if request.path.endswith("/charts") else ""


def check_query(request: HttpRequest) -> None:
    """Refuse a parameter that is given twice or contains a NUL.

    The published contracts ignore what they do not know, so only `/api/v1` is strict.
    """
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
