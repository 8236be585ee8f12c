"""The lines that are pushed to Loki: history, invoices, alerts, and access changes.

Each source continues after the last instant that it has sent. A transaction that was
open then may commit rows with an earlier instant: those of the last minutes are read
again, and the keys of those that were sent are part of the cursor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing.models import AccessRefusal, Alert
from billing.models.refusals import RefusalReason
from metrics.push.sources import Cursor, Line, Lines
from orgs.models import Organization
from orgs.queries.history import Change, HistoryFilters, iterate_history
from orgs.web.history import Entry, entries, noise

MAX_LINES = 1_000  # of a source in one request
# What happened while a target was away is read day by day.
_WINDOW = timedelta(days=1)
# Longer than any transaction that writes such rows: workers' statements end after 60 s.
_OVERLAP = timedelta(minutes=2)
_INVOICE = "billing.Invoice"
_INVOICE_FIELDS = (
    *("stripe_id", "number", "status", "currency", "total", "amount_due"),
    *("amount_paid", "amount_remaining", "issued_at", "due_at", "paid_at"),
)


@dataclass(frozen=True, slots=True)
class _KeyedLine:
    """A line with a key that is unique in its source."""

    key: str
    line: Line


_Read = Callable[[Organization, datetime, datetime], list[_KeyedLine]]


def list_lines(organization: Organization, cursor: Cursor, now: datetime) -> Lines:
    """Return the lines after the cursor, of all sources, and the cursor after them."""
    lines: list[Line] = []
    positions: dict[str, Any] = {}
    has_more = False
    for name, read in _SOURCES.items():
        result = _read(organization, name, read, cursor.get(name), now)
        lines += result.lines
        positions[name] = result.cursor
        has_more |= result.has_more
    return Lines(lines, positions, has_more)


def _read(
    organization: Organization,
    name: str,
    read: _Read,
    position: dict[str, Any] | None,
    now: datetime,
) -> Lines:
    if position is None:
        return Lines([], {"until": now.isoformat(), "sent": {}})
    until = datetime.fromisoformat(position["until"])
    horizon = min(now, until + _WINDOW)
    sent: dict[str, str] = position["sent"]
    rows = [
        row
        for row in read(organization, until - _OVERLAP, horizon)
        if row.key not in sent
    ]
    rows.sort(key=lambda row: (row.line.at, row.key))
    new, is_cut = rows[:MAX_LINES], len(rows) > MAX_LINES
    end = max(new[-1].line.at, until) if is_cut else horizon
    all_sent = sent | {row.key: row.line.at.isoformat() for row in new}
    cursor = {"until": end.isoformat(), "sent": _recent(all_sent, end - _OVERLAP)}
    return Lines([row.line for row in new], cursor, is_cut or horizon < now)


def _recent(sent: dict[str, str], since: datetime) -> dict[str, str]:
    return {key: at for key, at in sent.items() if datetime.fromisoformat(at) >= since}


def _list_history(
    organization: Organization, since: datetime, now: datetime
) -> list[_KeyedLine]:
    """Return the changes of the history, those of invoices in another stream."""
    filters = HistoryFilters(
        organization_id=organization.pk, since=since, until=now, noise=noise()
    )
    changes: list[Change] = []
    for batch in iterate_history(filters, at_once=MAX_LINES):
        changes += batch
    return [_history_line(entry) for entry in entries(changes)]


def _history_line(entry: Entry) -> _KeyedLine:
    change = entry.change
    _, label, id_ = change.key
    fields: dict[str, Any] = {
        "kind": entry.kind,
        "change": change.verb,
        "text": entry.text,
        "by": entry.actor.name,
        "reason": entry.reason,
        "request_id": change.request_id,
    }
    is_invoice = change.label == _INVOICE
    if is_invoice:
        fields |= {name: change.after.get(name) for name in _INVOICE_FIELDS}
    stream = "invoices" if is_invoice else "history"
    return _KeyedLine(f"{label}:{id_}", Line(change.at, stream, fields))


def _list_alerts(
    organization: Organization, since: datetime, now: datetime
) -> list[_KeyedLine]:
    rows = Alert.objects.filter(
        organization=organization, reached_at__gte=since, reached_at__lt=now
    )
    return [
        _KeyedLine(f"alert:{row.pk}", Line(row.reached_at, "alerts", _alert(row)))
        for row in rows.order_by("reached_at", "pk")
    ]


def _alert(row: Alert) -> dict[str, Any]:
    return {
        "alert_id": row.pk,
        "kind": row.kind,
        "subject": row.subject,
        "threshold": row.threshold,
        "period": row.period,
        "facts": row.facts,
    }


def _list_access(
    organization: Organization, since: datetime, now: datetime
) -> list[_KeyedLine]:
    """Return a line when a reason to refuse access began, and when it was lifted."""
    reasons = RefusalReason.objects.filter(refusal__organization=organization)
    started = reasons.filter(started_at__gte=since, started_at__lt=now)
    ended = reasons.filter(ended_at__gte=since, ended_at__lt=now)
    restored = AccessRefusal.objects.filter(
        organization=organization, ended_at__gte=since, ended_at__lt=now
    )
    return [
        *(_access_line(row, row.started_at, "refused") for row in started),
        *(_access_line(row, row.ended_at, "lifted") for row in ended),
        *(
            _KeyedLine(
                f"refusal:{row.pk}",
                Line(row.ended_at, "access", {"event": "allowed", "allowed": True}),
            )
            for row in restored
            if row.ended_at
        ),
    ]


def _access_line(row: RefusalReason, at: datetime | None, event: str) -> _KeyedLine:
    fields = {
        "event": event,
        "reason": row.code,
        "facts": row.facts,
        "lifting": row.lifting,
        "by": row.lifted_by,
        "note": row.note,
    }
    return _KeyedLine(f"{event}:{row.pk}", Line(at or row.started_at, "access", fields))


_SOURCES: dict[str, _Read] = {
    "history": _list_history,
    "alerts": _list_alerts,
    "access": _list_access,
}
STREAMS: Sequence[str] = ("history", "invoices", "alerts", "access")
