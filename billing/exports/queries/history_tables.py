"""The table of the history, in pages by the time of the changes, newest first."""

import json
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.exports.queries.tables import Level, RowsPage, Selection, Span, Table
from orgs.catalog import Scope
from orgs.queries.history import HistoryFilters, count_history, iterate_history
from orgs.schemas.csv import Cell
from orgs.web.history import Entry, entries
from orgs.web.history_filters import HistoryReader, read_history_form

_COLUMNS = (
    *("at", "organization_id", "organization", "kind", "change"),
    *("changed_by", "changed_by_kind", "reason", "request_id"),
)
_ROWS_AT_ONCE = 500


def _filters(selection: Selection) -> HistoryFilters:
    """Return the filters of the page, for the caller."""
    organization = selection.organization
    reader = HistoryReader(
        organization_id=organization.pk if organization else None,
        white_label_id=None if selection.sees_all else selection.white_label_ids[0],
        scopes=selection.scopes,
        permissions=selection.permissions,
        zone=_zone(selection),
    )
    return reader.filters(read_history_form(selection.query))


def _zone(selection: Selection) -> ZoneInfo:
    """Return the zone of the days, as the page has it: UTC for who sees all."""
    is_fleet = selection.organization is None
    return ZoneInfo("UTC") if is_fleet and selection.sees_all else selection.zone


def _pages(selection: Selection, cursor: str) -> Iterator[RowsPage]:
    filters, form = _filters(selection), read_history_form(selection.query)
    given = {}
    if cursor:
        at, label, id_ = json.loads(cursor)
        given["after"] = (datetime.fromisoformat(at), label, id_)
    for changes in iterate_history(filters, at_once=_ROWS_AT_ONCE, **given):
        rows = [_cells(x) for x in entries(changes, with_noise=form.noise)]
        at, label, id_ = changes[-1].key
        yield RowsPage(rows, len(rows), json.dumps([at.isoformat(), label, id_]))


def _cells(entry: Entry) -> list[Cell]:
    """Return the cells of a change, its time in the zone of its organization."""
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


def _count(selection: Selection, limit: int | None) -> int:
    return count_history(_filters(selection), limit)


def _span(selection: Selection) -> Span:
    filters = _filters(selection)
    return Span(filters.since, filters.until)


HISTORY_TABLES = (
    Table(
        slug="history",
        title="History",
        columns=_COLUMNS,
        pages=_pages,
        count=_count,
        scope=Scope.ORGANIZATIONS_READ,
        levels=frozenset(Level),
        parameters=frozenset(("by", "kind", "from", "to", "noise")),
        check=_filters,
        span=_span,
    ),
)
