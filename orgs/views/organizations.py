"""Who belongs to an organization, and who changed what."""

from django.db.models import F
from django.http import HttpResponse

from orgs import access
from orgs.catalog import Scope
from orgs.queries.history import list_changes
from orgs.web.http import OrgRequest, page_or_fragment

_PRESENT_FIRST = (F("deleted_at").desc(nulls_first=True), "added_at", "id")
_SHOWN = 200  # members or projects on the page; the admin pages through all


def people(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Members and projects, those who left marked."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    members = organization.members.order_by(*_PRESENT_FIRST)
    projects = organization.projects.order_by(*_PRESENT_FIRST)
    context = {
        "organization": organization,
        "tab": "people",
        "nav_key": "organizations",
        "members": members[: _SHOWN + 1],
        "projects": projects[: _SHOWN + 1],
        "shown": _SHOWN,
    }
    return page_or_fragment(request, "orgs/people.html", "orgs/people.html", context)


def history(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Changes of the organization and what hangs on it: who, what, before, after."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    context = {
        "organization": organization,
        "tab": "history",
        "nav_key": "organizations",
        "changes": list_changes(organization.id),
    }
    return page_or_fragment(request, "orgs/history.html", "orgs/history.html", context)
