"""Saving and deleting views of the organization list."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.console.commands.saved_views import delete_view, save_view
from billing.console.forms import SavedViewForm, list_parameters, read_filters
from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.errors import DomainError
from orgs.web.http import OrgRequest


@require_POST
def save_list_view(request: OrgRequest) -> HttpResponse:
    """Save the view that the form names, and show it.

    Raises `DomainError` for a view that the list would not show.
    """
    principal = _require(request)
    form = SavedViewForm(request.POST)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise DomainError(str(errors[0]), fields=(field,))
    query = QueryDict(form.cleaned_data["query"])
    labels = access.visible_white_labels(principal)
    filters = read_filters(query, labels, principal.scopes)
    parameters = QueryDict(mutable=True)
    parameters.update(list_parameters(filters))
    view = save_view(
        request.user,
        name=form.cleaned_data["name"],
        query=parameters.urlencode(),
        is_shared=form.cleaned_data["is_shared"],
    )
    messages.success(request, f"View saved: {view.name}.")
    return redirect(f"{reverse('billing:organization_list')}?{view.query}")


@require_POST
def delete_list_view(request: OrgRequest, view_id: int) -> HttpResponse:
    """Delete one of the user's views, and show it, so that it can be saved again."""
    _require(request)
    view = delete_view(request.user, view_id)
    messages.success(request, f"View deleted: {view.name}. Save it again to undo.")
    return redirect(f"{reverse('billing:organization_list')}?{view.query}")


def _require(request: OrgRequest) -> Principal:
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    return principal
