"""Pages that belong to no app: component gallery, API reference, health check."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from billing.console.queries.badges import Badge
from config import apidocs
from config.error_formats import render_error
from config.openapi.document import document_json
from config.permission_matrix import COLUMNS, SUPERUSER, matrix
from orgs.access import authenticate
from orgs.errors import Unauthorized
from orgs.web.charts import (
    Chart,
    Comparison,
    Limit,
    Mark,
    Series,
    build_chart,
    sparkline,
)
from orgs.web.http import add_tag, entity_tag, matches_tag, not_modified

_MODELS = ("gpt-4o", "claude-sonnet", "llama-3 <70b> & co", "gpu.h100", "storage")
_FIRST = date(2026, 10, 23)


def components(request: HttpRequest) -> HttpResponse:
    """Show every component to staff, with fixed sample data for screenshots."""
    if not (request.user.is_authenticated and request.user.is_staff):
        raise Http404
    return render(request, "pages/components.html", _demo())


def roles(request: HttpRequest) -> HttpResponse:
    """Show what each role may do; the person's own roles are marked."""
    own = set(request.user.groups.values_list("name", flat=True))
    if request.user.is_superuser:
        own.add(SUPERUSER)
    context = {
        "nav_key": "settings",
        "columns": [{"name": name, "is_own": name in own} for name in COLUMNS],
        "sections": matrix(),
    }
    return render(request, "pages/roles.html", context)


def _demo() -> dict[str, Any]:
    return {
        "nav_key": "components",
        "header": _header(),
        "tiles": _tiles(),
        "bars": _bars(),
        "lines": _lines(),
        "ranges": _options("7d", "30d", "Period", "12m", current="30d"),
        "grains": _options("Daily", "Monthly", current="Daily"),
        "filters": _options("All", "Needs action", "Trial", "Unpaid", current="All"),
        "rows": _rows(),
    }


def _options(*labels: str, current: str) -> list[dict[str, Any]]:
    return [
        {"label": label, "url": "#", "current": label == current} for label in labels
    ]


def _header() -> dict[str, Any]:
    tabs = _options(
        "Overview", "Usage", "Costs", "Billing", "Members", "Alerts", current="Overview"
    )
    tabs[4]["count"], tabs[5]["count"] = 42, 2
    return {
        "badges": [
            Badge("Scale · monthly", "good"),
            Badge("Reaches soft limit in 6 days", "warn"),
            Badge("Invoice overdue", "bad"),
            Badge("ext-4711"),
        ],
        "tabs": tabs,
    }


def _tiles() -> list[dict[str, str]]:
    return [
        {
            "label": "Cost this period",
            "value": "$7,183.45",
            "strong": "↑ 18.4%",
            "note": "vs. previous 30 days",
        },
        {
            "label": "Estimated invoice on Dec 1",
            "value": "$13,420.00",
            "strong": "Nov 27:",
            "note": "projected to reach the soft limit of $13,000",
            "tone": "warn",
        },
        {
            "label": "Unpaid",
            "value": "$2,310.00",
            "strong": "1 invoice",
            "note": "9 days overdue",
            "tone": "bad",
        },
        {"label": "Last sync", "value": "4 min ago", "note": "no discrepancies"},
    ]


def _wave(index: int, column: int) -> Decimal:
    """Return a slowly rising weekly pattern without randomness."""
    size = Decimal(("131.17", "84.4", "61.09", "33.5", "17.003")[index])
    rhythm = (100, 108, 104, 111, 96, 58, 52)[(column + index) % 7]
    return size * rhythm * (100 + column) / 10_000


_GAP = 11  # the day without a record, in the chart of bars


def _bars() -> Chart:
    days = [_FIRST + timedelta(days=index) for index in range(30)]
    return build_chart(
        id="chart-bars",
        title="Cost per day by product",
        days=days,
        series=[
            Series(
                name,
                [None if day == _GAP else _wave(index, day) for day in range(30)],
            )
            for index, name in enumerate(_MODELS)
        ],
        unit="usd",
        limits=[Limit(value=433, label="Soft limit: $433 per day")],
        marks={
            _GAP: Mark("missing", "no usage recorded"),
            29: Mark("partial", "not over yet"),
        },
        comparison=Comparison(
            "Range before", [_wave(0, day) * 3 for day in range(29, -1, -1)]
        ),
        has_totals=True,
        caption="Days start at 00:00 Europe/Zurich. Nov 21 is a partial day.",
    )


def _lines() -> Chart:
    months = [
        date(2025 + (month + 10) // 12, (month + 10) % 12 + 1, 1) for month in range(13)
    ]
    return build_chart(
        id="chart-lines",
        title="Tokens per month",
        kind="lines",
        grain="monthly",
        unit="tokens",
        days=months,
        series=[
            Series("prompt tokens", [12_000_000 + 900_000 * n for n in range(13)]),
            Series(
                "completion tokens",
                [3_100_000, 3_900_000, 3_400_000, None]
                + [4_000_000 + 410_000 * n for n in range(9)],
            ),
        ],
        caption="No data for February: shown as a gap.",
    )


def _rows() -> list[dict[str, Any]]:
    names = ("Helvetia Robotics", "Aare Analytics", "Bergbahn Software AG, Labs & Co")
    return [
        {
            "name": name,
            "external_id": f"ext-{4711 + 13 * index}",
            "cost": Decimal("7183.445") / (index + 1) ** 3,
            "change": Decimal((index - 1) * 7) / 100,
            "tokens": 12_345_678 // (index + 1),
            "storage": 1_649_267_441_664 >> (4 * index),
            "tone": ("warn", "bad", "good")[index],
            "state": ("Reaches soft limit in 6 days", "Invoice overdue", "Active")[
                index
            ],
            "points": sparkline([_wave(index, column) for column in range(30)]),
        }
        for index, name in enumerate(names)
    ]


@login_not_required
def not_found(request: HttpRequest, _: str = "") -> HttpResponse:
    """Answer 404 in place of a view of a library that Orgdesk does not offer."""
    raise Http404


def health(request: HttpRequest) -> HttpResponse:
    """Answer that the process is alive, without the database or the broker."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document, to callers with a credential if it is not public."""
    if not settings.PUBLIC_API_DOCS and authenticate(request) is None:
        return render_error(
            request, 401, Unauthorized.code, "Send a valid API key or login token."
        )
    body = document_json()
    tag = entity_tag(body)
    if matches_tag(request.headers.get("If-None-Match", ""), tag):
        return add_tag(not_modified(), tag)
    return add_tag(HttpResponse(body, content_type="application/json"), tag)


@login_not_required
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the API reference, without third-party scripts; to staff if not public."""
    is_staff = request.user.is_authenticated and request.user.is_staff
    if not settings.PUBLIC_API_DOCS and not is_staff:
        raise Http404
    context = {"tags": apidocs.operations_by_tag(), "shapes": apidocs.shapes()}
    return render(request, "pages/api_docs.html", {**context, "nav_key": "api_docs"})
