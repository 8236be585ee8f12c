"""Recording usage: the hot way. COPY, dedupe, price, daily sums, one transaction.

Every multi-row write is sorted by its key: unsorted upserts of overlapping
organizations deadlock. Nothing here depends on how often it is called: an event that
is there already adds nothing, so a retry after a lost answer is safe.
"""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from metrics.catalog import DAILY_METRICS
from metrics.commands import statements
from metrics.commands.periods import open_first_periods
from metrics.events import IncomingEvent, Refused, Rejection, check_event
from metrics.signals import usage_recorded
from orgs.commands import ensure_projects
from orgs.models import WhiteLabel
from orgs.queries import (
    find_project_ids,
    find_project_owners,
    list_references,
)

_ATTEMPTS = 3  # of a transaction that PostgreSQL ended for a deadlock
_DEADLOCK = "40P01"
_NO_PROJECT = 0

Numbered = tuple[int, IncomingEvent]
Body = tuple[str, int, dict[str, int]]
Key = tuple[int, str, datetime]


@dataclass(slots=True)
class Recorded:
    """What became of a batch: counts, and the events that were refused, by index."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    organization_ids: list[int] = field(default_factory=list)

    def reject(self, index: int, refused: Refused) -> None:
        self.rejected.append(Rejection(index, refused.code, refused.message))


@dataclass(frozen=True, slots=True)
class _Row:
    """An event whose organization and project are known."""

    index: int
    organization_id: int
    project_id: int
    event: IncomingEvent

    @property
    def key(self) -> Key:
        return self.organization_id, self.event.id, self.event.timestamp

    @property
    def body(self) -> Body:
        return self.event.product, self.project_id, self.event.quantities


def record_usage(
    white_label: WhiteLabel,
    events: Sequence[Numbered],
    *,
    organization_id: int | None = None,
    now: datetime | None = None,
) -> Recorded:
    """Record a batch of numbered events of a white label's organizations.

    A bad event is refused by its number and never drops its neighbours; an event that
    was recorded before with the same body is a duplicate, with another body refused as
    `event_conflict`. `organization_id` narrows the batch to one organization, which
    events then need not name.
    """
    result = Recorded()
    checked = _checked(events, now or timezone.now(), result)
    rows = _unrepeated(_resolved(white_label, checked, organization_id, result), result)
    if rows:
        _record(white_label, rows, result)
    result.rejected.sort(key=lambda rejection: rejection.index)
    return result


def _checked(
    events: Iterable[Numbered], now: datetime, result: Recorded
) -> Iterator[Numbered]:
    for index, event in events:
        try:
            check_event(event, now)
        except Refused as refused:
            result.reject(index, refused)
        else:
            yield index, event


# --- who an event belongs to ------------------------------------------------------


def _resolved(
    white_label: WhiteLabel,
    events: Iterable[Numbered],
    organization_id: int | None,
    result: Recorded,
) -> list[_Row]:
    """Rows of known organizations and projects; projects named first are made.

    They are made in a transaction of their own: rows that stay when the recording
    fails are found again by the retry, and no lock on them meets the locks of usage.
    """
    named = _organizations(white_label, list(events), organization_id, result)
    projects = _projects(named)
    owners = find_project_owners({e.project_id for _, e, _ in named if e.project_id})
    rows = []
    for index, event, owner_id in named:
        project_id = event.project_id or _NO_PROJECT
        if event.project is not None and not project_id:
            project_id = projects[owner_id, event.project]
        elif project_id and owners.get(project_id) != owner_id:
            result.reject(index, Refused("project_not_found", "No such project."))
            continue
        rows.append(_Row(index, owner_id, project_id, event))
    return rows


def _organizations(
    white_label: WhiteLabel,
    events: Sequence[Numbered],
    organization_id: int | None,
    result: Recorded,
) -> list[tuple[int, IncomingEvent, int]]:
    ids = {e.organization_id for _, e in events if e.organization_id is not None}
    references = list_references(
        white_label.id,
        ids=ids if organization_id is None else ids | {organization_id},
        external_ids={e.organization for _, e in events if e.organization is not None},
    )
    by_id = {reference.id: reference for reference in references}
    by_name = {reference.external_id: reference for reference in references}
    named = []
    for index, event in events:
        found = by_id.get(event.organization_id or organization_id or 0)
        if event.organization is not None:
            same = by_name.get(event.organization)
            found = same if event.organization_id in (None, same and same.id) else None
        if found is None or organization_id not in (None, found.id):
            refused = Refused("organization_not_found", "No such organization.")
            result.reject(index, refused)
        elif found.is_deleted:
            refused = Refused("organization_deleted", "The organization is deleted.")
            result.reject(index, refused)
        else:
            named.append((index, event, found.id))
    return named


def _projects(
    named: Sequence[tuple[int, IncomingEvent, int]],
) -> dict[tuple[int, str], int]:
    first_seen: dict[tuple[int, str], datetime] = {}
    for _, event, owner_id in named:
        if event.project is not None:
            key = owner_id, event.project
            seen = first_seen.get(key, event.timestamp)
            first_seen[key] = min(seen, event.timestamp)
    if not first_seen:
        return {}
    owners, names = zip(*first_seen, strict=True)
    known = find_project_ids(set(owners), set(names))
    missing = {key: seen for key, seen in first_seen.items() if key not in known}
    if not missing:
        return known
    ensure_projects(missing)
    return find_project_ids(set(owners), set(names))


def _unrepeated(rows: Iterable[_Row], result: Recorded) -> list[_Row]:
    """Each key once: PostgreSQL refuses to meet one twice in a statement."""
    first: dict[Key, _Row] = {}
    for row in rows:
        before = first.setdefault(row.key, row)
        if before is row:
            continue
        if before.body == row.body:
            result.duplicates += 1
        else:
            result.reject(row.index, _CONFLICT)
    return sorted(first.values(), key=lambda row: row.key)


_CONFLICT = Refused(
    "event_conflict", "The same id and timestamp were recorded with another body."
)


# --- the transaction --------------------------------------------------------------


def _record(white_label: WhiteLabel, rows: Sequence[_Row], result: Recorded) -> None:
    ids = sorted({row.organization_id for row in rows})
    repeated = _with_retries(white_label, rows, ids)
    for index, is_same in repeated:
        if is_same:
            result.duplicates += 1
        else:
            result.reject(index, _CONFLICT)
    result.accepted = len(rows) - len(repeated)
    if result.accepted:
        result.organization_ids = ids
        usage_recorded.send_robust(WhiteLabel, organization_ids=ids)


def _with_retries(
    white_label: WhiteLabel, rows: Sequence[_Row], ids: Sequence[int]
) -> list[tuple[int, bool]]:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _write(white_label, rows, ids)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            inside = connection.in_atomic_block
            if state != _DEADLOCK or inside or attempt == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311  jitter
    raise AssertionError("unreachable")


def _write(
    white_label: WhiteLabel, rows: Sequence[_Row], ids: Sequence[int]
) -> list[tuple[int, bool]]:
    """Write the rows; answers those that were there before, and whether the same."""
    parameters: dict[str, int | str | list[str]] = {
        "white_label": white_label.id,
        "zone": white_label.time_zone,
        "meters": list(DAILY_METRICS),
    }
    with connection.cursor() as cursor:
        cursor.execute(statements.LOCK_PRICES, [white_label.id % 2**31])
        _lock_periods(ids)
        cursor.execute(statements.CREATE_BATCH)
        # Django does not know COPY: its errors are made Django's here.
        with (
            connection.wrap_database_errors,
            cursor.copy(statements.COPY_BATCH) as copy,
        ):
            copy.write(_copied(rows))
        cursor.execute(statements.INSERT_EVENTS, parameters)
        repeated = [index for (index,) in cursor.fetchall()]
        if len(repeated) < len(rows):
            cursor.execute(statements.UPSERT_USAGE, parameters)
            cursor.execute(statements.UPSERT_METRICS, parameters)
        if not repeated:
            return []
        cursor.execute(statements.COMPARE)
        return [(index, bool(is_same)) for index, is_same in cursor.fetchall()]


def _lock_periods(ids: Sequence[int]) -> None:
    """Hold the open periods; every organization has one, but a lost one is mended."""
    with connection.cursor() as cursor:
        cursor.execute(statements.SHARE_PERIODS, [list(ids)])
        if cursor.rowcount < len(ids):
            open_first_periods(ids)
            cursor.execute(statements.SHARE_PERIODS, [list(ids)])


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _copied(rows: Iterable[_Row]) -> bytes:
    """Lines in COPY's text format."""
    lines = []
    for row in rows:
        event = row.event
        quantities = orjson.dumps(event.quantities).decode()
        at = event.timestamp.astimezone(UTC).isoformat()
        lines.append(
            f"{row.index}\t{row.organization_id}\t{event.id.translate(_ESCAPES)}\t{at}"
            f"\t{event.product}\t{row.project_id}\t{quantities}\n"
        )
    return "".join(lines).encode()
