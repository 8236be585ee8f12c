"""Settings, staff and roles: accounts are listed, invited, changed, and deactivated."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from orgs import access
from orgs.commands.staff import access_values, change_access, invite_staff
from orgs.errors import DomainError
from orgs.forms.staff import InvitationForm, StaffAccessForm
from orgs.models import User, WhiteLabel
from orgs.queries.staff import list_staff
from orgs.web.edits import show_error
from orgs.web.http import OrgRequest, page_or_fragment

_LIST, _FORM = "orgs/settings/staff.html", "orgs/settings/staff_form.html"
_LONGEST_SEARCH = 150


def staff(request: OrgRequest) -> HttpResponse:
    """List accounts with roles, white label, two-factor state, and last login."""
    text = request.GET.get("q", "").replace("\x00", "")[:_LONGEST_SEARCH]
    after = request.GET.get("after", "").replace("\x00", "")[:_LONGEST_SEARCH]
    page = list_staff(text=text, after=after)
    query = {"q": text, "after": page.next_after}
    context = {
        **_context(),
        "accounts": page.accounts,
        "search": text,
        "next_url": f"?{urlencode(query)}" if page.next_after else "",
    }
    return page_or_fragment(request, _LIST, _LIST, context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.recently_authenticated
def invite(request: OrgRequest) -> HttpResponse:
    """Show the form of a new account; POST creates it and writes an email."""
    form = InvitationForm(request.POST or None, labels=_labels())
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            invite_staff(
                username=data["username"] or data["email"],
                email=data["email"],
                name=data["name"],
                access=form.access,
                invited_by=request.user.get_full_name() or request.user.get_username(),
            )
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"Invitation queued for {data['email']}.")
            return redirect("orgs:staff")
    return _form_page(request, form, "Invite a person")


@require_http_methods(["GET", "HEAD", "POST"])
@access.recently_authenticated
def edit_staff(request: OrgRequest, user_id: int) -> HttpResponse:
    """Change roles, white label, and activity of an account, with a reason."""
    rows = User.objects.filter(is_staff=True).select_related("white_label")
    account = get_object_or_404(rows, pk=user_id)
    values = access_values(account)
    form = StaffAccessForm(request.POST or None, values=values, labels=_labels())
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            change_access(
                account, form.access, reason=data["reason"], proof=data["before"]
            )
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"{account.get_username()} saved.")
            return redirect("orgs:staff")
    return _form_page(request, form, account.get_username(), account=account)


def _labels() -> dict[str, WhiteLabel]:
    return {label.slug: label for label in WhiteLabel.objects.order_by("name", "id")}


def _context() -> dict[str, Any]:
    return {"nav_key": "settings", "settings_tab": "staff"}


def _form_page(
    request: OrgRequest, form: Any, title: str, **extra: Any
) -> HttpResponse:
    context = {**_context(), "form": form, "title": title, **extra}
    status = 422 if form.errors else 200
    return page_or_fragment(request, _FORM, _FORM, context, status=status)
