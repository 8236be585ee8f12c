"""The page that adds many members at once."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from orgs.commands import people as commands
from orgs.errors import Conflict
from orgs.forms.people import MemberListForm
from orgs.queries.people import active_member_ids
from orgs.views.people import enter_people
from orgs.web.http import OrgRequest, page_or_fragment

_BULK = "orgs/member_list.html"


@require_http_methods(["GET", "HEAD", "POST"])
def add_members(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Preview a list of members (`step=preview`), or add those that are valid.

    With a line that cannot be added nothing is written, unless the form allows it.
    """
    organization = enter_people(request, organization_id, writes=True)
    form = MemberListForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"organization": organization, "form": form}
    if request.method == "POST" and form.is_valid():
        lines = form.read(active_member_ids(organization.pk))
        valid = [line for line in lines if not line.error]
        is_complete = len(valid) == len(lines) or form.cleaned_data["skips_invalid"]
        if request.POST.get("step") == "save" and valid and is_complete:
            try:
                added = commands.add_members(
                    organization, [(line.external_id, line.values) for line in valid]
                )
            except Conflict as error:
                form.add_error(None, error.message)
            else:
                plural = "member" if added == 1 else "members"
                messages.success(request, f"{added} {plural} added.")
                return redirect("orgs:people", organization_id)
        context |= {
            "lines": lines,
            "valid": len(valid),
            "invalid": len(lines) - len(valid),
            "text": form.cleaned_data["text"],
        }
    is_refused = bool(form.errors) or context.get("invalid", 0)
    context |= {"tab": "people", "nav_key": "organizations"}
    status = 422 if request.method == "POST" and is_refused else 200
    return page_or_fragment(request, _BULK, _BULK, context, status=status)
