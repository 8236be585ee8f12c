"""The settings of a white label, with what a change of them causes first."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from billing.details.queries.weight_preview import WeightPreview, preview_white_label
from orgs import access
from orgs.commands.proofs import ChangedMeanwhile
from orgs.commands.white_labels import change_settings
from orgs.errors import DomainError
from orgs.forms.white_labels import WhiteLabelForm
from orgs.models import WhiteLabel
from orgs.web.edits import show_error
from orgs.web.history import last_white_label_entry
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/details/white_label.html"
_COLUMNS = (
    *("name", "gpu_weight", "default_rate_limit", "bills_usage_monthly"),
    *("default_soft_limit", "default_hard_limit"),
)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("orgs.change_whitelabel", raise_exception=True)
def edit_white_label(request: OrgRequest, white_label_id: int) -> HttpResponse:
    """Change a white label with a reason; another GPU weight is previewed first."""
    label = access.get_white_label(access.principal_of(request.user), white_label_id)
    is_preview = request.POST.get("step") == "preview"
    values = {name: getattr(label, name) for name in _COLUMNS}
    form = WhiteLabelForm(
        request.POST or None,
        currency=label.currency,
        values=values,
        is_preview=is_preview,
    )
    if request.method != "POST" or not form.is_valid():
        return _page(request, label, form, status=422 if form.errors else 200)
    try:
        form.require_unchanged()
        if is_preview or form.needs_preview:
            preview = _preview(request, label, form)
            form.remember_preview()
            return _page(
                request, label, form, preview=preview, is_stopped=not is_preview
            )
        return _save(request, label, form)
    except DomainError as error:
        show_error(form, error)
        is_conflict = isinstance(error, ChangedMeanwhile)
        last = last_white_label_entry(label.pk) if is_conflict else None
        status = error.status if is_conflict else 422
        return _page(request, label, form, last=last, status=status)


def _preview(
    request: OrgRequest, label: WhiteLabel, form: WhiteLabelForm
) -> WeightPreview:
    proof = form.cleaned_data["before"]
    return preview_white_label(
        label,
        lambda: change_settings(label, form.changes, reason="Preview.", proof=proof),
        now=timezone.now(),
        shows_money=request.user.has_perm("billing.view_invoice"),
    )


def _save(request: OrgRequest, label: WhiteLabel, form: WhiteLabelForm) -> HttpResponse:
    access.require_recent_authentication(request)
    data = form.cleaned_data
    change_settings(label, form.changes, reason=data["reason"], proof=data["before"])
    messages.success(request, f"{label.name} saved.")
    return redirect("orgs:white_labels")


def _page(
    request: OrgRequest,
    label: WhiteLabel,
    form: WhiteLabelForm,
    *,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    context = {
        "nav_key": "settings",
        "settings_tab": "white_labels",
        "label": label,
        "form": form,
        **extra,
    }
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)
