"""Settings, prices: the price book, a new price, and many as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pghistory
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from metrics.catalog import METERS
from metrics.commands.rate_rows import COLUMNS
from metrics.commands.rates import IncomingRate, load_rates
from metrics.models import Rate
from metrics.price_forms import RateForm, RateLine, RateListForm
from metrics.queries.price_book import all_prices, find_replaced, list_prices
from orgs import access
from orgs.errors import NotFound
from orgs.models import WhiteLabel
from orgs.schemas.csv import csv_text
from orgs.web.http import OrgRequest, page_or_fragment

_LIST, _FORM = "metrics/prices.html", "metrics/price_form.html"
_CSV = "metrics/price_list.html"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class RateDifference:
    """A line of rates against the price book; `before` is what it would replace."""

    line: RateLine
    before: Rate | None

    @property
    def result(self) -> str:
        """Return `error`, `unchanged`, `replaced`, or `added`."""
        rate, before = self.line.rate, self.before
        if rate is None:
            return "error"
        if before is None:
            return "added"
        prices = rate.unit_price, rate.benchmark_unit_price, rate.price_unit.name
        old = before.unit_price, before.benchmark_unit_price, before.unit
        return "unchanged" if prices == old else "replaced"


def prices(request: OrgRequest) -> HttpResponse:
    """List current and future prices of a white label, filtered by product."""
    label, labels = _label(request)
    product, organization = (
        request.GET.get(name, "").replace("\x00", "")[:_LONGEST]
        for name in ("product", "organization")
    )
    context = _context(request, label, labels)
    if label is not None:
        page = list_prices(
            label.pk,
            product=product,
            organization=organization,
            cursor=request.GET.get("cursor", ""),
        )
        query = {
            "white_label": label.slug,
            "product": product,
            "organization": organization,
        }
        context |= {
            "rates": page.rows,
            "next_url": _link(query, page.next_cursor),
            "previous_url": _link(query, page.previous_cursor),
        }
    context |= {"product": product, "external_id": organization}
    return page_or_fragment(request, _LIST, _LIST, context)


def prices_csv(request: OrgRequest) -> HttpResponse:
    """Send the current and future prices of a white label as the import takes them."""
    label, _ = _label(request)
    if label is None:
        raise NotFound("White label not found.")
    text = csv_text(COLUMNS, all_prices(label.pk))
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"prices-{label.slug}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def new_price(request: OrgRequest) -> HttpResponse:
    """Preview a new price (`step=preview`), or add it with a reason."""
    label, labels = _label(request)
    if label is None:
        raise NotFound("White label not found.")
    is_preview = request.POST.get("step") == "preview"
    given = {name: request.GET.get(name, "") for name in ("product", "meter")}
    form = RateForm(request.POST or None, initial=given, is_preview=is_preview)
    context = _context(request, label, labels) | {"form": form}
    if request.method == "POST" and form.is_valid():
        rate = form.read(label)
        if rate is not None and not is_preview:
            return _save(request, label, [rate], form.cleaned_data["reason"])
        if rate is not None:
            line = RateLine(1, rate, {})
            context["differences"] = _differences(label, [line])
    status = 422 if form.errors else 200
    return page_or_fragment(request, _FORM, _FORM, context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def import_prices(request: OrgRequest) -> HttpResponse:
    """Preview what a CSV changes (`step=preview`), or load it with a reason.

    With a line that is refused nothing is written.
    """
    label, labels = _label(request)
    if label is None:
        raise NotFound("White label not found.")
    is_preview = request.POST.get("step") == "preview"
    form = RateListForm(
        request.POST or None, request.FILES or None, is_preview=is_preview
    )
    context = _context(request, label, labels) | {"form": form}
    invalid = 0
    if request.method == "POST" and form.is_valid():
        lines = form.read(label)
        rates = [line.rate for line in lines if line.rate is not None]
        invalid = len(lines) - len(rates)
        if rates and not (is_preview or invalid):
            return _save(request, label, rates, form.cleaned_data["reason"])
        context |= {
            "differences": _differences(label, lines),
            "invalid": invalid,
            "text": form.cleaned_data["text"],
        }
    is_refused = request.method == "POST" and (form.errors or invalid)
    status = 422 if is_refused else 200
    return page_or_fragment(request, _CSV, _CSV, context, status=status)


def _label(request: OrgRequest) -> tuple[WhiteLabel | None, list[WhiteLabel]]:
    """Return the chosen white label, the first one without a choice, and all."""
    labels = access.visible_white_labels(access.principal_of(request.user))
    slug = request.GET.get("white_label", "")
    chosen = [label for label in labels if not slug or label.slug == slug]
    if slug and not chosen:
        raise NotFound("White label not found.")
    return (chosen[0] if chosen else None), labels


def _save(
    request: OrgRequest, label: WhiteLabel, rates: list[IncomingRate], reason: str
) -> HttpResponse:
    access.require_recent_authentication(request)
    with pghistory.context(note=reason):
        changed = sum(load_rates(label, rates))
    text = "Price" if changed == 1 else f"{changed} prices"
    messages.success(request, f"{text} saved." if changed else "Nothing was changed.")
    return redirect(f"{reverse('metrics:prices')}?white_label={label.slug}")


def _differences(label: WhiteLabel, lines: Sequence[RateLine]) -> list[RateDifference]:
    products = [line.rate.product for line in lines if line.rate]
    current = find_replaced(label.pk, products)
    return [
        RateDifference(line, current.of(line.rate.key) if line.rate else None)
        for line in lines
    ]


def _link(query: dict[str, str], cursor: str | None) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"?{urlencode(given | {'cursor': cursor})}" if cursor else ""


def _context(
    request: OrgRequest, label: WhiteLabel | None, labels: list[WhiteLabel]
) -> dict[str, Any]:
    return {
        "nav_key": "settings",
        "settings_tab": "prices",
        "label": label,
        "labels": labels,
        "meters": METERS,
        "now": timezone.now(),
        "is_writer": request.user.has_perm("metrics.add_rate"),
    }
