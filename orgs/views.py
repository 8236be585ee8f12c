"""Who belongs to an organization, and who changed what."""

from django.http import HttpResponse

from orgs import access
from orgs.catalog import Scope
from orgs.http import OrgRequest, page_or_fragment
from orgs.queries.history import list_changes

_SHOWN = 200  # members or projects on the page; the admin pages through all


def people(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Members and projects, those who left marked."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    members = organization.members.order_by("deleted_at", "added_at", "id")
    projects = organization.projects.order_by("deleted_at", "added_at", "id")
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
