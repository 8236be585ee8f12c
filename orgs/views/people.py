"""The People tab: members and projects are listed, added, changed, and removed."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from orgs import access
from orgs.access.permissions import row_id
from orgs.catalog import Scope
from orgs.commands import editing
from orgs.commands import people as commands
from orgs.errors import NotFound
from orgs.models import Member, Organization, Project
from orgs.queries.people import list_people
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "orgs/people.html"
READ_ONLY = "Your role cannot change members and projects."
_LONGEST_SEARCH = 200
MODELS: dict[str, type[Member] | type[Project]] = {
    "members": Member,
    "projects": Project,
}
NOUNS = {"members": "Member", "projects": "Project"}


def people(request: OrgRequest, organization_id: int) -> HttpResponse:
    """List members and projects, searched by `q`; `removed=1` lists removed ones."""
    organization = enter_people(request, organization_id)
    is_writer = request.user.has_perm("orgs.change_member")
    text = request.GET.get("q", "").replace("\x00", "")[:_LONGEST_SEARCH]
    context = {
        "organization": organization,
        "tab": "people",
        "nav_key": "organizations",
        "search": text,
        "is_removed": request.GET.get("removed") == "1",
        "lists": [_list(request, organization, kind, text) for kind in MODELS],
        "member_count": organization.members.filter(deleted_at=None).count(),
        "project_count": organization.projects.filter(deleted_at=None).count(),
        "blocked_reason": "" if is_writer else READ_ONLY,
        "restorable": _restorable(request, organization) if is_writer else None,
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@require_POST
def remove_person(
    request: OrgRequest, organization_id: int, kind: str, person_id: int
) -> HttpResponse:
    """Remove a member or delete a project; the page that follows offers to undo it."""
    organization = enter_people(request, organization_id, writes=True)
    row = person_row(organization, kind, person_id)
    editing.remove_person(row)
    query = urlencode({"restorable": f"{kind}:{row.pk}"})
    return redirect(f"{reverse('orgs:people', args=[organization_id])}?{query}")


@require_POST
def restore_person(
    request: OrgRequest, organization_id: int, kind: str, person_id: int
) -> HttpResponse:
    """Restore a removed member or a deleted project."""
    organization = enter_people(request, organization_id, writes=True)
    commands.restore(
        person_row(organization, kind, person_id, is_removed=True), organization
    )
    messages.success(request, f"{NOUNS[kind]} restored.")
    return redirect("orgs:people", organization_id)


def enter_people(
    request: OrgRequest, organization_id: int, *, writes: bool = False
) -> Organization:
    """Return the organization whose people a user may read, or change."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    if writes:
        principal.require(Scope.ORGANIZATIONS_WRITE)
    return organization


def require_kind(kind: str) -> None:
    """Raise `NotFound` for a path that is of neither members nor projects."""
    if kind not in MODELS:
        raise NotFound("Page not found.")


def person_row(
    organization: Organization, kind: str, person_id: int, *, is_removed: bool = False
) -> Any:
    """Return a member or project of an organization; raise `NotFound`."""
    require_kind(kind)
    rows = MODELS[kind]._default_manager.filter(organization=organization)
    row = rows.filter(pk=person_id, deleted_at__isnull=not is_removed).first()
    if row is None:
        raise NotFound(f"{NOUNS[kind]} not found.")
    return row


def _list(
    request: OrgRequest, organization: Organization, kind: str, text: str
) -> dict[str, Any]:
    """Return a list of the page, with the links to its neighbors."""
    is_removed = request.GET.get("removed") == "1"
    page = list_people(
        MODELS[kind],
        organization.pk,
        text=text,
        is_removed=is_removed,
        cursor=request.GET.get(kind, ""),
    )
    query = {"q": text, "removed": "1" if is_removed else ""}
    given = {name: value for name, value in query.items() if value}
    return {
        "kind": kind,
        "noun": NOUNS[kind].lower(),
        "title": NOUNS[kind] + "s",
        "rows": page.rows,
        "next_url": _link(kind, page.next_cursor, given),
        "previous_url": _link(kind, page.previous_cursor, given),
    }


def _link(kind: str, cursor: str | None, query: dict[str, str]) -> str:
    return f"?{urlencode({**query, kind: cursor})}#{kind}" if cursor else ""


def _restorable(request: OrgRequest, organization: Organization) -> Any:
    """Return what was removed just now, as (kind, row), or None."""
    kind, _, id_ = request.GET.get("restorable", "").partition(":")
    if kind not in MODELS:
        return None
    rows = MODELS[kind]._default_manager.filter(organization=organization)
    row = rows.exclude(deleted_at=None).filter(pk=row_id(id_)).first()
    return (kind, row) if row else None
