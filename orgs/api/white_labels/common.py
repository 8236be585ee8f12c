"""Paths, responses and access checks that the operations of contract A share."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router
from pydantic import WithJsonSchema

from orgs import access
from orgs.api.white_labels.schemas import AErrorOut
from orgs.catalog import Scope
from orgs.models import Organization, WhiteLabel

router = Router(tags=["white label"], by_alias=True)
READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500, 503), AErrorOut)
WRITES = READS | {409: AErrorOut}

WHITE_LABEL = "/organizations/{organization_id}/whitelabel"
INNER = f"{WHITE_LABEL}/organizations/{{inner_id}}"

# The contract publishes integers; any other text is treated as an unknown id.
Id = Annotated[
    str, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 2**63 - 1})
]


def read_operation(
    summary: str, response: Any, *, reaches_deleted: bool = False
) -> dict[str, Any]:
    """Return the router arguments of an operation that reads."""
    return {
        "summary": summary,
        "response": {200: response, **READS},
        "auth": access.needs(Scope.ORGANIZATIONS_READ, reaches_deleted=reaches_deleted),
    }


def write_operation(
    summary: str, response: Any, *, reaches_deleted: bool = False
) -> dict[str, Any]:
    """Return the router arguments of an operation that writes."""
    return {
        "summary": summary,
        "response": {200: response, **WRITES},
        "auth": access.needs(
            Scope.ORGANIZATIONS_WRITE, reaches_deleted=reaches_deleted
        ),
    }


def get_white_label(
    request: HttpRequest, organization_id: str, scope: Scope
) -> WhiteLabel:
    """Return the white label that `organization_id` owns, or raise a 404."""
    return access.called_white_label(request, organization_id, scope)


def get_inner_organization(
    request: HttpRequest,
    organization_id: str,
    inner_id: str,
    scope: Scope,
    *,
    include_deleted: bool = False,
) -> Organization:
    """Return an organization of the white label that `organization_id` owns.

    Raises `OrganizationNotFound` for any other organization.
    """
    return access.inner_organization(
        request, organization_id, inner_id, scope, include_deleted=include_deleted
    )


def caller_name(request: HttpRequest) -> str:
    """Return the caller's name, for `created_by`."""
    return access.principal(request).name


_SCOPES_BY_ROLE = {
    # Without billing:write: limits and payments are up to the white label.
    "admin": frozenset(Scope) - {Scope.BILLING_WRITE},
    "member": frozenset(
        {Scope.USAGE_WRITE, Scope.ORGANIZATIONS_READ, Scope.BILLING_READ}
    ),
}


def key_scopes(request: HttpRequest, role: str) -> list[Scope]:
    """Return the scopes of a new key of this role, limited to those of the caller.

    The caller may write organizations, so reading them is always included.
    """
    caller_scopes = access.principal(request).scopes | {Scope.ORGANIZATIONS_READ}
    return sorted(_SCOPES_BY_ROLE[role] & caller_scopes)
