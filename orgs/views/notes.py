"""The pages of notes: of an organization, and of all that a user may see."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from orgs import access
from orgs.access.permissions import row_id
from orgs.catalog import Scope
from orgs.commands.notes import (
    NoteChanged,
    add_note,
    change_note,
    delete_note,
    pin_note,
    restore_note,
)
from orgs.errors import NotFound
from orgs.forms.notes import NoteForm
from orgs.models import Note, Organization, User
from orgs.queries.notes import NotePage, list_notes
from orgs.web.http import OrgRequest, page_or_fragment

_LIST, _EDIT = "orgs/notes.html", "orgs/note.html"
_LONGEST_SEARCH = 200


@require_http_methods(["GET", "HEAD", "POST"])
def notes(request: OrgRequest, organization_id: int) -> HttpResponse:
    """List and search the notes of an organization; POST adds one."""
    organization = _organization(request, organization_id)
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        add_note(organization, request.user, **form.note)
        messages.success(request, "Note added.")
        return redirect("orgs:notes", organization_id)
    context = _results(request, organization) | {"form": form, "tab": "notes"}
    context |= {"organization": organization, "nav_key": "organizations"}
    status = 422 if form.errors else 200
    return page_or_fragment(request, _LIST, _LIST, context, status=status)


def fleet_notes(request: OrgRequest) -> HttpResponse:
    """List and search the notes of all organizations that the user may see."""
    context = _results(request, None) | {"nav_key": "organizations"}
    return page_or_fragment(request, _LIST, _LIST, context)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_note(request: OrgRequest, organization_id: int, note_id: int) -> HttpResponse:
    """Change a note; a change that another person made meanwhile is shown, not lost."""
    organization, note = _own_note(request, organization_id, note_id)
    form = NoteForm(request.POST or None, initial=NoteForm.initial_of(note))
    current = None
    if request.method == "POST" and form.is_valid():
        try:
            change_note(note, version=form.cleaned_data["version"] or 0, **form.note)
        except NoteChanged as conflict:
            form.add_error(None, conflict.message)
            form.renew_version(conflict.note)
            current = conflict.note
        else:
            messages.success(request, "Note saved.")
            return redirect("orgs:notes", organization_id)
    context = {
        "organization": organization,
        "note": note,
        "form": form,
        "current": current,
        "tab": "notes",
        "nav_key": "organizations",
    }
    status = (409 if current else 422) if form.errors else 200
    return page_or_fragment(request, _EDIT, _EDIT, context, status=status)


@require_POST
def pin(request: OrgRequest, organization_id: int, note_id: int) -> HttpResponse:
    """Pin a note to the header of the organization's pages, or take it off."""
    _, note = _note(request, organization_id, note_id)
    is_pinned = request.POST.get("pinned") == "1"
    pin_note(note, is_pinned=is_pinned)
    messages.success(request, "Note pinned." if is_pinned else "Note unpinned.")
    return redirect("orgs:notes", organization_id)


@require_POST
def delete(request: OrgRequest, organization_id: int, note_id: int) -> HttpResponse:
    """Delete a note; the page that follows offers to undo it."""
    _, note = _own_note(request, organization_id, note_id)
    delete_note(note)
    return redirect(
        f"{reverse('orgs:notes', args=[organization_id])}?deleted={note.pk}"
    )


@require_POST
def restore(request: OrgRequest, organization_id: int, note_id: int) -> HttpResponse:
    """Show a deleted note again."""
    _, note = _own_note(request, organization_id, note_id)
    restore_note(note)
    messages.success(request, "Note restored.")
    return redirect("orgs:notes", organization_id)


def _organization(request: OrgRequest, organization_id: int) -> Organization:
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    return access.get_organization(principal, organization_id, include_deleted=True)


def _note(
    request: OrgRequest, organization_id: int, note_id: int
) -> tuple[Organization, Note]:
    organization = _organization(request, organization_id)
    note = Note.objects.filter(organization=organization, pk=note_id).first()
    if note is None:
        raise NotFound("Note not found.")
    return organization, note


def _own_note(
    request: OrgRequest, organization_id: int, note_id: int
) -> tuple[Organization, Note]:
    """Return a note that the user may change: an own one, or any with the right."""
    organization, note = _note(request, organization_id, note_id)
    if not _may_change(request.user, note):
        raise PermissionDenied("Only the author or an operator changes this note.")
    return organization, note


def _may_change(user: User, note: Note) -> bool:
    return note.author_id == user.pk or user.has_perm("orgs.change_note")


def _results(request: OrgRequest, organization: Organization | None) -> dict[str, Any]:
    """Return what the list shows, of one organization or of all visible ones."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    text = request.GET.get("q", "").replace("\x00", "")[:_LONGEST_SEARCH]
    rows = access.visible(principal)
    if organization is not None:
        rows = rows.filter(pk=organization.pk)
    page = list_notes(rows, text=text, before=row_id(request.GET.get("before", "")))
    return {
        "notes": [(note, _may_change(request.user, note)) for note in page.notes],
        "search": text,
        "next_url": _next_url(page, text),
        "is_writer": request.user.has_perm("orgs.add_note"),
        "deleted": _deleted(request, organization),
    }


def _deleted(request: OrgRequest, organization: Organization | None) -> Note | None:
    """Return the note that was deleted just now, if the user may restore it."""
    rows = Note.objects.filter(organization=organization).exclude(deleted_at=None)
    id_ = row_id(request.GET.get("deleted", ""))
    note = rows.filter(pk=id_).first() if id_ else None
    return note if note and _may_change(request.user, note) else None


def _next_url(page: NotePage, text: str) -> str:
    if page.next_before is None:
        return ""
    query = {"before": page.next_before} | ({"q": text} if text else {})
    return f"?{urlencode(query)}"
