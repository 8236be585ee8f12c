"""The history of an organization and of all that a user may see, as pages and CSV."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse

from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.days import first_instant
from orgs.errors import DomainError
from orgs.models import Organization
from orgs.queries.history import (
    MAX_CHANGES,
    HistoryFilters,
    history_page,
    iterate_history,
)
from orgs.schemas.csv import Cell, csv_parts
from orgs.schemas.exports import read_is_for_excel
from orgs.web.history import (
    DESCRIPTIONS,
    Entry,
    entries,
    kinds,
    noise,
    resolve_actor,
)
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "orgs/history.html"
_ROWS_AT_ONCE = 500  # of a download
_COLUMNS = (
    *("at", "organization_id", "organization", "kind", "change"),
    *("changed_by", "changed_by_kind", "reason", "request_id"),
)


@dataclass(frozen=True, slots=True)
class Form:
    """The filters of the history as its address has them."""

    by: str = ""
    kind: str = ""
    since: str = ""
    until: str = ""
    noise: bool = False

    def query(self, **more: str) -> str:
        """Return the filters that are set as a query string, with a `?`."""
        values = {
            "by": self.by,
            "kind": self.kind,
            "from": self.since,
            "to": self.until,
            "noise": "1" if self.noise else "",
            **more,
        }
        given = {name: value for name, value in values.items() if value}
        return f"?{urlencode(given)}" if given else "?"


def history(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the changes of an organization and its records, a page at a time."""
    principal, organization = _enter(request, organization_id)
    context = {"organization": organization, "tab": "history"}
    return _page(
        request, principal, organization, context | {"nav_key": "organizations"}
    )


def fleet_history(request: OrgRequest) -> HttpResponse:
    """Show the changes of everything that the user may see, a page at a time."""
    principal, _ = _enter(request, None)
    return _page(request, principal, None, {"nav_key": "history"})


def history_csv(request: OrgRequest, organization_id: int) -> StreamingHttpResponse:
    """Return the changes of an organization as CSV, with the filters of its page."""
    principal, organization = _enter(request, organization_id)
    return _csv(request, principal, organization)


def fleet_history_csv(request: OrgRequest) -> StreamingHttpResponse:
    """Return the changes of everything that the user may see as CSV."""
    principal, _ = _enter(request, None)
    return _csv(request, principal, None)


def _enter(
    request: OrgRequest, organization_id: int | None
) -> tuple[Principal, Organization | None]:
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    if organization_id is None:
        return principal, None
    return principal, access.get_organization(
        principal, organization_id, include_deleted=True
    )


def _page(
    request: OrgRequest,
    principal: Principal,
    organization: Organization | None,
    context: dict[str, Any],
) -> HttpResponse:
    form = _read_form(request)
    filters = _filters(request, principal, organization, form)
    scope = f"{principal.name}:{organization.pk if organization else 0}:{form.query()}"
    page = history_page(
        filters, size=MAX_CHANGES, scope=scope, cursor=request.GET.get("cursor", "")
    )
    lines = entries(page.changes, with_noise=form.noise)
    csv_name = "orgs:history_csv" if organization else "orgs:fleet_history_csv"
    csv_url = reverse(csv_name, args=[organization.pk] if organization else [])
    context |= {
        "entries": lines,
        "form": form,
        "zone": _zone(principal, organization, request),
        "kinds": [(slug, _kind_label(slug)) for slug in kinds()],
        "is_filtered": form != Form(noise=form.noise),
        "noise_url": replace(form, noise=not form.noise).query(),
        "first_url": form.query() if request.GET.get("cursor") else "",
        "next_url": form.query(cursor=page.next_cursor) if page.next_cursor else "",
        "csv_url": csv_url + form.query(**{"for": "excel"}),
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


def _kind_label(slug: str) -> str:
    return "API keys" if slug == "api_keys" else slug.replace("_", " ").capitalize()


def _zone(
    principal: Principal, organization: Organization | None, request: OrgRequest
) -> str:
    """Return the zone of the dates that filter: the organization's, or the user's."""
    if organization is not None:
        return organization.white_label.time_zone
    label = request.user.white_label
    return label.time_zone if label else "UTC"


def _read_form(request: OrgRequest) -> Form:
    """Return the filters of the address; raises `DomainError` for a bad one."""
    query = request.GET
    for name in ("by", "kind", "from", "to", "cursor"):
        if "\x00" in query.get(name, ""):
            raise DomainError(
                "Parameters must not contain NUL characters.", fields=(name,)
            )
    kind = query.get("kind", "")
    if kind and kind not in kinds():
        allowed = ", ".join(kinds())
        raise DomainError(f"Unknown kind. Use one of: {allowed}.", fields=("kind",))
    if query.get("noise", "") not in {"", "0", "1"}:
        raise DomainError("`noise` must be 0 or 1.", fields=("noise",))
    return Form(
        query.get("by", "").strip()[:200],
        kind,
        query.get("from", ""),
        query.get("to", ""),
        query.get("noise") == "1",
    )


def _filters(
    request: OrgRequest,
    principal: Principal,
    organization: Organization | None,
    form: Form,
) -> HistoryFilters:
    zone = ZoneInfo(_zone(principal, organization, request))
    since, until = _day(form.since, "from"), _day(form.until, "to")
    if since and until and until < since:
        raise DomainError("`to` is before `from`.", fields=("from", "to"))
    sees_all = principal.sees_all or organization is not None
    return HistoryFilters(
        organization_id=organization.pk if organization else None,
        white_label_id=None if sees_all else principal.white_label_id or 0,
        labels=_labels(request, principal, form.kind),
        actor=resolve_actor(form.by),
        since=first_instant(since, zone) if since else None,
        until=first_instant(until + timedelta(days=1), zone) if until else None,
        noise={} if form.noise else noise(),
    )


def _day(text: str, field: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not date(2000, 1, 1) <= day < date(2200, 1, 1):
        message = f"`{field}` must be a date such as 2026-11-30."
        raise DomainError(message, code="invalid_date_range", fields=(field,))
    return day


def _labels(request: OrgRequest, principal: Principal, kind: str) -> set[str]:
    """Return the models of a kind of which the user's role may read the changes."""
    return {
        label
        for label, description in DESCRIPTIONS.items()
        if description.scope in principal.scopes
        and (not kind or description.kind == kind)
        and (
            not description.permission or request.user.has_perm(description.permission)
        )
    }


def _csv(
    request: OrgRequest, principal: Principal, organization: Organization | None
) -> StreamingHttpResponse:
    form = _read_form(request)
    filters = _filters(request, principal, organization, form)
    for_excel = read_is_for_excel(request.GET.get("for", ""))
    rows = map(_cells, _all_entries(filters, form))
    response = StreamingHttpResponse(
        csv_parts(_COLUMNS, rows, for_excel=for_excel),
        content_type="text/csv; charset=utf-8",
    )
    name = f"history-{organization.pk}.csv" if organization else "history.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _all_entries(filters: HistoryFilters, form: Form) -> Iterator[Entry]:
    for changes in iterate_history(filters, at_once=_ROWS_AT_ONCE):
        yield from entries(changes, with_noise=form.noise)


def _cells(entry: Entry) -> list[Cell]:
    return [
        entry.at.astimezone(ZoneInfo(entry.zone)),
        entry.change.organization_id,
        entry.organization.name if entry.organization else "",
        entry.kind,
        entry.text,
        entry.actor.name,
        entry.actor.kind,
        entry.reason,
        entry.request_id,
    ]
