"""Recording stored bytes as usage: a quantity of byte-days for each complete day.

Each day of an organization is a usage event of the product `storage`, at the start of
the day, so that it is priced, re-rated, voided, and reconciled like any other usage.
`StorageDay` has what was recorded. Comparing it with the running total finds days that
are missing, after any number of days off, and days that late usage, a void, or another
contract start changed:

- more bytes are recorded by a further event of the day;
- fewer bytes replace the day's events of the open period, which are voided;
- what closed periods recorded too much stays as billed and is refunded by a credit.

A day that is recorded late belongs to the open period, as all late usage does.

A batch is one transaction under `LOCK_CORRECTIONS`: two workers record one after the
other, and the second finds nothing to do. A killed one has recorded nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from metrics.catalog import STORAGE_METER, STORAGE_PRODUCT
from metrics.commands import recompute
from metrics.commands.batch import ResolvedEvent
from metrics.commands.partitions import make_partitions
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.record import record_derived
from metrics.commands.voids import void_open_events
from metrics.events import RESERVED_PREFIX, IncomingEvent
from metrics.models import Correction, StorageRefund
from metrics.periods import DayRange
from metrics.queries.partitions import has_all_events, list_event_partitions
from metrics.queries.storage import (
    ClosedQuantity,
    StorageDifference,
    list_closed_quantities,
    list_storage_differences,
    list_storing_organizations,
)
from metrics.signals import closed_usage_lowered, usage_recorded
from orgs.days import EARLIEST_DAY, ONE_DAY, first_instant
from orgs.models import Organization, WhiteLabel

ORGANIZATIONS = 50  # compared by one statement
_DAYS = 10_000  # recorded by one transaction
_CREDIT_PLACES = 12  # decimal places of a credit
_AUTHOR = "Orgdesk"
_NOTE = "Stored bytes of past days changed."


def record_storage_days(*, until: datetime | None = None) -> None:
    """Record the stored bytes of all organizations for the days before `until`.

    `until` is now by default: a day is recorded once it is over in the white label's
    time zone. Costs a read of the daily metrics of organizations that store bytes.
    """
    for white_label in WhiteLabel.objects.order_by("pk"):
        after = 0
        while ids := list_storing_organizations(
            white_label.pk, after=after, limit=ORGANIZATIONS
        ):
            record_storage_of(white_label, ids, until=until)
            after = ids[-1]


def record_storage_of(
    white_label: WhiteLabel,
    organization_ids: Sequence[int],
    *,
    until: datetime | None = None,
) -> None:
    """Record the stored bytes of these organizations; see `record_storage_days`.

    Compares without a lock first: usually nothing is to be recorded.
    """
    until = until or timezone.now()
    while differences := _list_differences(organization_ids, until):
        _make_months(white_label, differences)
        with transaction.atomic():
            recorded_ids = _record_batch(white_label, organization_ids, until)
        if recorded_ids:
            usage_recorded.send_robust(WhiteLabel, organization_ids=recorded_ids)
        if len(differences) < _DAYS:
            return


def _list_differences(
    organization_ids: Sequence[int], until: datetime
) -> list[StorageDifference]:
    return list_storage_differences(
        organization_ids, until=until, oldest=_oldest_day(), limit=_DAYS
    )


def _oldest_day() -> date:
    """Return the first day whose events are stored, whatever the retention dropped."""
    if settings.USAGE_EVENT_RETENTION is None:
        return EARLIEST_DAY
    months = list_event_partitions()
    return months[0].start.date() + ONE_DAY if months else timezone.now().date()


def _make_months(
    white_label: WhiteLabel, differences: Sequence[StorageDifference]
) -> None:
    """Create the partitions of these days where they are missing.

    Months that the retention dropped are not created again: see `_oldest_day`.
    """
    days = DayRange(
        min(difference.day for difference in differences),
        max(difference.day for difference in differences) + ONE_DAY,
    )
    if not has_all_events(days, white_label.zone, list_event_partitions()):
        make_partitions(since=days.start - ONE_DAY)


def _record_batch(
    white_label: WhiteLabel, organization_ids: Sequence[int], until: datetime
) -> list[int]:
    """Record a batch in the caller's transaction; return the organizations."""
    recompute.lock_corrections(white_label)
    recompute.lock_months()
    differences = _list_differences(organization_ids, until)
    if not differences:
        return []
    ids = sorted({difference.organization_id for difference in differences})
    lowered = [d for d in differences if d.stored < d.recorded]
    if lowered:  # all periods before the first void, which takes the roll-up lock
        recompute.block_recording(white_label, ids)
    missing = {
        (d.organization_id, d.day): d.stored - d.recorded
        for d in differences
        if d.stored > d.recorded
    } | _lower(lowered)
    events = list(_build_events(white_label, differences, missing))
    if events:
        record_derived(white_label, sorted(events, key=lambda row: row.key))
    _save_days(differences)
    return ids


