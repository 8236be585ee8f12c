"""Page of an organization's billing periods and their reconciliation."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from billing.ledger.commands.periods import close_period_manually
from billing.ledger.commands.write_offs import write_off_carried
from billing.ledger.forms import ClosePeriodForm, WriteOffForm
from billing.ledger.queries.reconciliation import list_periods, reconcile_period
from billing.ledger.views.corrections import (
    CorrectionContext,
    require_correction_access,
)
from billing.models import BillingPeriod
from metrics.queries.unpriced import UnpricedUsage, list_carried, list_open_unpriced
from orgs.errors import DomainError, NotFound
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE, _PANEL = "billing/ledger/periods.html", "billing/ledger/_periods_panel.html"


def periods(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the periods and the reconciliation of one; a POST closes the open period.

    `?period=13` chooses the period by its number; the default is the last closed one.
    """
    correction = require_correction_access(request, organization_id)
    form = _close_form(request, organization_id)
    if request.method == "POST" and form.is_valid() and _close(form, correction):
        messages.success(request, "Period closed. A new period is open.")
        return redirect("billing:periods", organization_id)
    return _page(request, correction, form=form)


def write_off(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Write off carried usage of a product and meter, once per form."""
    correction = require_correction_access(request, organization_id)
    form = WriteOffForm(request.POST)
    if request.method != "POST":
        return redirect("billing:periods", organization_id)
    if not form.is_valid() or not _write_off(form, correction):
        return _page(request, correction, write_off_form=form)
    messages.success(request, "Usage written off. It will not be billed.")
    return redirect("billing:periods", organization_id)


def _close_form(request: OrgRequest, organization_id: int) -> ClosePeriodForm:
    return ClosePeriodForm(
        request.POST or None, has_unpriced=bool(list_open_unpriced(organization_id))
    )


def _page(
    request: OrgRequest,
    correction: CorrectionContext,
    *,
    form: ClosePeriodForm | None = None,
    write_off_form: WriteOffForm | None = None,
) -> HttpResponse:
    organization = correction.organization
    organization_id = organization.pk
    unpriced, carried = (
        list_open_unpriced(organization_id),
        list_carried(organization_id),
    )
    rows = list_periods(organization_id)
    number = _selected_number(request, rows)
    base = reverse("billing:periods", args=[organization_id])
    form = form or ClosePeriodForm(has_unpriced=bool(unpriced))
    entries = [
        {"line": line, "form": _line_form(line, write_off_form)}
        for line in unpriced
        if (line.product, line.meter) in carried
    ]
    context = {
        **correction.template_context(request, "billing"),
        "periods": [{"row": row, "url": f"{base}?period={row.number}"} for row in rows],
        "selected_number": number,
        "reconciliation": reconcile_period(organization, number) if number else None,
        "form": form,
        "carried": entries,
        "write_off_errors": _list_errors(write_off_form, entries),
    }
    status = 422 if form.is_bound or write_off_form is not None else 200
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def _list_errors(sent: WriteOffForm | None, entries: list[dict[str, Any]]) -> list[str]:
    """Return the errors of a form that was sent for usage that is not carried."""
    if sent is None or any(entry["form"] is sent for entry in entries):
        return []
    return [str(error) for errors in sent.errors.values() for error in errors]


def _line_form(line: UnpricedUsage, sent: WriteOffForm | None) -> WriteOffForm:
    """Return the form that was sent for this usage, or else an empty one."""
    if sent is not None and (sent["product"].value(), sent["meter"].value()) == (
        line.product,
        line.meter,
    ):
        return sent
    return WriteOffForm(
        initial={"product": line.product, "meter": line.meter}, auto_id=False
    )


def _write_off(form: WriteOffForm, correction: CorrectionContext) -> bool:
    """Write the usage off; return False and set an error if that is refused."""
    data = form.cleaned_data
    try:
        write_off_carried(
            correction.organization,
            data["product"],
            data["meter"],
            by=correction.staff_name,
            note=data["note"],
            key=data["idempotency_key"],
        )
    except DomainError as error:
        form.add_error("note", error.message)
        return False
    return True


def _close(form: ClosePeriodForm, correction: CorrectionContext) -> bool:
    """Close the period once per form; return False and set an error if refused."""
    try:
        close_period_manually(
            correction.organization.pk,
            by=correction.staff_name,
            note=form.cleaned_data["note"],
            key=form.cleaned_data["idempotency_key"],
            bills_without_unpriced=form.cleaned_data.get(
                "bills_without_unpriced", False
            ),
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
