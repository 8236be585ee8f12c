"""Stored bytes as usage: each complete day once, corrected when the past changes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import transaction

from billing.ledger.commands.periods import close_period
from billing.ledger.commands.voids import void_usage as refund_usage
from billing.ledger.queries.voids import preview_void_with_bills
from billing.models import Charge, CreditEntry
from metrics import tasks
from metrics.commands import storage_days
from metrics.commands.locks import LOCK_ROLL_UP
from metrics.commands.periods import lock_open_periods
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.rerate import rerate_periods
from metrics.commands.roll_up import repair_fleet_totals
from metrics.commands.storage_days import record_storage_days
from metrics.commands.voids import void_correction, void_usage
from metrics.models import Correction, StorageDay, UsageEvent
from metrics.queries.voids import UsageRange
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_organization,
    make_rate,
    make_white_label,
    record,
    usage_of,
)
from tests.support.corrections import run
from tests.support.forks import die_at
from tests.support.locks import is_awaited_by_another, is_free
from tests.support.parallel import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
DAYS = ("--white-label", "acme", "--from", "2026-10-01", "--to", "2026-11-22")


def stored(id_: str, at: str, added: int = 0, deleted: int = 0, **more: Any) -> Any:
    """Return a report of stored bytes; its other quantities are left out."""
    quantities = {"storage_bytes_added": added, "storage_bytes_deleted": deleted}
    return event(
        id_,
        timestamp=at,
        product="disk",
        quantities={meter: n for meter, n in quantities.items() if n},
        **more,
    )


def byte_days(organization: Organization) -> dict[str, int]:
    """Return the recorded byte-days of each day, of all periods together."""
    rows = usage_of(organization, "day", "product", "meter", "quantity")
    sums: dict[str, int] = {}
    for day, product, meter, quantity in rows:
        if meter == "storage_byte_days":
            assert product == "storage"
            sums[f"{day:%m-%d}"] = sums.get(f"{day:%m-%d}", 0) + int(quantity)
    return {day: quantity for day, quantity in sums.items() if quantity}


def days(first: int, last: int, quantity: int) -> dict[str, int]:
    """Return the same quantity on each of these days of November."""
    return {f"11-{day:02}": quantity for day in range(first, last + 1)}


def cost_of(organization: Organization, product: str = "storage") -> Decimal:
    rows = usage_of(organization, "product", "cost")
    return sum((cost for name, cost in rows if name == product), Decimal(0))


def assert_sums_agree() -> None:
    """Daily usage is what the events add up to, and the totals are its sum."""
    assert run("rebuild_days", *DAYS)[0] == 0
    labels = WhiteLabel.objects.values_list("pk", flat=True)
    assert repair_fleet_totals(list(labels)) == 0


def test_each_complete_day_is_recorded_once(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5", product="storage", meter="storage_byte_days")
    record(acme, [stored("a", "2026-11-17T23:59:59Z", 100)])
    record(acme, [stored("b", "2026-11-19T00:00:00Z", 10, 30)])

    for _ in range(3):
        tasks.record_storage_days()

    assert byte_days(org) == {"11-17": 100, "11-18": 100, "11-19": 80, "11-20": 80}
    assert cost_of(org) == Decimal(180)
    assert_sums_agree()


def test_days_end_in_the_white_label_zone(db: None) -> None:
    label = make_white_label("zone", time_zone="America/Los_Angeles")
    org = make_organization(label)
    record(label, [stored("a", "2026-11-20T07:59:00Z", 7)])  # the 19th there

    record_storage_days(until=datetime(2026, 11, 21, 7, 59, tzinfo=UTC))
    assert byte_days(org) == {"11-19": 7}
    record_storage_days(until=datetime(2026, 11, 21, 8, 1, tzinfo=UTC))
    assert byte_days(org) == {"11-19": 7, "11-20": 7}


def test_a_year_off_is_caught_up(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [stored("a", "2026-11-20T11:00:00Z", 3)])
    record_storage_days()

    with time_machine.travel(NOW + timedelta(days=800), tick=False):
        record_storage_days()

    assert len(byte_days(org)) > 360
    assert StorageDay.objects.filter(organization_id=org.pk).count() == 801
    assert UsageEvent.objects.filter(product="storage").count() == 801


def test_late_storage_is_recorded_for_the_days_since(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 100)])
    record_storage_days()
    record(acme, [stored("late", "2026-11-17T11:00:00Z", 5)])
    record_storage_days()
    assert byte_days(org) == {"11-17": 5, **days(18, 20, 105)}

    record(acme, [stored("gone", "2026-11-18T12:00:00Z", deleted=60)])
    record_storage_days()
    assert byte_days(org) == {"11-17": 5, **days(18, 20, 45)}
    assert_sums_agree()
    correction = Correction.objects.get(kind="storage")
    assert correction.by == "Orgdesk"
    assert correction.finished_at


def test_more_deleted_than_added_is_nothing_stored(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [stored("a", "2026-11-18T11:00:00Z", deleted=100)])
    record(acme, [stored("b", "2026-11-20T11:00:00Z", 130)])
    record_storage_days()
    assert byte_days(org) == {"11-20": 30}


def test_days_before_the_contract_are_free(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [stored("a", "2026-11-10T11:00:00Z", 8)])
    for start, first in (("2026-11-15", 15), ("2026-11-12", 12), ("2026-11-18", 18)):
        Organization.objects.filter(pk=org.pk).update(contract_started_on=start)
        record_storage_days()
        assert byte_days(org) == days(first, 20, 8)
    assert_sums_agree()


def test_storage_ends_with_the_organization(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 8)])
    record_storage_days()
    delete(org)  # on the 21st
    with time_machine.travel(NOW + timedelta(days=5), tick=False):
        record_storage_days()
    assert byte_days(org) == days(18, 20, 8)


def test_the_rate_of_the_day_applies(acme: WhiteLabel, org: Organization) -> None:
    rates: Sequence[tuple[str, datetime | None]] = (
        ("1", None),
        ("2", datetime(2026, 11, 19, tzinfo=UTC)),
        ("4", datetime(2026, 11, 19, 12, tzinfo=UTC)),
    )
    for price, start in rates:
        make_rate(
            acme,
            price,
            product="storage",
            meter="storage_byte_days",
            effective_from=start,
        )
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10)])
    record_storage_days()
    assert cost_of(org) == 10 * (1 + 2 + 4)


def test_a_rerate_prices_stored_bytes(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10)])
    record_storage_days()
    make_rate(acme, "2", product="storage", meter="storage_byte_days")
    spec = CorrectionSpec(Correction.Kind.RERATE, by="ann", note="a price")
    rerate_periods(acme, [org.pk], correction=spec)
    finish_correction(spec)
    assert cost_of(org) == 60
    assert_sums_agree()


def test_a_closing_period_has_its_days(acme: WhiteLabel, org: Organization) -> None:
    make_rate(acme, "2", product="storage", meter="storage_byte_days")
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10)])

    closed = close_period(org.pk, ends_at=datetime(2026, 11, 20, 5, tzinfo=UTC))
    record_storage_days()

    assert closed.cost == 40  # the 18th and 19th
    assert byte_days(org) == days(18, 20, 10)
    rows = usage_of(org, "period", "day", "meter")
    assert (2, date(2026, 11, 20), "storage_byte_days") in rows


def test_late_storage_of_a_closed_period(acme: WhiteLabel, org: Organization) -> None:
    """The open period gets what is missing; the closed one stays as it was billed."""
    make_rate(acme, "2", product="storage", meter="storage_byte_days")
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10)])
    closed = close_period(org.pk, ends_at=datetime(2026, 11, 20, tzinfo=UTC))
    record(acme, [stored("b", "2026-11-19T11:00:00Z", 5)])
    record_storage_days()
    assert byte_days(org) == {"11-18": 10, "11-19": 15, "11-20": 15}

    record(acme, [stored("c", "2026-11-19T11:00:00Z", deleted=3)])
    record_storage_days()
    assert byte_days(org) == {"11-18": 10, "11-19": 12, "11-20": 12}
    closed.refresh_from_db()
    assert closed.cost == 40
    assert cost_of(org) == 2 * (10 + 12 + 12)
    assert_sums_agree()


def test_what_was_billed_too_much_is_credited(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5", product="storage", meter="storage_byte_days")
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10)])
    closed = close_period(org.pk, ends_at=datetime(2026, 11, 20, tzinfo=UTC))
    Charge.objects.create(
        period=closed, product="storage", cost=10, amount=10, currency="usd"
    )
    record(acme, [stored("b", "2026-11-19T11:00:00Z", deleted=3)])
    for _ in range(2):
        record_storage_days()

    entry = CreditEntry.objects.get(organization=org)
    assert entry.amount == Decimal("1.5")
    assert entry.by == "Orgdesk"
    assert byte_days(org) == {"11-18": 10, "11-19": 10, "11-20": 7}


def bill_until(organization: Organization, day: int) -> None:
    """Close the period at the start of a day of November, and charge it."""
    closed = close_period(organization.pk, ends_at=datetime(2026, 11, day, tzinfo=UTC))
    cost = closed.cost or Decimal(0)
    Charge.objects.create(
        period=closed, product="storage", cost=cost, amount=cost, currency="usd"
    )


def delete_bytes(organization: Organization, id_: str, quantity: int) -> None:
    label = organization.white_label
    record(label, [stored(id_, "2026-11-19T11:00:00Z", deleted=quantity)])
    record_storage_days()


def credit_storage(organization: Organization) -> None:
    whole = UsageRange(organization, NOW - timedelta(days=9), NOW, product="storage")
    preview = preview_void_with_bills(whole)
    spec = void_correction(by="ann", note="a gift")
    result = refund_usage(whole, correction=spec, as_credit=True)
    assert result.credit == preview.credit


def credits_of(organization: Organization) -> Decimal:
    rows = CreditEntry.objects.filter(organization=organization)
    return sum(rows.values_list("amount", flat=True), Decimal(0))


@pytest.mark.parametrize("other", ["0", "20"])
@pytest.mark.parametrize("refunds", [1, 2])
@pytest.mark.parametrize("is_credited_first", [False, True])
def test_refunded_and_credited_bytes_are_paid_once(
    acme: WhiteLabel,
    org: Organization,
    *,
    other: str,
    refunds: int,
    is_credited_first: bool,
) -> None:
    """The storage of the closed period cost 10; its other usage is not credited."""
    make_rate(acme, "0.5", product="storage", meter="storage_byte_days")
    make_rate(acme, other)
    usage = event("g", timestamp="2026-11-18T09:00:00Z", quantities={"requests": 1})
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10), usage])
    bill_until(org, 20)

    if is_credited_first:
        credit_storage(org)
    for number in range(refunds):
        delete_bytes(org, f"b{number}", 3)
    if not is_credited_first:
        assert credits_of(org) == Decimal("1.5") * refunds
        credit_storage(org)
    credit_storage(org)
    delete_bytes(org, "c", 4)

    assert credits_of(org) == 10


def test_bytes_that_come_and_go_are_refunded_once(
    acme: WhiteLabel, org: Organization
) -> None:
    """A part of a closed period is refunded once, whatever was recorded since."""
    make_rate(acme, "0.5", product="storage", meter="storage_byte_days")
    later = datetime(2026, 11, 20, tzinfo=UTC)
    make_rate(
        acme, "0", product="storage", meter="storage_byte_days", effective_from=later
    )
    record(acme, [stored("a", "2026-11-19T11:00:00Z", 10)])
    bill_until(org, 20)
    delete_bytes(org, "b", 8)
    assert credits_of(org) == 4

    make_rate(acme, "0", product="storage", meter="storage_byte_days")
    record(acme, [stored("c", "2026-11-19T11:00:00Z", 8)])
    bill_until(org, 21)
    delete_bytes(org, "d", 8)

    assert credits_of(org) == 5  # as invoiced for the first period
    assert byte_days(org)["11-19"] == 10 + 8
    delete_bytes(org, "e", 1)
    assert credits_of(org) == 5


def test_a_void_lowers_the_days_since(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10)])
    record(acme, [stored("b", "2026-11-19T11:00:00Z", 5)])
    record_storage_days()
    mistake = UsageRange(org, NOW - timedelta(days=9), NOW, event_id="b")
    list(void_usage(mistake, correction=void_correction(by="ann", note="a mistake")))
    record_storage_days()
    assert byte_days(org) == days(18, 20, 10)


def test_voided_byte_days_stay_voided(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [stored("a", "2026-11-18T11:00:00Z", 10)])
    record_storage_days()
    gift = UsageRange(org, NOW - timedelta(days=9), NOW, product="storage")
    list(void_usage(gift, correction=void_correction(by="ann", note="a gift")))
    record_storage_days()
    assert byte_days(org) == {}

    record(acme, [stored("b", "2026-11-20T11:00:00Z", deleted=4)])
    record_storage_days()
    assert byte_days(org) == {}
    assert_sums_agree()


def test_a_full_transaction_goes_on_with_the_next(
    acme: WhiteLabel, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_organization(acme, "org-8")
    monkeypatch.setattr(storage_days, "_DAYS", 2)
    monkeypatch.setattr(storage_days, "ORGANIZATIONS", 1)
    record(
        acme,
        [
            stored("a", "2026-11-16T11:00:00Z", 10),
            stored("b", "2026-11-18T11:00:00Z", 4, organization="org-8"),
        ],
    )
    record_storage_days()
    other = Organization.objects.get(white_label=acme, external_id="org-8")
    assert byte_days(org) == days(16, 20, 10)
    assert byte_days(other) == days(18, 20, 4)


def test_clients_cannot_take_the_ids(acme: WhiteLabel, org: Organization) -> None:
    id_ = "orgdesk:storage_byte_days:2026-11-20:1"
    result = record(acme, [stored(id_, "2026-11-20T00:00:00Z", 1), event("e")])
    assert [rejection.code for rejection in result.rejected] == ["reserved_id"]
    assert result.accepted == 1


@pytest.mark.usefixtures("committed")
def test_two_workers_record_a_day_once() -> None:
    label = make_white_label("acme")
    org = make_organization(label)
    record(label, [stored("a", "2026-11-01T11:00:00Z", 10)])
    together([record_storage_days] * 3)
    assert byte_days(org) == days(1, 20, 10)

    record(label, [stored("b", "2026-11-05T11:00:00Z", deleted=6)])
    together([record_storage_days] * 3)
    assert byte_days(org) == {**days(1, 4, 10), **days(5, 20, 4)}
    assert_sums_agree()


@pytest.mark.usefixtures("committed")
def test_no_period_is_waited_for_under_the_roll_up_lock() -> None:
    """Another transaction may hold a period and wait for the roll-up lock."""
    label = make_white_label("acme")
    organizations = [make_organization(label, name) for name in ("org-1", "org-2")]
    added = [
        stored(f"a-{o.pk}", "2026-11-15T11:00:00Z", 9, organization=o.external_id)
        for o in organizations
    ]
    record(label, added)
    record_storage_days()
    deleted = [
        stored(f"b-{o.pk}", "2026-11-16T11:00:00Z", 0, 4, organization=o.external_id)
        for o in organizations
    ]
    record(label, deleted)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_open_periods([organizations[1].pk])
            recording = pool.submit(together, [record_storage_days])
            assert is_awaited_by_another()
            assert is_free(LOCK_ROLL_UP)
        recording.result()

    for organization in organizations:
        assert byte_days(organization) == {"11-15": 9, **days(16, 20, 5)}


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize(
    "point",
    [
        "-metrics.commands.storage_days.record_derived",
        "-metrics.commands.storage_days._save_days",
        "+metrics.commands.storage_days._save_days",
        "+metrics.commands.storage_days._record_batch",
    ],
)
def test_a_killed_worker_records_nothing_twice(point: str) -> None:
    label = make_white_label("acme")
    org = make_organization(label)
    record(label, [stored("a", "2026-11-11T11:00:00Z", 10)])
    record_storage_days()
    record(label, [stored("b", "2026-11-15T11:00:00Z", 1, 6)])

    die_at(point, record_storage_days)
    record_storage_days()

    assert byte_days(org) == {**days(11, 14, 10), **days(15, 20, 5)}
    assert_sums_agree()
