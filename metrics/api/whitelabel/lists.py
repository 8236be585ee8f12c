"""Contract A's lists over a white label: organizations, users, projects."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

from django.db.models import Count, F
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query
from pydantic import Field

from metrics.api.whitelabel.asking import (
    Fields,
    Order,
    boolean,
    filtered_by,
    number,
    page_of,
    sorted_by,
    words,
)
from metrics.api.whitelabel.doors import ONE, Id, called, reads, router
from metrics.api.whitelabel.info import limits_of
from metrics.api.whitelabel.shapes import (
    AEntitlementLimits,
    AGenericOut,
    ListIn,
    Said,
    Text,
)
from metrics.periods import day_of
from metrics.queries import has_usage_since
from orgs.catalog import Scope
from orgs.models import Entitlements, Member, Organization, Project, WhiteLabel
from orgs.queries import count_now_and_then, count_or_estimate, search_organizations

_TIER = "enterprise"


class AOrganizationOut(Said):
    id: int
    name: str
    logo: str | None
    created: datetime
    readme: str
    experiments: list[str]
    domain: str
    whitelabel_id: int
    billable: bool
    private_project_count: int
    entitlement_limits: AEntitlementLimits
    deleted_date: datetime | None


class AOrganizationsOut(AGenericOut):
    total: int = Field(description="Exact up to 10,000; of filtered lists only.")
    organizations: list[AOrganizationOut]


class AUserOut(Said):
    id: int
    username: str = Field(description="The company's own id of the user.")
    email: str
    name: str
    created: datetime
    tier: str
    deleted_date: datetime | None


class AUsersOut(AGenericOut):
    total: int = Field(description="Exact up to 10,000, then an estimate.")
    users: list[AUserOut]


class UsersIn(ListIn):
    tier: Literal["free", "community-plus", "professional", "enterprise"] | None = (
        Field(None, description="Everybody's is `enterprise`.")
    )
    fields_: Text = Field("", alias="fields", description="Ignored: all are given.")


class AProjectOut(Said):
    id: int
    name: str
    owner: str = Field(description="The organization's name.")
    owner_organization_id: int
    whitelabel_id: int
    created: datetime
    tier: str
    deleted_date: datetime | None


class AProjectsOut(AGenericOut):
    total: int = Field(description="Exact up to 10,000, then an estimate.")
    projects: list[AProjectOut]


# --- organizations ----------------------------------------------------------------

_ORGANIZATION_ORDER: Order = {
    "id": F("id"),
    "name": F("name_key"),
    "created": F("created_at"),
}
_ORGANIZATION_FILTERS: Fields = {
    "id": ("id", number),
    "name": ("name_key", str.lower),
    "billable": ("is_billable", boolean),
    "domain": ("domain__iexact", str),
}


@router.get(
    f"{ONE}/organizations", **reads("Organizations of a white label", AOrganizationsOut)
)
def organizations(
    request: HttpRequest, organization_id: Id, query: Query[ListIn]
) -> Any:
    """Sorted by id, name, created; filtered by id, name, billable, domain.

    Deleted ones come with `includeDeleted`, and have a `deletedDate`.
    """
    white_label = called(request, organization_id, Scope.ORGANIZATIONS_READ)
    rows = Organization.objects.filter(white_label=white_label)
    if not query.include_deleted:
        rows = rows.present()
    is_narrowed = bool(query.search or query.active or query.filters)
    if query.search:
        rows = search_organizations(rows, query.search)
    if query.active:
        since = _first_day(white_label, query.active)
        rows = rows.filter(has_usage_since(since, organization_id="pk"))
    found = filtered_by(rows, query.filters, _ORGANIZATION_FILTERS)
    ordered = sorted_by(found, query.sort, _ORGANIZATION_ORDER)
    shown = list(page_of(ordered.select_related("entitlements"), query))
    private = _private_projects(shown)
    return {
        "total": (
            count_or_estimate(found)
            if is_narrowed
            else count_now_and_then(
                found, name=f"organizations:{white_label.pk}:{query.include_deleted}"
            )
        ),
        "organizations": [_organization(row, private.get(row.pk, 0)) for row in shown],
    }


def _first_day(white_label: WhiteLabel, days: int) -> date:
    """The first of so many days, today the last."""
    return day_of(timezone.now(), white_label.zone) - timedelta(days=days - 1)


def _private_projects(shown: Sequence[Organization]) -> dict[int, int]:
    rows = Project.objects.filter(
        organization__in=shown, is_public=False, deleted_at=None
    )
    return dict(rows.values_list("organization_id").annotate(Count("id")))


def _organization(row: Organization, private: int) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "logo": row.logo_url or None,
        "created": row.created_at,
        "readme": row.readme,
        "experiments": row.experiments,
        "domain": row.domain,
        "whitelabel_id": row.white_label_id,
        "billable": row.is_billable,
        "private_project_count": private,
        "entitlement_limits": limits_of(getattr(row, "entitlements", Entitlements())),
        "deleted_date": row.deleted_at,
    }


# --- users and projects -----------------------------------------------------------

_USER_ORDER: Order = {
    "id": F("id"),
    "username": F("external_id"),
    "email": Lower("email"),
    "name": Lower("name"),
    "created": F("added_at"),
}
_USER_FILTERS: Fields = {
    "id": ("id", number),
    "username": ("external_id", str),
    "email": ("email__iexact", str),
    "name": ("name__iexact", str),
    "organizationId": ("organization_id", number),
}


@router.get(f"{ONE}/users", **reads("Users of a white label", AUsersOut))
def users(request: HttpRequest, organization_id: Id, query: Query[UsersIn]) -> Any:
    """Members of its organizations, one for each organization they are in.

    Sorted by id, username, email, name, created; filtered by id, username, email,
    name, organizationId. `active` asks for usage of their organization.
    """
    white_label = called(request, organization_id, Scope.ORGANIZATIONS_READ)
    rows = Member.objects.filter(organization__white_label=white_label)
    rows = words(rows, query.search, "name", "email", "external_id")
    if query.tier not in (None, _TIER):
        rows = rows.none()
    if query.active:
        since = _first_day(white_label, query.active)
        rows = rows.filter(has_usage_since(since, organization_id="organization_id"))
    rows = _inside(filtered_by(rows, query.filters, _USER_FILTERS), query)
    shown = page_of(sorted_by(rows, query.sort, _USER_ORDER), query)
    return {"total": count_or_estimate(rows), "users": [_user(row) for row in shown]}


def _inside(rows: Any, query: ListIn) -> Any:
    """Without those that are deleted, or whose organization is."""
    if query.include_deleted:
        return rows
    return rows.filter(deleted_at=None, organization__deleted_at=None)


def _user(row: Member) -> dict[str, Any]:
    return {
        "id": row.pk,
        "username": row.external_id,
        "email": row.email,
        "name": row.name,
        "created": row.added_at,
        "tier": _TIER,
        "deleted_date": row.deleted_at,
    }


_PROJECT_ORDER: Order = {
    "id": F("id"),
    "name": Lower("name"),
    "created": F("added_at"),
}
_PROJECT_FILTERS: Fields = {
    "id": ("id", number),
    "name": ("name__iexact", str),
    "ownerOrganizationId": ("organization_id", number),
}


@router.get(f"{ONE}/projects", **reads("Projects of a white label", AProjectsOut))
def projects(request: HttpRequest, organization_id: Id, query: Query[ListIn]) -> Any:
    """Sorted by id, name, created; filtered by id, name, ownerOrganizationId."""
    white_label = called(request, organization_id, Scope.ORGANIZATIONS_READ)
    rows = Project.objects.filter(organization__white_label=white_label)
    rows = words(rows, query.search, "name", "external_id")
    if query.active:
        since = _first_day(white_label, query.active)
        used = has_usage_since(
            since, organization_id="organization_id", project_id="pk"
        )
        rows = rows.filter(used)
    rows = _inside(filtered_by(rows, query.filters, _PROJECT_FILTERS), query)
    ordered = sorted_by(rows.select_related("organization"), query.sort, _PROJECT_ORDER)
    return {
        "total": count_or_estimate(rows),
        "projects": [_project(row) for row in page_of(ordered, query)],
    }


def _project(row: Project) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "owner": row.organization.name,
        "owner_organization_id": row.organization_id,
        "whitelabel_id": row.organization.white_label_id,
        "created": row.added_at,
        "tier": _TIER,
        "deleted_date": row.deleted_at,
    }
