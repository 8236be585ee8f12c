"""The usage events of a day, as pages list them."""

from dataclasses import dataclass
from datetime import date, datetime

from metrics.catalog import METERS
from orgs.days import ONE_DAY, first_instant
from orgs.models import Organization
from orgs.queries.prepared import fetch_all

EVENTS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class DayEvents:
    """Which events: of a day and, unless they are None, a product and a project.

    `search` is the beginning of an event's ID. `after` is the time and ID of the last
    event of the page before.
    """

    day: date
    product: str | None = None
    project_id: int | None = None
    search: str = ""
    after: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """A usage event; `is_voided` ones are in no sum, unless they were refunded."""

    event_id: str
    at: datetime
    product: str
    project_id: int
    quantities: dict[str, int]
    is_voided: bool

    @property
    def amounts(self) -> list[tuple[str, int]]:
        """Label and quantity of each meter."""
        return [
            (METERS[meter].label if meter in METERS else meter, quantity)
            for meter, quantity in sorted(self.quantities.items())
        ]


# The instants select the partition; the primary key starts with the organization.
_CHOSEN = """
from metrics_usageevent e
where e.organization_id = %(organization_id)s
    and e.at >= %(start)s and e.at < %(end)s
    and (%(product)s::text is null or e.product = %(product)s)
    and (%(project_id)s::bigint is null or e.project_id = %(project_id)s)
    and starts_with(e.event_id, %(search)s)
    and (%(after)s::timestamptz is null
        or (e.at, e.event_id) > (%(after)s, %(after_id)s))
"""
_SQL = """
select e.event_id, e.at, e.product, e.project_id, e.quantities, exists (
    select from metrics_usagevoid v where v.organization_id = e.organization_id
        and v.event_id = e.event_id and v.at = e.at)
{chosen}
order by e.at, e.event_id limit %(limit)s
"""
_COUNT = """
select count(*) from (select {chosen} limit %(limit)s) e
"""


def list_day_events(
    organization: Organization, events: DayEvents, limit: int = EVENTS_PER_PAGE
) -> list[ListedEvent]:
    """Return a page of a day's events, oldest first, and one event more if there is.

    One query over the organization's events of the day.
    """
    parameters = _parameters(organization, events, limit + 1)
    return [
        ListedEvent(*row) for row in fetch_all(_SQL.format(chosen=_CHOSEN), parameters)
    ]


def count_day_events(
    organization: Organization, events: DayEvents, limit: int | None
) -> int:
    """Return how many events a day has, counted up to a limit; one query."""
    parameters = _parameters(organization, events, limit)
    return int(fetch_all(_COUNT.format(chosen=_CHOSEN), parameters)[0][0])


def _parameters(
    organization: Organization, events: DayEvents, limit: int | None
) -> dict[str, object]:
    zone = organization.white_label.zone
    after, after_id = events.after or (None, "")
    return {
        "organization_id": organization.pk,
        "start": first_instant(events.day, zone),
        "end": first_instant(events.day + ONE_DAY, zone),
        "product": events.product,
        "project_id": events.project_id,
        "search": events.search,
        "after": after,
        "after_id": after_id,
        "limit": limit,
    }
