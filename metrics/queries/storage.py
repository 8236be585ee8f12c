"""Stored bytes of each day, compared with what was recorded as usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from metrics.events import MAX_AGE
from metrics.periods import DayRange
from metrics.queries import pricing
from metrics.queries.voids import REFUNDS
from orgs.days import first_instant
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class StorageDifference:
    """A day whose stored bytes are not what was recorded.

    `revision` is the number of usage events that recorded the day; 0 if none did.
    """

    organization_id: int
    day: date
    recorded: int
    stored: int
    revision: int


# Stored bytes are additions minus deletions of all time, at the end of the day. They
# are billed from the contract start; without one, from the first day with storage.
# Storage of a deleted organization ends with the day before its deletion.
#
# bounds: `since` and `today` bound the days that are compared. Like a reported event,
# a day is recorded at most `MAX_AGE` before its billing period starts: reconciliation
# looks no further back. stored: a quantity is at most 2^63 - 1, as in reported events.
# The condition on the time zone leaves out days that it skipped.
_DIFFERENCES = f"""
with organization as materialized (
    select o.id, w.time_zone, b.since, b.today,
        greatest(b.since, coalesce(o.contract_started_on, s.first_day)) as first_day,
        least(b.today, (o.deleted_at at time zone w.time_zone)::date) as end_day
    from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
    join metrics_openperiod p on p.organization_id = o.id
    cross join lateral (
        select greatest((p.starts_at at time zone w.time_zone)::date - {MAX_AGE.days},
                %(oldest)s::date) as since,
            (%(until)s at time zone w.time_zone)::date as today) b
    left join lateral (
        select min(day) as first_day from metrics_dailymetric
        where organization_id = o.id
            and storage_bytes_added + storage_bytes_deleted > 0) s on true
    where o.id = any(%(ids)s) and (s.first_day is not null or exists (
        select from metrics_storageday d where d.organization_id = o.id))
), level as (
    select o.id as organization_id, d.day, o.time_zone,
        c.before + coalesce(sum(m.storage_bytes_added - m.storage_bytes_deleted)
            over (partition by o.id order by d.day), 0) as bytes
    from organization o
    cross join lateral (
        select coalesce(sum(storage_bytes_added - storage_bytes_deleted), 0) as before
        from metrics_dailymetric
        where organization_id = o.id and day < o.first_day) c
    cross join lateral (
        select o.first_day + n as day
        from generate_series(0, o.end_day - o.first_day - 1) n) d
    left join metrics_dailymetric m on m.organization_id = o.id and m.day = d.day
), stored as (
    select organization_id, day, least(bytes, 9223372036854775807) as quantity
    from level where bytes > 0 and
        ((day::timestamp at time zone time_zone) at time zone time_zone)::date = day
), recorded as (
    select d.organization_id, d.day, d.quantity, d.revision
    from metrics_storageday d join organization o on o.id = d.organization_id
    where d.day >= o.since and d.day < o.today
)
select organization_id, day, coalesce(r.quantity, 0), coalesce(s.quantity, 0),
    coalesce(r.revision, 0)
from stored s full join recorded r using (organization_id, day)
where coalesce(r.quantity, 0) <> coalesce(s.quantity, 0)
order by organization_id, day limit %(limit)s
"""  # noqa: S608  no user input


def list_storage_differences(
    organization_ids: Sequence[int], *, until: datetime, oldest: date, limit: int
) -> list[StorageDifference]:
    """Return complete days before `until` whose stored bytes are not recorded so.

    Ordered by organization and day; at most `limit`. Days before `oldest` are left
    out. Costs a read of the daily metrics of these organizations.
    """
    parameters: dict[str, Any] = {
        "ids": list(organization_ids),
        "until": until,
        "oldest": oldest,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES, parameters)
        return [
            StorageDifference(id_, day, int(recorded), int(stored), revision)
            for id_, day, recorded, stored, revision in cursor.fetchall()
        ]


_STORING = """
select d.id from orgs_organization d
where d.white_label_id = %(white_label)s and d.id > %(after)s and (exists (
    select from metrics_dailymetric m where m.organization_id = d.id
        and m.storage_bytes_added + m.storage_bytes_deleted > 0) or exists (
    select from metrics_storageday s where s.organization_id = d.id))
order by d.id limit %(limit)s
"""


def list_storing_organizations(
    white_label_id: int, *, after: int, limit: int
) -> list[int]:
    """Return the next organizations of a white label that reported storage, by ID."""
    parameters = {"white_label": white_label_id, "after": after, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_STORING, parameters)
        return [id_ for (id_,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class ClosedQuantity:
    """What events of a closed period recorded for a day and is not refunded.

    The cost is exact.
    """

    day: date
    period: int
    quantity: int
    cost: Decimal


_CLOSED = f"""
{
    pricing.priced_sums('''
    select e.* from metrics_usageevent e
    where e.organization_id = %(id)s and e.event_id = any(%(events)s)
        and e.at >= %(from)s and e.at < %(until)s and e.period <> (
            select number from metrics_openperiod where organization_id = %(id)s)
        and not exists (
            select from metrics_usagevoid v where v.organization_id = e.organization_id
                and v.event_id = e.event_id and v.at = e.at)
''')
}
select s.day, s.period, sum(s.quantity) - coalesce(r.quantity, 0),
    greatest(sum(s.cost) - coalesce(r.cost, 0), 0)
from summed s left join ({REFUNDS}) r on r.day = s.day and r.period = s.period
group by 1, 2, r.quantity, r.cost having sum(s.quantity) > coalesce(r.quantity, 0)
order by 1, 2
"""  # noqa: S608  no user input


def list_closed_quantities(
    organization: Organization, event_ids: Sequence[str], days: DayRange
) -> list[ClosedQuantity]:
    """Return what these events recorded in closed periods, by day and period.

    Without events that are voided or credited, and less what was refunded before.
    """
    label = organization.white_label
    parameters: dict[str, Any] = {
        "white_label": label.pk,
        "zone": label.time_zone,
        "id": organization.pk,
        "ids": [organization.pk],
        "events": list(event_ids),
        "from": first_instant(days.start, label.zone),
        "until": first_instant(days.end, label.zone),
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, parameters)
        return [
            ClosedQuantity(day, period, int(quantity), cost)
            for day, period, quantity, cost in cursor.fetchall()
        ]
