"""The page of the security log, and its files: events as CSV, seals as JSON lines."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from orgs import access
from orgs.models import HistorySeal, SecurityEvent
from orgs.queries.seals import export_seals
from orgs.queries.security_log import SecurityFilters, iterate_events, security_page
from orgs.schemas.csv import Cell, csv_parts
from orgs.security_log import Kind, Outcome
from orgs.security_log.kinds import DESCRIPTIONS
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.security_filters import SecurityForm, read_security_form

_PAGE = "orgs/security_log.html"
_MAY_VIEW = permission_required("orgs.view_securityevent", raise_exception=True)
_TONES = {Outcome.SUCCESS: "", Outcome.FAILURE: "bad", Outcome.DENIED: "warn"}


class _Line:
    """An event as a line of the page."""

    def __init__(self, event: SecurityEvent) -> None:
        self.event = event
        self.label = label_of(event.kind)
        self.tone = _TONES[Outcome(event.outcome)]
        self.details = describe(event.details)


@_MAY_VIEW
def security_log(request: OrgRequest) -> HttpResponse:
    """Show the events that the user may see, newest first, a page at a time."""
    form = read_security_form(request.GET)
    filters, zone = _filters(request, form)
    scope = f"security:{request.user.pk}:{form.query()}"
    cursor = request.GET.get("cursor", "")
    page = security_page(filters, cursor=cursor, scope=scope)
    sees_all = filters.white_label_id is None
    context: dict[str, Any] = {
        "nav_key": "settings",
        "lines": [_Line(event) for event in page.rows],
        "form": form,
        "kinds": [(kind.value, DESCRIPTIONS[kind].label) for kind in Kind],
        "outcomes": [outcome.value for outcome in Outcome],
        "zone": zone.key,
        "is_filtered": form != SecurityForm(),
        "csv_query": form.query(),
        "first_url": form.query() if cursor else "",
        "next_url": form.query(cursor=page.next_cursor) if page.next_cursor else "",
        "sees_seals": sees_all,
        "seal": HistorySeal.objects.order_by("-number").first() if sees_all else None,
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@_MAY_VIEW
def security_log_csv(request: OrgRequest) -> HttpResponseBase:
    """Send the events of the filters as CSV, newest first."""
    filters, _ = _filters(request, read_security_form(request.GET))
    rows = (_row(event) for event in iterate_events(filters))
    response = StreamingHttpResponse(
        csv_parts(_COLUMNS, rows), content_type="text/csv; charset=utf-8"
    )
    return _as_file(response, "security-log.csv")


@_MAY_VIEW
def seals(request: OrgRequest) -> HttpResponseBase:
    """Send all seals as lines of JSON; they cover every white label."""
    if not access.principal_of(request.user).sees_all:
        raise PermissionDenied
    response = StreamingHttpResponse(_lines(), content_type="application/jsonl")
    return _as_file(response, "seals.jsonl")


def _lines() -> Iterator[str]:
    for line in export_seals():
        yield f"{line}\n"


def _as_file(response: HttpResponseBase, name: str) -> HttpResponseBase:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _filters(
    request: OrgRequest, form: SecurityForm
) -> tuple[SecurityFilters, ZoneInfo]:
    """Return the filters; those who are bound to a white label see its events only."""
    principal = access.principal_of(request.user)
    label = request.user.white_label
    zone = ZoneInfo(label.time_zone if label else "UTC")
    white_label_id = None if principal.sees_all else principal.white_label_id or 0
    return form.filters(white_label_id, zone), zone


def label_of(kind: str) -> str:
    """Return the label of a kind; that of a version that is gone names itself."""
    known = DESCRIPTIONS.get(Kind(kind)) if kind in set(Kind) else None
    return known.label if known else kind.replace("_", " ").capitalize()


def describe(details: dict[str, Any]) -> str:
    """Return details as one line of names and values."""
    return "; ".join(
        f"{name.replace('_', ' ')}: {_text(value)}"
        for name, value in details.items()
        if value not in (None, "", [])
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return (
            " → ".join(map(_text, value))
            if _is_change(value)
            else ", ".join(map(_text, value))
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if not isinstance(value, dict) else json.dumps(value)


def _is_change(value: Sequence[Any]) -> bool:
    return len(value) == 2 and type(value[0]) is bool  # noqa: PLR2004


_COLUMNS = (
    *("time", "kind", "outcome", "actor_kind", "actor_id", "actor"),
    *("subject_kind", "subject_id", "subject", "white_label_id", "organization_id"),
    *("address", "request_id", "client_request_id", "user_agent", "details"),
)


def _row(event: SecurityEvent) -> Sequence[Cell]:
    return (
        *(event.at, event.kind, event.outcome),
        *(event.actor_kind, event.actor_id, event.actor_name),
        *(event.subject_kind, event.subject_id, event.subject_name),
        *(event.white_label_id, event.organization_id, event.address),
        *(event.request_id, event.client_request_id, event.user_agent),
        json.dumps(event.details) if event.details else "",
    )
