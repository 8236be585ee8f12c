"""Page of an organization's billing periods and their reconciliation."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from billing.ledger.commands.periods import close_period_manually
from billing.ledger.forms import ClosePeriodForm
from billing.ledger.queries.reconciliation import list_periods, reconcile_period
from billing.ledger.views.corrections import (
    CorrectionContext,
    require_correction_access,
)
from billing.models import BillingPeriod
from orgs.errors import DomainError, NotFound
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE, _PANEL = "billing/ledger/periods.html", "billing/ledger/_periods_panel.html"


def periods(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the periods and the reconciliation of one; a POST closes the open period.

    `?period=13` chooses the period by its number; the default is the last closed one.
    """
    correction = require_correction_access(request, organization_id)
    form = ClosePeriodForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _close(form, correction):
        messages.success(request, "Period closed. A new period is open.")
        return redirect("billing:periods", organization_id)
    rows = list_periods(organization_id)
    number = _selected_number(request, rows)
    base = reverse("billing:periods", args=[organization_id])
    organization = correction.organization
    context = {
        **correction.template_context(request, "billing"),
        "periods": [{"row": row, "url": f"{base}?period={row.number}"} for row in rows],
        "selected_number": number,
        "reconciliation": reconcile_period(organization, number) if number else None,
        "form": form,
    }
    status = 422 if form.is_bound else 200
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def _close(form: ClosePeriodForm, correction: CorrectionContext) -> bool:
    """Close the period once per form; return False and set an error if refused."""
    try:
        close_period_manually(
            correction.organization.pk,
            by=correction.staff_name,
            note=form.cleaned_data["note"],
            key=form.cleaned_data["idempotency_key"],
        )
    except DomainError as error:
        form.add_error("note", error.message)
        return False
    return True


def _selected_number(request: OrgRequest, rows: list[BillingPeriod]) -> int | None:
    text = request.GET.get("period", "")
    numbers = [period.number for period in rows]
    if text:
        if text not in map(str, numbers):
            raise NotFound("Period not found.")
        return int(text)
    closed = [period.number for period in rows if period.ends_at]
    return next(iter(closed or numbers), None)
