"""The pages of API keys: list, create, change, rotate, and revoke them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from orgs import access
from orgs.catalog import Scope
from orgs.commands.keys import (
    create_api_key,
    edit_api_key,
    revoke_api_key,
    rotate_api_key,
)
from orgs.forms.keys import ApiKeyEditForm, ApiKeyForm, RevocationForm
from orgs.models import ApiKey, WhiteLabel
from orgs.web.http import OrgRequest
from orgs.web.once import keep_secret, take_secret

_MAX_KEYS = 200


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of the list; one that has ended can neither be rotated nor revoked.

    It is unused if it works and no call used it in `API_KEY_UNUSED_DAYS`.
    """

    key: ApiKey
    has_ended: bool
    is_rotated: bool
    is_unused: bool

    @classmethod
    def of(cls, key: ApiKey, now: datetime) -> "KeyRow":
        """Return the row of a key that was read with `replaced_by`."""
        has_ended = key.has_ended(now)
        return cls(
            key,
            has_ended,
            hasattr(key, "replaced_by"),
            not has_ended and key.is_unused(now),
        )


def _white_labels(request: HttpRequest) -> list[WhiteLabel]:
    return access.visible_white_labels(access.principal_of(request.user))


@permission_required("orgs.view_apikey", raise_exception=True)
def api_keys(request: OrgRequest) -> HttpResponse:
    """List the keys of the user's white labels; create one and show its text once."""
    white_labels = _white_labels(request)
    if request.method != "POST":
        form, new = ApiKeyForm(white_labels=white_labels), _take_new(request)
        return _page(request, white_labels, form, **new)
    if not request.user.has_perm("orgs.add_apikey"):
        raise Http404
    form = ApiKeyForm(request.POST, white_labels=white_labels)
    if not form.is_valid():
        return _page(request, white_labels, form, status=422)
    access.require_recent_authentication(request)
    data = form.cleaned_data
    days = data["expires_in_days"]
    key, text = create_api_key(
        data["white_label"],
        name=data["name"],
        scopes=[Scope(scope) for scope in data["scopes"]],
        organization=data["organization"],
        expires_at=timezone.now() + timedelta(days=days) if days else None,
        address_ranges=data["address_ranges"],
        created_by=request.user,
    )
    return _redirect_to_new(request, key, text)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("orgs.change_apikey", raise_exception=True)
@access.recently_authenticated
def edit_key(request: OrgRequest, key_id: int) -> HttpResponse:
    """Change the name and address ranges of a key."""
    key = _key(request, key_id)
    initial = {"name": key.name, "address_ranges": key.address_ranges}
    form = ApiKeyEditForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        edit_api_key(key, **form.cleaned_data)
        messages.success(request, "The API key has been changed.")
        return redirect("orgs:api_keys")
    context = {"key": key, "form": form, "nav_key": "settings"}
    status = 422 if form.errors else 200
    response = render(request, "orgs/api_key.html", context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@permission_required("orgs.add_apikey", raise_exception=True)
@access.recently_authenticated
def rotate_key(request: OrgRequest, key_id: int) -> HttpResponse:
    """Create a key like this one; it works for another week.

    Raises `Conflict` for a key that has ended or was rotated already.
    """
    new_key, text = rotate_api_key(_key(request, key_id), created_by=request.user)
    return _redirect_to_new(request, new_key, text)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("orgs.change_apikey", raise_exception=True)
@access.recently_authenticated
def revoke_key(request: OrgRequest, key_id: int) -> HttpResponse:
    """Ask with who used the key last; POST revokes it, from the next call on."""
    key = _key(request, key_id)
    form = RevocationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        revoke_api_key(key, reason=form.cleaned_data["reason"])
        messages.success(request, f"The API key {key.name} has been revoked.")
        return redirect("orgs:api_keys")
    context = {"key": key, "form": form, "nav_key": "settings"}
    status = 422 if request.method == "POST" else 200
    response = render(request, "orgs/revoke_key.html", context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response


def _redirect_to_new(request: OrgRequest, key: ApiKey, text: str) -> HttpResponse:
    """Show a new key after a redirect: reloading its page makes no second key."""
    keep_secret(request, _purpose(key.pk), text)
    return redirect(f"{reverse('orgs:api_keys')}?new={key.pk}")


def _take_new(request: OrgRequest) -> dict[str, Any]:
    """Return the new key that the page shows, and its text; empty after that."""
    key_id = request.GET.get("new", "")
    text = take_secret(request, _purpose(key_id))
    return {"new_key": _key(request, int(key_id)), "text": text} if text else {}


def _purpose(key_id: object) -> str:
    return f"API key {key_id}"


def _key(request: HttpRequest, key_id: int) -> ApiKey:
    rows = ApiKey.objects.filter(white_label__in=_white_labels(request))
    return get_object_or_404(
        rows.select_related("white_label", "organization"), pk=key_id
    )


def _page(
    request: OrgRequest,
    white_labels: list[WhiteLabel],
    form: ApiKeyForm,
    *,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    rows = ApiKey.objects.filter(white_label__in=white_labels)
    related = ("white_label", "organization", "replaced_by")
    keys, now = (
        rows.select_related(*related).order_by("-id")[:_MAX_KEYS],
        timezone.now(),
    )
    listed = [KeyRow.of(key, now) for key in keys]
    context = {
        "rows": listed,
        "unused": sum(row.is_unused for row in listed),
        "unused_days": settings.API_KEY_UNUSED_DAYS,
        "form": form,
        "nav_key": "settings",
        **extra,
    }
    response = render(request, "orgs/api_keys.html", context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response
