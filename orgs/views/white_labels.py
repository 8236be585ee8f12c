"""Settings, white labels: listed and created."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from orgs import access
from orgs.commands.white_labels import create_white_label
from orgs.errors import DomainError
from orgs.forms.white_labels import NewWhiteLabelForm
from orgs.web.edits import show_error
from orgs.web.http import OrgRequest, page_or_fragment

_LIST = "orgs/settings/white_labels.html"
_FORM = "orgs/settings/white_label_form.html"


def white_labels(request: OrgRequest) -> HttpResponse:
    """List the white labels that the user may see."""
    labels = access.visible_white_labels(access.principal_of(request.user))
    return page_or_fragment(request, _LIST, _LIST, _context() | {"labels": labels})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("orgs.add_whitelabel", raise_exception=True)
def new_white_label(request: OrgRequest) -> HttpResponse:
    """Show the form of a new white label; POST creates it and the owner of it."""
    if not access.principal_of(request.user).sees_all:
        raise PermissionDenied("Your account is limited to one white label.")
    form = NewWhiteLabelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = dict(form.cleaned_data)
        try:
            created = create_white_label(data.pop("slug"), **data)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, "White label created.")
            return redirect("billing:edit_white_label", created.pk)
    return _form_page(request, form, "New white label")


def _context() -> dict[str, Any]:
    return {"nav_key": "settings", "settings_tab": "white_labels"}


def _form_page(
    request: OrgRequest, form: Any, title: str, **extra: Any
) -> HttpResponse:
    context = {**_context(), "form": form, "title": title, **extra}
    status = 422 if form.errors else 200
    return page_or_fragment(request, _FORM, _FORM, context, status=status)
