"""The page that creates many organizations at once."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from billing.details.forms import OrganizationListForm, white_label_choices
from billing.details.schemas import OrganizationLine, external_ids_in, read_lines
from orgs import access
from orgs.commands.loading import add_organizations as add
from orgs.errors import Conflict
from orgs.models import WhiteLabel
from orgs.queries.references import list_references
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/details/organization_list.html"


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("orgs.add_organization", raise_exception=True)
def add_organizations(request: OrgRequest) -> HttpResponse:
    """Preview a list of organizations (`step=preview`), or create those that are valid.

    With a line that is refused nothing is written, unless the form allows it.
    """
    principal = access.principal_of(request.user)
    labels = {label.slug: label for label in access.visible_white_labels(principal)}
    form = OrganizationListForm(
        request.POST or None,
        request.FILES or None,
        labels=white_label_choices(
            labels.values(), shows_money=request.user.has_perm("billing.view_invoice")
        ),
        initial={"white_label": request.GET.get("white_label", "")},
    )
    lines: list[OrganizationLine] = []
    if request.method == "POST" and form.is_valid():
        label = labels[form.cleaned_data["white_label"]]
        lines = _read(form, label)
        if _may_save(request, form, lines) and _save(request, form, label, lines):
            return redirect("billing:organization_list")
    return _page(request, form, lines)


def _read(form: OrganizationListForm, label: WhiteLabel) -> list[OrganizationLine]:
    named = external_ids_in(form.rows)
    known = list_references(label.pk, external_ids=named)
    return read_lines(form.rows, {reference.external_id for reference in known})


def _may_save(
    request: OrgRequest, form: OrganizationListForm, lines: list[OrganizationLine]
) -> bool:
    valid = [line for line in lines if line.organization]
    is_complete = len(valid) == len(lines) or form.cleaned_data["skips_invalid"]
    return bool(request.POST.get("step") == "save" and valid and is_complete)


def _save(
    request: OrgRequest,
    form: OrganizationListForm,
    label: WhiteLabel,
    lines: list[OrganizationLine],
) -> bool:
    """Create the organizations of the valid lines; return whether it was possible."""
    incoming = [line.organization for line in lines if line.organization]
    try:
        count = add(label, incoming, created_by=request.user.get_username())
    except Conflict as error:
        form.add_error(None, error.message)
        return False
    plural = "organization" if count == 1 else "organizations"
    messages.success(request, f"{count} {plural} created.")
    return True


def _page(
    request: OrgRequest, form: OrganizationListForm, lines: list[OrganizationLine]
) -> HttpResponse:
    valid = sum(line.organization is not None for line in lines)
    context: dict[str, Any] = {
        "form": form,
        "lines": lines,
        "valid": valid,
        "invalid": len(lines) - valid,
        "text": form.cleaned_data["text"] if lines else "",
        "nav_key": "organizations",
    }
    is_refused = bool(form.errors) or valid < len(lines)
    status = 422 if request.method == "POST" and is_refused else 200
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)
