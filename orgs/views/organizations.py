"""The page of an organization's people."""

from django.db.models import F
from django.http import HttpResponse

from orgs import access
from orgs.catalog import Scope
from orgs.web.http import OrgRequest, page_or_fragment

_ACTIVE_FIRST = (F("deleted_at").desc(nulls_first=True), "added_at", "id")
_MAX_ROWS = 200  # members or projects on the page; the admin lists all of them


def people(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the members and projects, with removed ones marked."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    members = organization.members.order_by(*_ACTIVE_FIRST)
    projects = organization.projects.order_by(*_ACTIVE_FIRST)
    context = {
        "organization": organization,
        "tab": "people",
        "nav_key": "organizations",
        "members": members[: _MAX_ROWS + 1],
        "projects": projects[: _MAX_ROWS + 1],
        "max_rows": _MAX_ROWS,
        "member_count": organization.members.filter(deleted_at=None).count(),
        "project_count": organization.projects.filter(deleted_at=None).count(),
    }
    return page_or_fragment(request, "orgs/people.html", "orgs/people.html", context)
