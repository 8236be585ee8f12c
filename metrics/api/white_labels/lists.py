"""Contract A: search and list the organizations of a white label."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, QuerySet, Value
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query
from pydantic import Field

from metrics.queries.compute import has_usage_since
from orgs.api.white_labels.common import (
    WHITE_LABEL,
    Id,
    get_white_label,
    read_operation,
    router,
)
from orgs.api.white_labels.list_params import (
    FilterFields,
    SortFields,
    filtered_by,
    parse_boolean,
    parse_id,
    slice_page,
    sorted_by,
)
from orgs.api.white_labels.schemas import (
    AEntitlementLimits,
    AGenericOut,
    ListIn,
    ResponseBody,
    limits_json,
)
from orgs.catalog import Scope
from orgs.days import day_of
from orgs.models import Entitlements, Organization, Project, WhiteLabel
from orgs.models.organizations import OrganizationQuerySet
from orgs.queries.counting import count_cached, count_or_estimate
from orgs.queries.searching import search_organizations
from orgs.text import to_nfc


class AOrganizationOut(ResponseBody):
    """An organization of a white label."""

    id: int = Field(description="The ID in Orgdesk.")
    name: str = Field(description="The display name.")
    logo: str | None = Field(description="The URL of the logo; null if there is none.")
    created: datetime = Field(description="When the organization was created.")
    readme: str = Field(description="The readme text; may be empty.")
    experiments: list[str] = Field(description="The enabled experiments.")
    domain: str = Field(description="The domain; may be empty.")
    whitelabel_id: int = Field(description="The ID of its white label.")
    billable: bool = Field(
        description="Whether the organization is charged for its usage."
    )
    private_project_count: int = Field(description="The number of private projects.")
    entitlement_limits: AEntitlementLimits = Field(
        description="The limits of the organization."
    )
    deleted_date: datetime | None = Field(
        description="When the organization was deleted; null if it is not."
    )


class AOrganizationsOut(AGenericOut):
    """A page of organizations."""

    total: int = Field(
        description="The number of matches. With filters, numbers above 10,000 are"
        " estimates."
    )
    organizations: list[AOrganizationOut] = Field(description="In the requested order.")


def _name_key(name: str) -> Lower:
    """Return the key of a name, computed by PostgreSQL as that of the column is."""
    return Lower(Value(to_nfc(name)))


_ORGANIZATION_ORDER: SortFields = {
    "id": F("id"),
    "name": F("name_key"),
    "created": F("created_at"),
}
_ORGANIZATION_FILTERS: FilterFields = {
    "id": ("id", parse_id),
    "name": ("name_key", _name_key),
    "billable": ("is_billable", parse_boolean),
    "domain": ("domain__iexact", str),
}


@router.get(
    f"{WHITE_LABEL}/organizations",
    **read_operation("List the organizations of a white label", AOrganizationsOut),
    operation_id="list_white_label_organizations",
)
def organizations(
    request: HttpRequest, organization_id: Id, query: Query[ListIn]
) -> Any:
    """Return the organizations of the white label.

    Sort by id, name, or created. Filter by id, name, billable, or domain. With
    `includeDeleted`, deleted organizations are listed with their `deletedDate`.
    """
    white_label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    listed = Organization.objects.filter(white_label=white_label)
    if not query.include_deleted:
        listed = listed.active()
    rows = _matching(listed, white_label, query)
    ordered = sorted_by(rows, query.sort, _ORGANIZATION_ORDER)
    page = list(slice_page(ordered.select_related("entitlements"), query))
    private_projects = _count_private_projects(page)
    return {
        "total": _total(rows, white_label, query),
        "organizations": [
            _organization(row, private_projects.get(row.pk, 0)) for row in page
        ],
    }


def _matching(
    rows: OrganizationQuerySet, white_label: WhiteLabel, query: ListIn
) -> QuerySet[Organization]:
    if query.search:
        rows = search_organizations(rows, query.search)
    if query.active:
        since = first_day(white_label, query.active)
        rows = rows.filter(has_usage_since(since, organization_id="pk"))
    return filtered_by(rows, query.filters, _ORGANIZATION_FILTERS)


def _total(rows: QuerySet[Organization], white_label: WhiteLabel, query: ListIn) -> int:
    """Return how many organizations match.

    Without filters, the number is exact and at most a minute old. With filters, it is
    exact up to 10,000, then an estimate.
    """
    if query.search or query.active or query.filters:
        return count_or_estimate(rows)
    name = f"organizations:{white_label.pk}:{query.include_deleted}"
    return count_cached(rows, name=name)


def first_day(white_label: WhiteLabel, days: int) -> date:
    """Return the first of the last `days` days, today included."""
    return day_of(timezone.now(), white_label.zone) - timedelta(days=days - 1)


def _count_private_projects(page: Sequence[Organization]) -> dict[int, int]:
    """Return the number of private projects by organization id; one query."""
    rows = Project.objects.filter(
        organization__in=page, is_public=False, deleted_at=None
    )
    return dict(rows.values_list("organization_id").annotate(Count("id")))


def _organization(row: Organization, private_projects: int) -> dict[str, Any]:
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
        "private_project_count": private_projects,
        "entitlement_limits": limits_json(getattr(row, "entitlements", Entitlements())),
        "deleted_date": row.deleted_at,
    }
