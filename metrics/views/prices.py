"""Settings, prices: the price book of a white label, as a page and as CSV."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils import timezone

from metrics.catalog import METERS
from metrics.commands.rate_rows import COLUMNS
from metrics.queries.price_book import all_prices, list_prices
from orgs import access
from orgs.errors import NotFound
from orgs.models import WhiteLabel
from orgs.schemas.csv import csv_text
from orgs.web.edits import UNDO_SECONDS, offered_undo
from orgs.web.http import OrgRequest, page_or_fragment

_LIST = "metrics/prices.html"
_LONGEST = 200


def prices(request: OrgRequest) -> HttpResponse:
    """List current and future prices of a white label, filtered by product."""
    label, labels = visible_labels(request)
    product, organization = (
        request.GET.get(name, "").replace("\x00", "")[:_LONGEST]
        for name in ("product", "organization")
    )
    context = page_context(request, label) | {"labels": labels}
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
        context |= undo_context(request, label)
    context |= {"product": product, "external_id": organization}
    return page_or_fragment(request, _LIST, _LIST, context)


def prices_csv(request: OrgRequest) -> HttpResponse:
    """Send the current and future prices of a white label as the import takes them."""
    label = chosen_label(request)
    text = csv_text(COLUMNS, all_prices(label.pk))
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"prices-{label.slug}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def visible_labels(
    request: OrgRequest,
) -> tuple[WhiteLabel | None, list[WhiteLabel]]:
    """Return the chosen white label, the first one without a choice, and all."""
    labels = access.visible_white_labels(access.principal_of(request.user))
    slug = request.GET.get("white_label", "")
    chosen = [label for label in labels if not slug or label.slug == slug]
    if slug and not chosen:
        raise NotFound("White label not found.")
    return (chosen[0] if chosen else None), labels


def chosen_label(request: OrgRequest) -> WhiteLabel:
    """Return the white label that the URL names, or the first; raise `NotFound`."""
    label, _ = visible_labels(request)
    if label is None:
        raise NotFound("White label not found.")
    return label


def subject(label: WhiteLabel) -> str:
    """Return what an offer to undo a change of prices belongs to."""
    return f"price:{label.pk}:"


def undo_context(request: OrgRequest, label: WhiteLabel) -> dict[str, Any]:
    """Return whether the last change of a price can be undone, and for how long."""
    undo = offered_undo(request, subject(label))
    return {"undo": undo, "undo_seconds": UNDO_SECONDS}


def page_context(request: OrgRequest, label: WhiteLabel | None) -> dict[str, Any]:
    """Return what all pages of prices show."""
    return {
        "nav_key": "settings",
        "settings_tab": "prices",
        "label": label,
        "meters": METERS,
        "now": timezone.now(),
        "is_writer": request.user.has_perm("metrics.add_rate"),
    }


def _link(query: dict[str, str], cursor: str | None) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"?{urlencode(given | {'cursor': cursor})}" if cursor else ""
