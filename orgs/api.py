"""Organizations as JSON: which of them the key may see, and their ids."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, Field

from orgs import access
from orgs.catalog import Scope
from orgs.errors import DomainError
from orgs.models import Organization
from orgs.queries import search_organizations
from orgs.queries.paging import Order, page_of
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["organizations"])
MAX_LIMIT = 1_000


class WhiteLabelOut(Schema):
    slug: str
    owner_id: int | None


class OrganizationOut(Schema):
    id: int
    external_id: str
    name: str
    is_active: bool
    deleted_at: AwareDatetime | None
    white_label: WhiteLabelOut


class OrganizationsOut(Schema):
    organizations: list[OrganizationOut]
    next_cursor: str | None


class OrganizationsIn(Schema):
    """Filters of the list; each narrows it."""

    external_id: str | None = Field(None, max_length=200)
    white_label: str | None = Field(None, max_length=63)
    search: str | None = Field(None, max_length=200)
    limit: int = Field(100, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(None, max_length=2_000)


@router.get(
    "/organizations",
    response={200: OrganizationsOut, 400: ErrorsOut, 401: ErrorsOut, 403: ErrorsOut},
    summary="List organizations, by id",
)
def list_organizations(request: HttpRequest, filters: Query[OrganizationsIn]) -> Any:
    """Only those the credential may see, deleted ones left out."""
    principal = access.caller(request, Scope.ORGANIZATIONS_READ)
    rows = access.visible(principal).present().select_related("white_label")
    if filters.external_id is not None:
        rows = rows.filter(external_id=_plain(filters.external_id, "external_id"))
    if filters.white_label is not None:
        rows = rows.filter(white_label__slug=_plain(filters.white_label, "white_label"))
    if filters.search:
        rows = search_organizations(rows, _plain(filters.search, "search"))
    page = page_of(
        rows,
        Order("id"),
        size=filters.limit,
        cursor=filters.cursor,
        scope=f"api:{principal.name}",
    )
    return {
        "organizations": [_out(organization) for organization in page.rows],
        "next_cursor": page.next_cursor,
    }


def _plain(text: str, field: str) -> str:
    """PostgreSQL holds no NUL: it would be an error of the server's."""
    if "\x00" in text:
        raise DomainError(
            "Text must not contain a NUL.", code="invalid_character", fields=(field,)
        )
    return text


def _out(organization: Organization) -> dict[str, Any]:
    return {
        "id": organization.id,
        "external_id": organization.external_id,
        "name": organization.name,
        "is_active": organization.is_active,
        "deleted_at": organization.deleted_at,
        "white_label": {
            "slug": organization.white_label.slug,
            "owner_id": organization.white_label.owner_id,
        },
    }
