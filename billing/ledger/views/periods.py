"""Periods: how each adds up, from its events to its invoice."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from billing.ledger.commands.periods import close_by_hand
from billing.ledger.forms import CloseForm
from billing.ledger.queries.reconciliation import list_periods, reconciliation
from billing.ledger.views.corrections import Corrector, Once, corrector
from billing.models import BillingPeriod
from orgs.errors import DomainError, NotFound
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE, _PANEL = "billing/ledger/periods.html", "billing/ledger/_periods_panel.html"


def periods(request: OrgRequest, organization_id: int) -> HttpResponse:
    """`?period=13` is shown step by step; by default the one that closed last."""
    by = corrector(request, organization_id)
    form = CloseForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _close(form, by):
        messages.success(request, "Period closed. A new period is open.")
        return redirect("billing:periods", organization_id)
    found = list_periods(organization_id)
    number = _number(request, found)
    base = reverse("billing:periods", args=[organization_id])
    context = {
        **by.context(request, "billing"),
        "periods": [
            {"row": row, "url": f"{base}?period={row.number}"} for row in found
        ],
        "chosen": number,
        "sums": reconciliation(by.organization, number) if number else None,
        "form": form,
    }
    status = 422 if form.is_bound else 200
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def _close(form: CloseForm, by: Corrector) -> bool:
    """Once, however often the form is sent; whether it was not refused."""
    once = Once(form.cleaned_data["form"])
    if not once.is_first():
        return True
    try:
        close_by_hand(by.organization.pk, by=by.name, note=form.cleaned_data["note"])
    except DomainError as error:
        once.forget()
        form.add_error("note", error.message)
        return False
    return True


def _number(request: OrgRequest, found: list[BillingPeriod]) -> int | None:
    text = request.GET.get("period", "")
    numbers = [period.number for period in found]
    if text:
        if text not in map(str, numbers):
            raise NotFound("Period not found.")
        return int(text)
    closed = [period.number for period in found if period.ends_at]
    return next(iter(closed or numbers), None)
