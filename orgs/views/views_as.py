"""Pages that start and stop a view as another account."""

from typing import Any

import pghistory
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from orgs import access
from orgs.access.view_as import SESSION_KEY
from orgs.commands.views_as import end_view, start_view
from orgs.errors import DomainError, NotFound
from orgs.forms.views_as import ViewAsForm
from orgs.models import Organization, WhiteLabel
from orgs.queries.views_as import find_view, list_viewable_accounts
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "orgs/view_as.html"


@require_http_methods(["GET", "HEAD", "POST"])
def view_as(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Start a view as an account of the white label, or as a member."""
    principal = access.principal_of(request.user)
    organization = access.get_organization(principal, organization_id)
    return _view(request, organization.white_label, organization)


@require_http_methods(["GET", "HEAD", "POST"])
def view_as_account(request: OrgRequest, slug: str) -> HttpResponse:
    """Start a view as an account of a white label."""
    labels = access.visible_white_labels(access.principal_of(request.user))
    label = next((label for label in labels if label.slug == slug), None)
    if label is None:
        raise NotFound("White label not found.")
    return _view(request, label, None)


@require_POST
def stop_view_as(request: OrgRequest) -> HttpResponse:
    """End the view; the person is at the page of the organization again."""
    view = find_view(request.session.pop(SESSION_KEY, 0), request.user.pk)
    if view is not None:
        end_view(view)
        messages.success(request, "You are back in your own account.")
    if view is not None and view.organization_id:
        return redirect("billing:overview", view.organization_id)
    return redirect("billing:fleet")


def _view(
    request: OrgRequest, label: WhiteLabel, organization: Organization | None
) -> HttpResponse:
    form = ViewAsForm(request.POST or None, label=label, organization=organization)
    if request.method == "POST" and form.is_valid():
        access.require_recent_authentication(request)
        try:
            return _start(request, label, organization, form)
        except DomainError as error:
            form.add_error(None, error.message)
    context: dict[str, Any] = {
        "form": form,
        "organization": organization,
        "white_label": label,
        "accounts": list_viewable_accounts(label),
        "nav_key": "organizations",
    }
    status = 422 if form.errors else 200
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)


def _start(
    request: OrgRequest,
    label: WhiteLabel,
    organization: Organization | None,
    form: ViewAsForm,
) -> HttpResponse:
    account, reason = form.cleaned_data["account"], form.cleaned_data["reason"]
    with pghistory.context(note=reason):
        view = start_view(
            request.user,
            label,
            account=account,
            organization=None if account else organization,
            reason=reason,
        )
    request.session[SESSION_KEY] = view.pk
    if account is None:
        return redirect("billing:customer_preview", view.organization_id)
    overview = reverse("billing:fleet")
    if organization is not None:
        overview = reverse("billing:overview", args=[organization.pk])
    return redirect(overview)
