"""Page of usage without a price: which it is, and re-rating it once it has one."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from billing.console.forms import RerateForm
from billing.staff import StaffContext, require_billing_read, require_billing_write
from metrics import tasks
from metrics.commands.rerate import (
    RerateResult,
    preview_rerate,
    rerate_periods,
    rerate_spec,
)
from metrics.queries.unpriced import list_fleet_unpriced, list_unpriced_organizations
from orgs.errors import DomainError
from orgs.models import WhiteLabel
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE, _PANEL = "billing/console/unpriced.html", "billing/console/_unpriced_panel.html"
_MAX_LINES = 200
# Organizations that one request re-rates, which takes some seconds; the command
# `rerate` has no such limit.
_MAX_ORGANIZATIONS = 50


def unpriced(request: OrgRequest) -> HttpResponse:
    """List usage without a price, and the organizations of the selected one.

    A POST with `step=preview` shows the costs of their open periods at today's prices;
    `step=apply` re-rates them, with the reason.
    """
    staff = require_billing_read(request)
    if request.method != "POST":
        return _page(request, staff, RerateForm())
    staff = require_billing_write(request, needs_stripe=False)
    form = RerateForm(request.POST)
    if request.POST.get("step") != "apply":
        return _page(request, staff, form, is_preview=True)
    if not form.is_valid() or not _apply(request, staff, form):
        return _page(request, staff, form, is_preview=True, status=422)
    return redirect(f"{reverse('billing:unpriced')}?{_query(request)}")


def _selected(request: OrgRequest) -> tuple[str, str]:
    return request.GET.get("product", ""), request.GET.get("meter", "")


def _query(request: OrgRequest) -> str:
    names = ("white_label", "product", "meter")
    return urlencode({name: request.GET.get(name, "") for name in names})


def _white_label(request: OrgRequest, staff: StaffContext) -> WhiteLabel | None:
    """Return the white label that the URL selects, if it selects one."""
    if not request.GET.get("white_label"):
        return None
    return staff.selected_white_labels(request.GET)[0]


def _apply(request: OrgRequest, staff: StaffContext, form: RerateForm) -> bool:
    """Re-rate the listed organizations; return False and set an error if refused."""
    white_label, (product, meter) = _white_label(request, staff), _selected(request)
    if white_label is None:
        form.add_error(None, "Choose usage from the list.")
        return False
    rows = list_unpriced_organizations(
        white_label.pk, product, meter, limit=_MAX_ORGANIZATIONS
    )
    spec = rerate_spec(by=staff.principal.name, note=form.cleaned_data["note"])
    try:
        result = rerate_periods(
            white_label, [row.organization_id for row in rows], correction=spec
        )
    except DomainError as error:
        form.add_error("note", error.message)
        return False
    enqueue(tasks.roll_up_usage)
    _report(request, result)
    return True


def _report(request: OrgRequest, result: RerateResult) -> None:
    """Say how many organizations were re-rated, and how many could not be."""
    count = len(result.rerates)
    if count or not result.without_events:
        text = f"Re-rated the open period of {_organizations(count)}."
        messages.success(request, text)
    if left := len(result.without_events):
        text = (
            f"{_organizations(left)} not re-rated: some events of the open period are"
            " past retention."
        )
        messages.warning(request, text)


def _organizations(count: int) -> str:
    return f"{count} organization" if count == 1 else f"{count} organizations"


def _page(
    request: OrgRequest,
    staff: StaffContext,
    form: RerateForm,
    *,
    is_preview: bool = False,
    status: int = 200,
) -> HttpResponse:
    white_label, (product, meter) = _white_label(request, staff), _selected(request)
    labels = {label.pk: label for label in staff.white_labels}
    lines = list_fleet_unpriced(labels, limit=_MAX_LINES)
    context: dict[str, Any] = {
        "nav_key": "fleet",
        "lines": [
            {"line": line, "white_label": labels[line.white_label_id]} for line in lines
        ],
        "form": form,
        "max_organizations": _MAX_ORGANIZATIONS,
    }
    if white_label is not None and product:
        rows = list_unpriced_organizations(
            white_label.pk, product, meter, limit=_MAX_ORGANIZATIONS
        )
        context |= {
            "white_label": white_label,
            "product": product,
            "meter": meter,
            "organizations": rows,
            "action_url": f"{reverse('billing:unpriced')}?{_query(request)}",
            "price_url": _price_url(request, white_label),
            "blocked_reason": staff.write_blocked_reason,
        }
        if is_preview:
            ids = [row.organization_id for row in rows]
            context["preview"] = preview_rerate(white_label, ids)
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def _price_url(request: OrgRequest, white_label: WhiteLabel) -> str:
    """Return the form of a new price of the selection, for people who may add one."""
    if not request.user.has_perm("metrics.add_rate"):
        return ""
    product, meter = _selected(request)
    query = {"white_label": white_label.slug, "product": product, "meter": meter}
    return f"{reverse('metrics:new_price')}?{urlencode(query)}"