DayKey = tuple[int, date]  # organization ID and day


def _lower(days: Sequence[StorageDifference]) -> dict[DayKey, int]:
    """Take recorded bytes back; return the part of voided events to record again."""
    correction = CorrectionSpec(Correction.Kind.STORAGE, by=_AUTHOR, note=_NOTE)
    again: dict[DayKey, int] = {}
    for id_, group in groupby(days, key=lambda day: day.organization_id):
        organization = Organization.objects.select_related("white_label").get(pk=id_)
        excess = _void_days(organization, list(group), correction)
        again |= {(id_, day): -bytes_ for day, bytes_ in excess.items() if bytes_ < 0}
    finish_correction(correction)
    return again


def _void_days(
    organization: Organization,
    days: Sequence[StorageDifference],
    correction: CorrectionSpec,
) -> dict[date, int]:
    """Void the days' events of the open period, and refund what closed ones had.

    Returns the excess that is left by day; below 0 if more was voided than necessary.
    """
    ids = [
        _event_id(day.day, revision + 1)
        for day in days
        for revision in range(day.revision)
    ]
    span = DayRange(days[0].day, days[-1].day + ONE_DAY)
    voided = void_open_events(organization, ids, span, correction=correction)
    excess = {d.day: d.recorded - d.stored - voided.get(d.day, 0) for d in days}
    if any(bytes_ > 0 for bytes_ in excess.values()):
        closed = list_closed_quantities(organization, ids, span)
        _refund(organization, closed, excess, correction)
    return excess


def _refund(
    organization: Organization,
    closed: Sequence[ClosedQuantity],
    excess: dict[date, int],
    correction: CorrectionSpec,
) -> None:
    """Announce the cost of excess bytes of closed periods, which grants a credit.

    A part that a person has voided is in no period any more and costs nothing. Rows
    keep what is refunded, so that it is not refunded again.
    """
    costs: dict[int, Decimal] = {}
    refunds = [
        _take_excess(organization, line, excess, correction)
        for line in closed
        if excess[line.day] > 0
    ]
    for refund in refunds:
        costs[refund.period] = costs.get(refund.period, Decimal(0)) + refund.cost
    if costs:
        closed_usage_lowered.send(
            Organization,
            organization=organization,
            costs=costs,
            by=correction.by,
            note=correction.note,
        )
    StorageRefund.objects.bulk_create(refunds)  # the receiver counts those before


def _take_excess(
    organization: Organization,
    line: ClosedQuantity,
    excess: dict[date, int],
    correction: CorrectionSpec,
) -> StorageRefund:
    """Take what the line has of its day's excess; return it as a refund."""
    refunded = min(excess[line.day], line.quantity)
    excess[line.day] -= refunded
    return StorageRefund(
        organization_id=organization.pk,
        day=line.day,
        period=line.period,
        correction_id=correction.id,
        quantity=refunded,
        cost=_round(Fraction(refunded, line.quantity) * Fraction(line.cost)),
    )


def _round(amount: Fraction) -> Decimal:
    return round(Decimal(amount.numerator) / amount.denominator, _CREDIT_PLACES)


def _event_id(day: date, revision: int) -> str:
    return f"{RESERVED_PREFIX}{STORAGE_METER}:{day}:{revision}"


def _build_events(
    white_label: WhiteLabel,
    differences: Sequence[StorageDifference],
    missing: dict[DayKey, int],
) -> Iterator[ResolvedEvent]:
    """Yield an event for each day of which bytes are missing.

    It is at the start of the day: the rate that is in force then applies to the day.
    """
    for index, difference in enumerate(differences):
        day, id_ = difference.day, difference.organization_id
        quantity = missing.get((id_, day), 0)
        if quantity:
            event = IncomingEvent(
                id=_event_id(day, difference.revision + 1),
                timestamp=first_instant(day, white_label.zone),
                product=STORAGE_PRODUCT,
                quantities={STORAGE_METER: quantity},
            )
            yield ResolvedEvent(index, id_, 0, event)


_SAVE_DAYS = """
insert into metrics_storageday as d (organization_id, day, quantity, revision)
select * from unnest(%(organizations)s::bigint[], %(days)s::date[],
    %(quantities)s::numeric[], %(revisions)s::integer[])
on conflict (organization_id, day) do update set
    quantity = excluded.quantity, revision = excluded.revision
"""


def _save_days(differences: Sequence[StorageDifference]) -> None:
    """Save what is recorded of each day now; rows come sorted by key."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SAVE_DAYS,
            {
                "organizations": [d.organization_id for d in differences],
                "days": [d.day for d in differences],
                "quantities": [d.stored for d in differences],
                "revisions": [d.revision + 1 for d in differences],
            },
        )
