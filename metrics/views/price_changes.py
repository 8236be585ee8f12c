"""Settings, prices: a new price, many as CSV, and the end of one.

Each is previewed first. The form then carries a proof of the preview: what is saved is
what was previewed, and these prices are still those of the preview.
"""

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
from django.views.decorators.http import require_http_methods, require_POST

from metrics.commands.price_previews import book_version, read_preview, sign_preview
from metrics.commands.rates import IncomingRate, load_rates, undo_rate
from metrics.models import Rate
from metrics.price_forms import (
    EndPriceForm,
    PriceChangeForm,
    RateForm,
    RateLine,
    RateListForm,
)
from metrics.queries.price_book import find_replaced
from metrics.queries.price_use import find_prices_around, price_use
from metrics.views.price_undo import offer_price_undo, offered_price_undo
from metrics.views.prices import chosen_label, page_context, subject
from orgs import access
from orgs.commands.proofs import ChangedMeanwhile
from orgs.days import day_of
from orgs.errors import DomainError
from orgs.models import WhiteLabel
from orgs.queries.history import HistoryFilters, history_page
from orgs.web.edits import withdraw_undo
from orgs.web.history import Entry, entries, noise
from orgs.web.http import OrgRequest, page_or_fragment

_FORM, _CSV = "metrics/price_form.html", "metrics/price_list.html"
_END = "metrics/price_end.html"
_NOT_PREVIEWED = "Check the preview below, then save."
_READ_CHANGES, _SHOWN_CHANGES = 50, 5


@dataclass(frozen=True, slots=True)
class RateDifference:
    """A line of rates against the price book; `before` is what it would replace."""

    line: RateLine
    before: Rate | None

    @property
    def result(self) -> str:
        """Return `error`, `unchanged`, `replaced`, `added`, or `ended`."""
        rate, before = self.line.rate, self.before
        if rate is None:
            return "error"
        if before is not None:
            prices = rate.unit_price, rate.benchmark_unit_price, rate.price_unit.name
            old = before.unit_price, before.benchmark_unit_price, before.unit
            if prices == old:
                return "unchanged"
        if rate.unit_price is None:
            return "ended"
        return "added" if before is None else "replaced"


@require_http_methods(["GET", "HEAD", "POST"])
def new_price(request: OrgRequest) -> HttpResponse:
    """Preview a new price (`step=preview`), or add it with a reason."""
    label = chosen_label(request)
    given = {name: request.GET.get(name, "") for name in ("product", "meter")}
    form = RateForm(request.POST or None, initial=given, is_preview=_previews(request))
    rate = form.read(label) if form.is_readable else None
    lines = [] if rate is None else [RateLine(1, rate, {})]
    return _answer(request, label, form, lines, _FORM)


@require_http_methods(["GET", "HEAD", "POST"])
def end_price(request: OrgRequest) -> HttpResponse:
    """Preview the end of a price (`step=preview`), or end it with a reason."""
    label = chosen_label(request)
    names = ("product", "meter", "organization")
    given = {name: request.GET.get(name, "") for name in names}
    form = EndPriceForm(
        request.POST or None, initial=given, is_preview=_previews(request)
    )
    rate = form.read(label) if form.is_readable else None
    use = _use(label, form, rate) if rate is not None else {}
    lines = [RateLine(1, rate, {})] if use else []
    return _answer(request, label, form, lines, _END, **use)


@require_http_methods(["GET", "HEAD", "POST"])
def import_prices(request: OrgRequest) -> HttpResponse:
    """Preview what a CSV changes (`step=preview`), or load it with a reason.

    With a line that is refused nothing is written.
    """
    label = chosen_label(request)
    form = RateListForm(
        request.POST or None, request.FILES or None, is_preview=_previews(request)
    )
    return _answer_list(request, label, form)


def preview_list(request: OrgRequest, label: WhiteLabel, text: str) -> HttpResponse:
    """Show the import of these lines with its preview, as if they had been pasted.

    The request is a POST with `step=preview`.
    """
    return _answer_list(request, label, RateListForm({"lines": text}, is_preview=True))


def _answer_list(
    request: OrgRequest, label: WhiteLabel, form: RateListForm
) -> HttpResponse:
    lines = form.read(label) if form.is_readable else []
    text = form.cleaned_data["text"] if lines else ""
    invalid = sum(line.rate is None for line in lines)
    return _answer(request, label, form, lines, _CSV, text=text, invalid=invalid)


@require_POST
def undo_price(request: OrgRequest) -> HttpResponse:
    """Undo the last change of a price by this person, if nothing has changed since."""
    label = chosen_label(request)
    undo = offered_price_undo(request, subject(label))
    if undo is None:
        messages.warning(request, "It is too late to undo. Change the price instead.")
        return _to_list(label)
    access.require_recent_authentication(request)
    withdraw_undo(request)
    try:
        with pghistory.context(note="Undone."):
            undo_rate(label, undo.rate, undo.previous)
    except DomainError as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, "Change undone.")
    return _to_list(label)


