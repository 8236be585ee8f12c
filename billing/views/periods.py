"""Periods: how each adds up, from its events to its invoice."""

from django.http import HttpResponse
from django.urls import reverse

from billing.models import BillingPeriod
from billing.queries.reconciliation import list_periods, reconciliation
from billing.views.corrections import corrector
from orgs.errors import NotFound
from orgs.http import OrgRequest, page_or_fragment

_PAGE, _PANEL = "billing/periods.html", "billing/_periods_panel.html"


def periods(request: OrgRequest, organization_id: int) -> HttpResponse:
    """`?period=13` is shown step by step; by default the one that closed last."""
    by = corrector(request, organization_id)
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
    }
    return page_or_fragment(request, _PAGE, _PANEL, context)


def _number(request: OrgRequest, found: list[BillingPeriod]) -> int | None:
    text = request.GET.get("period", "")
    numbers = [period.number for period in found]
    if text:
        if text not in map(str, numbers):
            raise NotFound("There is no such period.")
        return int(text)
    closed = [period.number for period in found if period.ends_at]
    return next(iter(closed or numbers), None)
