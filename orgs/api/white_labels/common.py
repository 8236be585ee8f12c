"""What every operation of contract A begins with: the white label, then the inside."""

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

ONE = "/organizations/{organization_id}/whitelabel"
INNER = f"{ONE}/organizations/{{inner_id}}"

# Integers to the clients; whatever else is sent in their place is an unknown id.
Id = Annotated[
    str, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 2**63 - 1})
]


def reads(summary: str, shape: Any, *, reaches_deleted: bool = False) -> dict[str, Any]:
    return {
        "summary": summary,
        "response": {200: shape, **READS},
        "auth": access.needs(Scope.ORGANIZATIONS_READ, reaches_deleted=reaches_deleted),
    }


def writes(
    summary: str, shape: Any, *, reaches_deleted: bool = False
) -> dict[str, Any]:
    return {
        "summary": summary,
        "response": {200: shape, **WRITES},
        "auth": access.needs(
            Scope.ORGANIZATIONS_WRITE, reaches_deleted=reaches_deleted
        ),
    }


def called(request: HttpRequest, organization_id: str, scope: Scope) -> WhiteLabel:
    return access.called_white_label(request, organization_id, scope)


def inner(
    request: HttpRequest,
    organization_id: str,
    inner_id: str,
    scope: Scope,
    *,
    include_deleted: bool = False,
) -> Organization:
    """The organization inside the white label that `organization_id` owns, or a 404."""
    return access.inner_organization(
        request, organization_id, inner_id, scope, include_deleted=include_deleted
    )


def who(request: HttpRequest) -> str:
    """The caller's name, for `created_by`."""
    return access.principal(request).name


_ROLES = {
    # What is paid is the white label's to decide: nobody's own billing:write.
    "admin": frozenset(Scope) - {Scope.BILLING_WRITE},
    "member": frozenset(
        {Scope.USAGE_WRITE, Scope.ORGANIZATIONS_READ, Scope.BILLING_READ}
    ),
}


def key_scopes(request: HttpRequest, role: str) -> list[Scope]:
    """What a key of that role may do: never more than the caller, who writes here."""
    own = access.principal(request).scopes | {Scope.ORGANIZATIONS_READ}
    return sorted(_ROLES[role] & own)