def _previews(request: OrgRequest) -> bool:
    return request.POST.get("step") == "preview"


def _use(label: WhiteLabel, form: EndPriceForm, rate: IncomingRate) -> dict[str, Any]:
    """Return the price that ends and who uses it; empty, with an error, if none is."""
    if rate.effective_from is None:  # the field is required
        return {}
    where = (rate.product, rate.meter, rate.organization_id)
    current, following = find_prices_around(label.pk, *where, rate.effective_from)
    if current is None or current.is_end:
        form.add_error("effective_from", "No price is in force then: nothing to end.")
        return {}
    until = following.effective_from if following else None
    use = price_use(
        label,
        *where,
        at=rate.effective_from,
        since=day_of(rate.effective_from, label.zone),
        until=day_of(until, label.zone) if until else None,
    )
    return {"price": current, "following": following, "use": use, "end": rate}


def _answer(
    request: OrgRequest,
    label: WhiteLabel,
    form: PriceChangeForm,
    lines: Sequence[RateLine],
    page: str,
    **extra: Any,
) -> HttpResponse:
    """Show the form, its preview beside it, or save what was previewed."""
    rates = [line.rate for line in lines if line.rate is not None]
    is_complete = bool(rates) and len(rates) == len(lines)
    is_refused = bool(form.errors) or len(rates) < len(lines)
    status, changed = 422 if is_refused else 200, list[Entry]()
    version = None
    if not _previews(request):
        version = read_preview(request.POST.get("before", ""), label, rates)
    if is_complete and not is_refused and version is not None:
        try:
            return _save(request, label, rates, version, form)
        except ChangedMeanwhile as error:
            form.add_error(None, error.message)
            changed, status = _changes_since(label, rates, version), error.status
            version = None
    elif is_complete and not is_refused and not _previews(request):
        form.add_error(None, _NOT_PREVIEWED)
        status = 422
    if is_complete:
        version = book_version(label) if version is None else version
        form.set_proof(sign_preview(label, rates, version))
    context = page_context(request, label) | {
        "form": form,
        "differences": _differences(label, lines),
        "is_complete": is_complete,
        "changed": changed,
        **extra,
    }
    return page_or_fragment(request, page, page, context, status=status)


def _save(
    request: OrgRequest,
    label: WhiteLabel,
    rates: list[IncomingRate],
    version: int,
    form: PriceChangeForm,
) -> HttpResponse:
    access.require_recent_authentication(request)
    replaced = find_replaced(label.pk, [rate.product for rate in rates])
    with pghistory.context(note=form.cleaned_data["reason"]):
        changed = sum(load_rates(label, rates, previewed_version=version))
    text = "Price" if changed == 1 else f"{changed} prices"
    if changed and len(rates) == 1:
        offer_price_undo(request, subject(label), rates[0], replaced.of(rates[0].key))
    else:
        messages.success(
            request, f"{text} saved." if changed else "Nothing was changed."
        )
    return _to_rerate(label, rates) if changed else _to_list(label)


def _to_rerate(label: WhiteLabel, rates: Sequence[IncomingRate]) -> HttpResponse:
    """Redirect to the re-rate of what the prices change, if they start in the past."""
    starts = [rate.effective_from for rate in rates]
    past = [start for start in starts if start is None or start < timezone.now()]
    if not past:
        return _to_list(label)
    query = {"white_label": label.slug}
    if len(rates) == 1:
        query |= {"product": rates[0].product, "meter": rates[0].meter}
    if None not in past:
        first = min(start for start in past if start is not None)
        query["since"] = day_of(first, label.zone).isoformat()
    return redirect(f"{reverse('metrics:rerates')}?{urlencode(query)}")


def _to_list(label: WhiteLabel) -> HttpResponse:
    return redirect(f"{reverse('metrics:prices')}?white_label={label.slug}")


def _changes_since(
    label: WhiteLabel, rates: Sequence[IncomingRate], version: int
) -> list[Entry]:
    """Return the newest changes of these products and meters after a version."""
    filters = HistoryFilters(
        white_label_id=label.pk, labels={"metrics.Rate"}, noise=noise()
    )
    pairs = {(rate.product, rate.meter) for rate in rates}
    changes = history_page(filters, size=_READ_CHANGES, scope="").changes
    later = [
        change
        for change in changes
        if (change.after.get("product"), change.after.get("meter")) in pairs
        and max(change.after["added_in"], change.after["removed_in"] or 0) > version
    ]
    return entries(later[:_SHOWN_CHANGES])


def _differences(label: WhiteLabel, lines: Sequence[RateLine]) -> list[RateDifference]:
    products = [line.rate.product for line in lines if line.rate]
    if not lines:
        return []
    current = find_replaced(label.pk, products)
    return [
        RateDifference(line, current.of(line.rate.key) if line.rate else None)
        for line in lines
    ]
