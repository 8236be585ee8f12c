"""The forms that add or change one member or project."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from orgs.commands import people as commands
from orgs.commands.editing import add_project
from orgs.errors import DomainError
from orgs.forms.people import MemberForm, NewMemberForm, NewProjectForm, ProjectForm
from orgs.models import Member, Organization, Project
from orgs.views.people import NOUNS, enter_people, person_row, require_kind
from orgs.web.edits import EditForm, show_error
from orgs.web.http import OrgRequest, page_or_fragment

_FORM = "orgs/person.html"
_EDIT_FORMS: dict[str, type[EditForm]] = {
    "members": MemberForm,
    "projects": ProjectForm,
}


@require_http_methods(["GET", "HEAD", "POST"])
def add_person(request: OrgRequest, organization_id: int, kind: str) -> HttpResponse:
    """Show the form of a new member or project; POST adds it."""
    organization = enter_people(request, organization_id, writes=True)
    require_kind(kind)
    form_class = NewMemberForm if kind == "members" else NewProjectForm
    form = form_class(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _add(request, organization, form)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"{NOUNS[kind]} added.")
            return redirect("orgs:people", organization_id)
    title = f"Add a {NOUNS[kind].lower()}"
    return _form_page(request, organization, form, title)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_person(
    request: OrgRequest, organization_id: int, kind: str, person_id: int
) -> HttpResponse:
    """Change a member or project, with a reason."""
    organization = enter_people(request, organization_id, writes=True)
    row = person_row(organization, kind, person_id)
    names = [n for n in _EDIT_FORMS[kind].base_fields if n not in {"reason", "before"}]
    values = {name: getattr(row, name) for name in names}
    form = _EDIT_FORMS[kind](request.POST or None, values=values)
    if request.method == "POST" and form.is_valid():
        try:
            _edit(row, form)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"{NOUNS[kind]} saved.")
            return redirect("orgs:people", organization_id)
    return _form_page(request, organization, form, f"Edit {row}")


def _add(request: OrgRequest, organization: Organization, form: Any) -> None:
    if isinstance(form, NewMemberForm):
        commands.invite_member(
            organization,
            form.member_id,
            form.values,
            invited_by=request.user.get_full_name() or request.user.get_username(),
            sends_email=form.cleaned_data["sends_email"],
        )
        return
    name = form.cleaned_data["name"]
    add_project(
        organization,
        external_id=form.cleaned_data["external_id"],
        values={"name": name} if name else {},
    )


def _edit(row: Member | Project, form: EditForm) -> None:
    commands.edit_person(
        row,
        form.changes,
        reason=form.cleaned_data["reason"],
        proof=form.cleaned_data["before"],
    )


def _form_page(
    request: OrgRequest, organization: Organization, form: Any, title: str
) -> HttpResponse:
    context = {
        "organization": organization,
        "tab": "people",
        "nav_key": "organizations",
        "form": form,
        "title": title,
    }
    status = 422 if form.errors else 200
    return page_or_fragment(request, _FORM, _FORM, context, status=status)
