"""Commands that open and close billing periods.

Each also moves the open period that `metrics` records usage into, in one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from billing.errors import PeriodClosed, UnpricedUsage
from billing.ledger.commands.write_offs import add_write_offs, describe_unpriced
from billing.models import BillingPeriod
from billing.notes import NOTE_MISSING, require_note
from billing.signals import periods_closed, periods_closing, terms_changed
from metrics.commands import periods as periods_commands
from metrics.commands.carrying import carry_unpriced
from metrics.commands.late_pricing import price_late
from metrics.commands.periods import advance_periods, lock_open_periods
from metrics.commands.roll_up import lock_roll_up
from metrics.commands.splits import PeriodSplit, lock_for_split, move_later_usage
from metrics.commands.storage_days import record_storage_of
from metrics.queries.periods import list_open_periods, period_costs
from metrics.queries.unpriced import list_unpriced
from orgs.errors import AlreadyDone
from orgs.models import Organization, WhiteLabel
from orgs.models.fields import new_key


@transaction.atomic
def open_first_periods(organization_ids: Sequence[int]) -> None:
    """Open period 1 of new organizations, starting with their contract."""
    periods_commands.open_first_periods(organization_ids)
    periods = [
        BillingPeriod(
            organization_id=period.organization_id,
            number=period.number,
            starts_at=period.starts_at,
        )
        for period in list_open_periods(organization_ids)
    ]
    BillingPeriod.objects.bulk_create(periods, ignore_conflicts=True)


def close_period(
    organization_id: int,
    *,
    ends_at: datetime,
    key: str = "",
    splits: bool = False,
    carries_unpriced: bool = True,
) -> BillingPeriod:
    """Close an organization's open period, as `close_periods` does.

    The period keeps `key`. Raises `PeriodClosed` also if a period was closed under that
    key before.
    """
    return close_periods(
        [organization_id],
        ends_at=ends_at,
        key=key,
        splits=splits,
        carries_unpriced=carries_unpriced,
    )[0]


@transaction.atomic
def close_periods(
    organization_ids: Sequence[int],
    *,
    ends_at: datetime,
    key: str = "",
    splits: bool = False,
    carries_unpriced: bool = True,
) -> list[BillingPeriod]:
    """Close the open periods at `ends_at`, sum their costs and open the next ones.

    Return the closed periods. Waits for requests that are recording usage; usage that
    arrives later belongs to the next period whatever its timestamp. With `splits`,
    usage from `ends_at` on that was recorded already moves to the next period. Unpriced
    usage gets the rate that was added meanwhile or is carried into the next period,
    unless it is written off by the caller. Raises
    `PeriodClosed` if an open period starts at or after `ends_at`.
    """
    if splits:
        _lock_for_splits(organization_ids)
    _complete_usage(organization_ids, ends_at, prices_late=carries_unpriced)
    # Requests that record usage hold a share lock on the same row until they commit:
    # after this line no usage can be added to the periods that are summed below.
    open_numbers = lock_open_periods(organization_ids)
    if key and _find_closed(organization_ids, key):
        raise PeriodClosed("A period was closed for this already.")
    if splits or (carries_unpriced and list_unpriced(open_numbers)):
        lock_roll_up()  # before the lock of alerts, as where stored bytes are recorded
    periods_closing.send(
        BillingPeriod, organization_ids=list(organization_ids), ends_at=ends_at
    )
    numbers = advance_periods(organization_ids, starts_at=ends_at)
    rows = BillingPeriod.objects.filter(organization_id__in=numbers, ends_at=None)
    periods = list(rows.select_for_update().order_by("organization_id"))
    if any(ends_at <= period.starts_at for period in periods):
        raise PeriodClosed("The open period starts at or after this time.")
    if splits:
        _move_later_usage(numbers, ends_at)
    if carries_unpriced:
        carry_unpriced(numbers)
    costs = period_costs(numbers)
    for period in periods:
        period.ends_at = ends_at
        period.closed_at = timezone.now()
        period.cost = costs[period.organization_id].cost
        period.idempotency_key = key or new_key()
    BillingPeriod.objects.bulk_update(
        periods, ["ends_at", "closed_at", "cost", "idempotency_key"]
    )
    BillingPeriod.objects.bulk_create(
        BillingPeriod(organization_id=id_, number=number + 1, starts_at=ends_at)
        for id_, number in numbers.items()
    )
    terms_changed.send(BillingPeriod, organization_ids=sorted(numbers))
    return periods


def _lock_for_splits(organization_ids: Sequence[int]) -> None:
    for organization in _organizations(organization_ids):
        lock_for_split(organization)


def _move_later_usage(numbers: Mapping[int, int], at: datetime) -> None:
    for organization in _organizations(numbers):
        move_later_usage(PeriodSplit(organization, numbers[organization.pk], at))


def _organizations(ids: Iterable[int]) -> QuerySet[Organization]:
    rows = Organization.objects.select_related("white_label").filter(pk__in=list(ids))
    return rows.order_by("white_label_id", "pk")


def _complete_usage(
    organization_ids: Sequence[int], ends_at: datetime, *, prices_late: bool
) -> None:
    """Record the stored bytes of the days before the end, which the periods bill.

    With `prices_late`, unpriced usage that got a rate in the meantime is priced, too.
    Both take the locks of corrections, which come before those of open periods.
    """
    rows = WhiteLabel.objects.filter(organizations__in=organization_ids).distinct()
    for white_label in rows.order_by("pk"):
        organizations = Organization.objects.filter(
            pk__in=organization_ids, white_label=white_label
        )
        ids = list(organizations.order_by("pk").values_list("pk", flat=True))
        record_storage_of(white_label, ids, until=ends_at)
        if prices_late:
            price_late(white_label, ids)


def _find_closed(organization_ids: Sequence[int], key: str) -> BillingPeriod | None:
    rows = BillingPeriod.objects.filter(organization_id__in=organization_ids)
    return rows.filter(idempotency_key=key).first()


@transaction.atomic
def close_period_manually(
    organization_id: int,
    *,
    by: str,
    note: str,
    key: str = "",
    refuses_repeat: bool = False,
    bills_without_unpriced: bool = False,
) -> BillingPeriod:
    """Close the open period now; its cost is summed, and none of it is charged.

    Meant for organizations that are billed outside Stripe, and for usage from before
    they were billed by it. The period keeps `by`, `note` and `key`; a period that was
    closed under the key before is returned. With `refuses_repeat`, `AlreadyDone` is
    raised if the last period was closed by a person with the same note. Raises
    `PeriodClosed` if the period starts in the future, and `DomainError` without a note.

    Usage without a price has to get a rate first. With `bills_without_unpriced`, the
    person writes it off instead; otherwise, raises `UnpricedUsage`.
    """
    require_note(note, code=NOTE_MISSING)
    if key and (closed := _find_closed([organization_id], key)):
        return closed
    if refuses_repeat:
        _check_not_repeated(organization_id, note.strip())
    try:
        period = _close_named(organization_id, key)
    except PeriodClosed:  # perhaps by the same request, a moment ago
        if key and (closed := _find_closed([organization_id], key)):
            return closed
        raise
    unpriced = list_unpriced({organization_id: period.number})
    if unpriced and not bills_without_unpriced:
        raise UnpricedUsage(describe_unpriced(unpriced))  # and close nothing
    period.closed_by, period.note = by[:200], note.strip()
    period.save(update_fields=["closed_by", "note"])
    add_write_offs(period, unpriced, by=by, note=note)
    periods_closed.send(BillingPeriod, period_ids=[period.pk])
    return period


def _close_named(organization_id: int, key: str) -> BillingPeriod:
    """Close the open period now under a key; without one, under the period's number.

    Its unpriced usage stays in it. Of two closings at once that saw the same open
    period, the second one fails.
    """
    number = list_open_periods([organization_id])[0].number
    key = key or f"manual-{number}"
    return close_period(
        organization_id, ends_at=timezone.now(), key=key, carries_unpriced=False
    )


def _check_not_repeated(organization_id: int, note: str) -> None:
    """Raise `AlreadyDone` if a person closed the last period with the same note."""
    rows = BillingPeriod.objects.filter(
        organization_id=organization_id, ends_at__isnull=False
    )
    last = rows.order_by("-number").first()
    if last and last.closed_by and last.note == note:
        raise AlreadyDone(
            f"Period {last.number} was closed on {last.closed_at:%F %H:%M} UTC by"
            f" {last.closed_by} for the same reason."
        )
