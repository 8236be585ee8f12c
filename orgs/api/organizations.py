"""API endpoints to list, read, create, change, delete and restore organizations."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from orgs import access
from orgs.catalog import Scope
from orgs.commands import editing
from orgs.errors import DomainError, Forbidden
from orgs.models import Organization, WhiteLabel
from orgs.queries.paging import Order, fetch_page
from orgs.queries.references import get_entitlements
from orgs.queries.searching import search_fetcher
from orgs.schemas.errors import ErrorsOut
from orgs.schemas.numbers import PlainBool, PlainInt
from orgs.schemas.organizations import (
    OrganizationChangeIn,
    OrganizationDetailOut,
    OrganizationIn,
    OrganizationsOut,
    organization_detail_out,
    organization_out,
)

router = Router(tags=["organizations"])
MAX_LIMIT = 1_000
READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
WRITES = READS | dict.fromkeys((409, 413, 415, 422), ErrorsOut)
Deleted = Annotated[
    PlainBool,
    Query(
        False,
        alias="includeDeleted",
        description="Whether a deleted organization is returned instead of a 404.",
    ),
]


class OrganizationsIn(Schema):
    """Filters of the list of organizations; all of them must match."""

    external_id: str | None = Field(
        None, max_length=200, description="Only the organization with this external ID."
    )
    white_label: str | None = Field(
        None,
        max_length=63,
        description="Only organizations of the white label with this slug.",
    )
    search: str | None = Field(
        None,
        max_length=200,
        description="Only organizations whose name, external ID, or billing email"
        " contains each of these words.",
    )
    includeDeleted: PlainBool = Field(  # noqa: N815  as everywhere in this API
        False, description="Whether deleted organizations are listed."
    )
    limit: PlainInt = Field(
        100,
        ge=1,
        le=MAX_LIMIT,
        description="The number of organizations per page, from 1 to 1,000.",
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )


@router.get(
    "/organizations",
    response={200: OrganizationsOut, **READS},
    summary="List organizations",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def list_organizations(request: HttpRequest, filters: Query[OrganizationsIn]) -> Any:
    """Return the organizations that the credential can access, ordered by ID."""
    caller = access.caller(request, Scope.ORGANIZATIONS_READ)
    rows = access.visible(caller).select_related("white_label")
    if not filters.includeDeleted:
        rows = rows.active()
    if filters.external_id is not None:
        rows = rows.filter(external_id=filters.external_id)
    if filters.white_label is not None:
        rows = rows.filter(white_label__slug=filters.white_label)
    page = fetch_page(
        rows,
        Order("id"),
        size=filters.limit,
        cursor=filters.cursor,
        scope=f"api:{caller.name}",
        fetch=search_fetcher(filters.search or ""),
    )
    return {
        "organizations": [organization_out(row) for row in page.rows],
        "next_cursor": page.next_cursor,
    }


@router.post(
    "/organizations",
    response={201: OrganizationDetailOut, **WRITES},
    summary="Create an organization",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
)
@access.idempotent
def create_organization(request: HttpRequest, data: OrganizationIn) -> Any:
    """Create an organization in the white label of the API key.

    Its first billing period starts on `contract_started_on`, or now without one. It
    gets the default spending limits of the white label. The key must belong to a whole
    white label.
    """
    caller = access.caller(request, Scope.ORGANIZATIONS_WRITE)
    if caller.white_label_id is None or caller.organization_id is not None:
        raise Forbidden("Use an API key of a single white label.")
    values = data.given()
    organization = editing.create_organization(
        WhiteLabel.objects.get(pk=caller.white_label_id),
        external_id=values.pop("external_id"),
        name=values.pop("name"),
        entitlements=values.pop("entitlements", None),
        values=values,
        created_by=caller.name,
    )
    return Status(201, _detail(organization))


@router.get(
    "/organizations/{organization_id}",
    response={200: OrganizationDetailOut, **READS},
    summary="Retrieve an organization",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def get_organization(
    request: HttpRequest,
    organization_id: str,
    include_deleted: Deleted = False,
) -> Any:
    """Return an organization with its settings and entitlements."""
    return _detail(
        access.called_organization(
            request,
            organization_id,
            Scope.ORGANIZATIONS_READ,
            include_deleted=include_deleted,
        )
    )


@router.patch(
    "/organizations/{organization_id}",
    response={200: OrganizationDetailOut, **WRITES},
    summary="Update an organization",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
    operation_id="update_organization",
)
@access.idempotent
def change_organization(
    request: HttpRequest, organization_id: str, data: OrganizationChangeIn
) -> Any:
    """Change the fields that are sent; the others keep their values.

    Changing `contract_started_on` recalculates the totals of the contract.
    """
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_WRITE
    )
    values = data.given()
    entitlements = values.pop("entitlements", None)
    if entitlements is None and "entitlements" in data.model_fields_set:
        raise DomainError(
            "`entitlements` must be an object with the limits to change.",
            code="invalid_entitlements",
            fields=("entitlements",),
        )
    return _detail(editing.change_organization(organization, values, entitlements))


@router.delete(
    "/organizations/{organization_id}",
    response={204: None, **WRITES},
    summary="Delete an organization",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
)
@access.idempotent
def delete_organization(request: HttpRequest, organization_id: str) -> Any:
    """Mark the organization as deleted; its usage is kept.

    Access is refused from then on. `restore` reverts the deletion. An organization
    that owns a white label can't be deleted.
    """
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_WRITE
    )
    editing.delete_organization(organization)
    return Status(204, None)


@router.post(
    "/organizations/{organization_id}/restore",
    response={200: OrganizationDetailOut, **WRITES},
    summary="Restore a deleted organization",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE, reaches_deleted=True),
)
@access.idempotent
def restore_organization(request: HttpRequest, organization_id: str) -> Any:
    """Restore a deleted organization; without effect on any other."""
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_WRITE, include_deleted=True
    )
    editing.restore_organization(organization)
    organization.refresh_from_db()
    return _detail(organization)


def _detail(organization: Organization) -> dict[str, Any]:
    return organization_detail_out(organization, get_entitlements(organization))
