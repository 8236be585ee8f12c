"""The usage events that were recorded for an organization, with their corrections."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from metrics.models import Correction
from orgs.models import Project
from orgs.queries.prepared import fetch_all

# The ID and instant of an event: the rest of its primary key.
EventKey = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class EventFilters:
    """Which events: within half-open instants, and where not empty, of a dimension.

    `project_id` 0 is usage without a project, None is all usage. `after` is the key of
    the last event of the page before.
    """

    start: datetime
    end: datetime
    event_id: str = ""
    product: str = ""
    meter: str = ""
    project_id: int | None = None
    after: EventKey | None = None


@dataclass(frozen=True, slots=True)
class EventVoid:
    """Why an event does not count as usage: its correction, and how it was corrected.

    `is_credited` is true for an event of a closed period: it stays in its sums, and its
    cost was returned as credit.
    """

    voided_at: datetime
    is_credited: bool
    correction_id: str
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A usage event as it was reported, and when and in which period it was recorded.

    `project` is the external ID, null without a project.
    """

    event_id: str
    at: datetime
    product: str
    project_id: int | None
    project: str | None
    quantities: dict[str, int]
    period: int
    recorded_at: datetime
    void: EventVoid | None

    @property
    def key(self) -> EventKey:
        return self.event_id, self.at


# In the order of the primary key, which each partition of the range is read by from
# the last event of the page before: the cost of a page does not depend on the number
# of events, unless a filter by a dimension leaves few of them.
_EVENTS = """
select e.event_id, e.at, e.product, e.project_id, e.quantities, e.period, e.recorded_at,
    v.voided_at, v.is_credited, v.correction_id
from metrics_usageevent e left join metrics_usagevoid v
    on v.organization_id = e.organization_id and v.event_id = e.event_id
    and v.at = e.at
where e.organization_id = %(organization_id)s
    and e.at >= %(start)s and e.at < %(end)s
    and (%(event_id)s = '' or e.event_id = %(event_id)s)
    and (%(product)s = '' or e.product = %(product)s)
    and (%(meter)s = '' or e.quantities ? %(meter)s)
    and (%(project_id)s::bigint is null or e.project_id = %(project_id)s)
    {after}
order by e.event_id, e.at limit %(limit)s
"""
_AFTER = "and (e.event_id, e.at) > (%(after_id)s, %(after_at)s)"


def list_recorded_events(
    organization_id: int, filters: EventFilters, *, limit: int
) -> list[RecordedEvent]:
    """Return events ordered by ID, then by time; three statements at most.

    Only the months between the instants are read.
    """
    statement = _EVENTS.format(after=_AFTER if filters.after else "")
    rows = fetch_all(statement, _parameters(organization_id, filters, limit))
    projects = _project_ids({row[3] for row in rows})
    corrections = _corrections({row[9] for row in rows if row[9]})
    return [
        RecordedEvent(
            event_id=row[0],
            at=row[1],
            product=row[2],
            project_id=row[3] or None,
            project=projects.get(row[3]),
            quantities=row[4],
            period=row[5],
            recorded_at=row[6],
            void=_void(row[7:], corrections) if row[9] else None,
        )
        for row in rows
    ]


def _parameters(
    organization_id: int, filters: EventFilters, limit: int
) -> dict[str, object]:
    after_id, after_at = filters.after or ("", None)
    return {
        "organization_id": organization_id,
        "start": filters.start,
        "end": filters.end,
        "event_id": filters.event_id,
        "product": filters.product,
        "meter": filters.meter,
        "project_id": filters.project_id,
        "after_id": after_id,
        "after_at": after_at,
        "limit": limit,
    }


def _project_ids(ids: set[int]) -> dict[int, str]:
    """Return the external IDs of projects, of deleted ones, too."""
    if not ids - {0}:
        return {}
    rows = Project.objects.filter(pk__in=ids)
    return dict(rows.values_list("pk", "external_id"))


def _corrections(ids: set[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return who ran each correction, and why."""
    if not ids:
        return {}
    rows = Correction.objects.filter(pk__in=ids).values_list("pk", "by", "note")
    return {id_: (by, note) for id_, by, note in rows}


def _void(
    columns: tuple[datetime, bool, UUID], corrections: dict[UUID, tuple[str, str]]
) -> EventVoid:
    voided_at, is_credited, id_ = columns
    by, note = corrections.get(id_, ("", ""))
    return EventVoid(voided_at, is_credited, str(id_), by, note)
