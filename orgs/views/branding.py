"""The branding of a white label: its form, and the files that pages and emails load."""

import base64
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from orgs import access
from orgs.colors import ENOUGH_CONTRAST, accent_contrasts
from orgs.commands.branding import change_branding
from orgs.commands.customer_emails import sender_of
from orgs.commands.proofs import ChangedMeanwhile
from orgs.errors import DomainError
from orgs.forms.branding import BrandingForm
from orgs.images import Image
from orgs.models import WhiteLabel
from orgs.queries.branding import Branding, branding_of, find_logo
from orgs.web.edits import show_error
from orgs.web.history import last_white_label_entry
from orgs.web.http import OrgRequest, page_or_fragment

_FORM = "orgs/settings/branding.html"
_COLUMNS = ("logo_sha256", "accent_color", "sender_name", "reply_to")
# The address has the hash or the color: what it leads to never changes.
_FOREVER = "public, max-age=31536000, immutable"
_POLICY = "default-src 'none'; frame-ancestors 'none'"  # it is opened alone, or not


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("orgs.change_whitelabel", raise_exception=True)
def edit_branding(request: OrgRequest, white_label_id: int) -> HttpResponse:
    """Show logo, accent color, and sender; POST previews (`step=preview`) or saves."""
    label = access.get_white_label(access.principal_of(request.user), white_label_id)
    is_preview = request.POST.get("step") == "preview"
    form = BrandingForm(
        request.POST or None,
        files=request.FILES or None,
        values={name: getattr(label, name) for name in _COLUMNS},
        is_preview=is_preview,
    )
    if request.method != "POST" or not form.is_valid():
        return _page(request, label, form, status=422 if form.errors else 200)
    try:
        form.require_unchanged()
        if is_preview:
            return _page(request, label, form, preview=_preview(label, form))
        access.require_recent_authentication(request)
        return _save(request, label, form)
    except DomainError as error:
        show_error(form, error)
        is_conflict = isinstance(error, ChangedMeanwhile)
        last = last_white_label_entry(label.pk) if is_conflict else None
        status = error.status if is_conflict else 422
        return _page(request, label, form, last=last, status=status)


@login_not_required
@require_safe
def logo(request: HttpRequest, sha256: str) -> HttpResponse:
    """Return an image; anyone may load it, for emails link to it."""
    image = find_logo(sha256)
    if image is None:
        raise Http404
    response = HttpResponse(bytes(image.data), content_type=image.content_type)
    # Email clients and pages of other sites show it, too.
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return _cached(response)


@login_not_required
@require_safe
def accent_style(request: HttpRequest, color: str) -> HttpResponse:
    """Return the style sheet of a color: a page may have no inline styles."""
    if min(accent_contrasts(f"#{color}").values()) < ENOUGH_CONTRAST:
        raise Http404
    style = f":root {{ --accent: #{color}; }}\n"
    return _cached(HttpResponse(style, content_type="text/css; charset=utf-8"))


def _cached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = _FOREVER
    response["Content-Security-Policy"] = _POLICY
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _save(request: OrgRequest, label: WhiteLabel, form: BrandingForm) -> HttpResponse:
    if form.changes == dict(form.values):
        messages.info(request, "Nothing was changed.")
        return redirect("orgs:edit_branding", label.pk)
    change_branding(
        label,
        form.changes,
        logo=form.logo,
        reason=form.cleaned_data["reason"],
        proof=form.cleaned_data["before"],
    )
    messages.success(request, f"Branding of {label.name} saved.")
    return redirect("orgs:edit_branding", label.pk)


def _preview(label: WhiteLabel, form: BrandingForm) -> dict[str, Any]:
    """Return how pages and emails would look; an image that is not stored is inline."""
    changed = WhiteLabel(name=label.name, **form.changes)
    branding = branding_of(changed)
    if form.logo is not None:
        branding = Branding(label.name, _inline(form.logo), changed.accent_color)
    return {
        "branding": branding,
        "sender": sender_of(changed),
        "reply_to": changed.reply_to,
        "contrasts": accent_contrasts(changed.accent_color) if branding.accent else {},
    }


def _inline(image: Image) -> str:
    return f"data:{image.content_type};base64,{base64.b64encode(image.data).decode()}"


def _page(
    request: OrgRequest,
    label: WhiteLabel,
    form: BrandingForm,
    *,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    context = {
        "nav_key": "settings",
        "settings_tab": "white_labels",
        "label": label,
        "form": form,
        "branding": branding_of(label),
        "sender": sender_of(label),
        **extra,
    }
    return page_or_fragment(request, _FORM, _FORM, context, status=status)
