"""Authentication and authorization of API calls, before their input is validated.

The credential, its scope, the organization and the rate limit are checked first: a
caller without access learns nothing from validation errors.
"""

import pghistory
from django.http import HttpRequest
from ninja.security.base import AuthBase

from orgs.access.actors import actor_of_principal
from orgs.access.api_access import (
    billed_organization,
    called_organization,
    called_white_label,
    inner_organization,
)
from orgs.access.credentials import authenticate
from orgs.access.parameters import check_parameters, includes_deleted
from orgs.access.principals import Principal
from orgs.access.request_cache import cached
from orgs.catalog import Scope
from orgs.security_log import current_origin

_COSTS_PREFIX = "/api/v1/billing/costs/"
_LABEL_PREFIX = "/v1/api/"
# The error code that contract C defines for its two charts.
CHARTS_RATE_LIMITED = "billing_service.rate_limited"


class Credential(AuthBase):
    """The check of an API key or login token, in every form the contracts accept."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = (
        "An API key or login token. It is also accepted as `Authorization: ApiKey …`,"
        " `x-api-key`, `x-jwt-token`, the password of Basic, or, to read only, the"
        " cookie `jwt`."
    )

    def __init__(
        self,
        scope: Scope | None = None,
        *,
        reaches_deleted: bool = False,
        checks_parameters: bool = True,
    ) -> None:
        super().__init__()
        self.scope = scope
        self.reaches_deleted = reaches_deleted
        # False if the operation refuses unknown parameters itself.
        self.checks_parameters = checks_parameters

    def __call__(self, request: HttpRequest) -> Principal | None:
        caller = self.identify(request)
        if caller is None:
            return None
        request.auth = caller  # type: ignore[attr-defined]
        _name_author(caller)
        if self.scope is not None:
            self._check_path(request, self.scope)
        if self.checks_parameters:
            check_parameters(request)
        return caller

    def identify(self, request: HttpRequest) -> Principal | None:
        """Return the caller if the credential is valid; require the scope only."""
        caller = cached(request, "caller", lambda: authenticate(request))
        if caller is not None and self.scope is not None:
            caller.require(self.scope)
        return caller

    def _check_path(self, request: HttpRequest, scope: Scope) -> None:
        """Check access to the organization or white label that the path names.

        The operation then takes it from the request cache.
        """
        path_ids = request.resolver_match.kwargs if request.resolver_match else {}
        if "organization_id" not in path_ids:
            return
        id_ = str(path_ids["organization_id"])
        if request.path.startswith(_COSTS_PREFIX):
            billed_organization(request, id_, limit_code=_limit_code(request))
            return
        deleted = self.reaches_deleted or includes_deleted(request)
        if not request.path.startswith(_LABEL_PREFIX):
            called_organization(request, id_, scope, include_deleted=deleted)
        elif "inner_id" in path_ids:
            inner_organization(
                request, id_, str(path_ids["inner_id"]), scope, include_deleted=deleted
            )
        else:
            called_white_label(request, id_, scope)


def _name_author(caller: Principal) -> None:
    """Add the caller to the history and the security log of the request."""
    current_origin().set_actor(actor_of_principal(caller))
    pghistory.context(username=caller.name, user=caller.user_id)
    if caller.key_id is not None:
        pghistory.context(api_key=caller.key_id, api_key_name=caller.label)


def needs(scope: Scope, *, reaches_deleted: bool = False) -> Credential:
    """Return the check for an operation: `auth=needs(Scope.BILLING_READ)`."""
    return Credential(scope, reaches_deleted=reaches_deleted)


def _limit_code(request: HttpRequest) -> str:
    return CHARTS_RATE_LIMITED if request.path.endswith("/charts") else ""
