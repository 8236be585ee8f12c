"""Page that voids an event or a range of usage after a preview."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from billing.ledger.commands.voids import VoidResult, void_usage
from billing.ledger.forms import VoidForm
from billing.ledger.queries.voids import VoidPreviewWithBills, preview_void_with_bills
from billing.ledger.views.corrections import (
    CorrectionContext,
    require_correction_access,
)
from metrics import tasks
from metrics.commands.voids import void_correction
from metrics.queries.corrections import has_correction
from metrics.queries.voids import UsageRange
from orgs.errors import DomainError
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.templatetags.display import count, money

_PAGE, _PANEL = "billing/ledger/voids.html", "billing/ledger/_voids_panel.html"
MAX_EVENTS = 50_000  # events that one request may void, which takes about 2 seconds
_TOO_MANY = (
    f"More than {MAX_EVENTS:,} events. Use `manage.py void_usage`, which works in"
    " batches."
)


def void(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show a form that chooses usage, then a preview, and void the usage.

    A POST with `step=preview` shows events, quantities and cost; `step=apply` voids the
    usage; `step=change` returns to the form with its values. Answers 409 with a new
    preview if the usage is not the one that the preview showed any more.
    """
    correction = require_correction_access(request, organization_id)
    organization = correction.organization
    if request.method != "POST":
        chosen = {"event": request.GET.get("event", "")}  # linked from a list of events
        form = VoidForm(initial=chosen, organization=organization)
        return _page(request, correction, form)
    form = VoidForm(request.POST, organization=organization)
    if request.POST.get("step") == "change":
        form = VoidForm(initial=request.POST.dict(), organization=organization)
        return _page(request, correction, form)
    if not form.is_valid():
        return _page(request, correction, form, status=422)
    preview = preview_void_with_bills(form.cleaned_data["usage_range"])
    if request.POST.get("step") != "apply":
        return _page(request, correction, form, preview=preview)
    is_repeated = has_correction(
        organization.white_label, form.cleaned_data["idempotency_key"]
    )
    error = "" if is_repeated else _check_preview(request, preview)
    error = error or _apply(request, form, correction)
    if error:
        preview = preview_void_with_bills(form.cleaned_data["usage_range"])
        return _page(
            request, correction, form, preview=preview, error=error, status=409
        )
    return redirect("billing:void", organization_id)


def _count_events(preview: VoidPreviewWithBills) -> int:
    return sum(preview.usage.events.values())


def _check_preview(request: OrgRequest, preview: VoidPreviewWithBills) -> str:
    """Return why the usage cannot be voided as it was shown; empty if it can."""
    if _count_events(preview) > MAX_EVENTS:
        return _TOO_MANY
    if request.POST.get("events") != str(_count_events(preview)):
        return "The events in this range have changed. Review the new preview."
    return ""


def _apply(request: OrgRequest, form: VoidForm, correction: CorrectionContext) -> str:
    """Void the usage once per form; return the error, empty on success."""
    try:
        result = _void(form.cleaned_data["usage_range"], form, correction)
    except DomainError as error:
        return error.message
    enqueue(tasks.roll_up_usage)
    messages.success(request, _summarize(result, correction.currency))
    return ""


def _void(
    usage_range: UsageRange, form: VoidForm, correction: CorrectionContext
) -> VoidResult:
    spec = void_correction(
        by=correction.staff_name,
        note=form.cleaned_data["note"].strip(),
        key=form.cleaned_data["idempotency_key"],
    )
    return void_usage(usage_range, correction=spec, as_credit=True)


def _summarize(result: VoidResult, currency: str) -> str:
    parts = []
    if result.voided:
        cost = money(result.cost, currency)
        parts.append(f"voided {count(result.voided)} events ({cost})")
    if result.credited:
        credit = money(result.credit, currency)
        parts.append(f"refunded {count(result.credited)} events as {credit} credit")
    sentence = ", ".join(parts) or "no usage left to void"
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _page(
    request: OrgRequest,
    correction: CorrectionContext,
    form: VoidForm,
    *,
    preview: VoidPreviewWithBills | None = None,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        **correction.template_context(request, "usage"),
        "form": form,
        "preview": preview,
        "error": error,
    }
    if preview:
        events = _count_events(preview)
        context |= {
            "events": events,
            "too_many": _TOO_MANY if events > MAX_EVENTS else "",
        }
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)
