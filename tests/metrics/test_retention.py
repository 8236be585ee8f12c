"""Retention: partitions of old events are dropped when no open period needs them."""

import logging
import runpy
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import orjson
import pytest
import time_machine
from celery import current_app
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django import Settings

from billing.ledger.commands.periods import close_periods
from metrics.commands import partitions
from metrics.commands.batch import RecordingResult
from metrics.commands.partitions import (
    DropOutcome,
    ExpiredPartition,
    drop_partitions,
    make_partitions,
)
from metrics.commands.record import record_usage
from metrics.events import parse_event
from metrics.models import UsageEvent
from metrics.periods import DayRange, Grain
from metrics.queries.series import SeriesFilters, series
from orgs.models import Organization, WhiteLabel
from tests import ROOT
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_white_label,
    period_cost,
    record,
    usage_of,
)

THEN = datetime(2024, 2, 10, tzinfo=UTC)  # its months: January 2023 to May 2024
JANUARY = "metrics_usageevent_2024_01"
YEAR_2023 = [f"metrics_usageevent_2023_{month:02}" for month in range(1, 13)]
UNTIL_JANUARY = timedelta(days=1024)  # from NOW to 2024-02-01 12:00
DROPPED, NEEDED, BUSY = DropOutcome.DROPPED, DropOutcome.NEEDED, DropOutcome.BUSY


@pytest.fixture
def in_2024(frozen: time_machine.Traveller) -> time_machine.Traveller:
    frozen.move_to(THEN)
    return frozen


@pytest.fixture
def months(in_2024: time_machine.Traveller, db: None) -> time_machine.Traveller:
    """Set the time to February 2024; the test's rollback removes the partitions."""
    make_partitions()
    return in_2024


@pytest.fixture
def real_months(
    in_2024: time_machine.Traveller, committed: None
) -> Iterator[time_machine.Traveller]:
    """Set the time to February 2024, for tests that commit."""
    make_partitions()
    yield in_2024
    with connection.cursor() as cursor:
        for name in names(before="metrics_usageevent_2025_10"):
            cursor.execute(f"drop table {name}")


def names(*, before: str = "metrics_usageevent_2025_10") -> list[str]:
    """Return the partitions whose names are less than `before`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select inhrelid::regclass::text from pg_inherits"
            " where inhparent = 'metrics_usageevent'::regclass order by 1"
        )
        return [name for (name,) in cursor.fetchall() if name < before]


def record_then(white_label: WhiteLabel, *events: dict[str, Any]) -> RecordingResult:
    numbered = [(n, parse_event(orjson.dumps(one))) for n, one in enumerate(events)]
    return record_usage(white_label, numbered, now=THEN)


def january(id_: str = "old", **changes: Any) -> dict[str, Any]:
    return event(id_, **{"timestamp": "2024-01-17T10:00:00Z", **changes})


def create_organization(
    white_label: WhiteLabel, external_id: str = "org-7"
) -> Organization:
    """Create an organization that is older than its usage and its first period."""
    created_at = "2022-01-05T09:00:00Z"
    return make_organization(white_label, external_id, created_at=created_at)


def outcomes(*, dry_run: bool = False) -> dict[str, DropOutcome]:
    return {one.name: one.outcome for one in drop_partitions(dry_run=dry_run)}


# --- what goes and what stays -----------------------------------------------------


def test_events_are_dropped_and_daily_usage_stays(
    months: time_machine.Traveller,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    label = make_white_label()
    make_rate(label, "2")
    org, decoy = create_organization(label), create_organization(label, "org-9")
    record_then(label, january(), january("decoy", organization="org-9"))
    close_periods([org.id, decoy.id], ends_at=THEN)
    months.move_to(NOW)
    record(label, [event("new"), event("decoy", organization="org-9")])
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY

    with caplog.at_level(logging.INFO):
        dropped = drop_partitions()

    assert dropped == [
        ExpiredPartition(name, DROPPED) for name in [*YEAR_2023, JANUARY]
    ]
    assert f"usage_month_dropped month={JANUARY}" in caplog.text
    assert {e.event_id for e in UsageEvent.objects.all()} == {"new", "decoy"}
    assert {e.at.year for e in UsageEvent.objects.all()} == {2026}
    for organization in (org, decoy):
        assert usage_of(organization, "day", "quantity", "cost") == [
            (date(2024, 1, 17), 5, 10),
            (date(2026, 11, 21), 5, 10),
        ]
    whole = DayRange(date(2024, 1, 1), date(2026, 12, 1))
    usage = series(org.id, SeriesFilters(whole, Grain.MONTHLY))
    assert usage.cost_in(date(2024, 1, 1)) == 10
    assert usage.total.cost == 20
    assert period_cost(org.id, number=1).cost == Decimal(10)


@pytest.mark.parametrize(
    ("days", "last"), [(1024, JANUARY), (1025, YEAR_2023[-1]), (1055, YEAR_2023[-1])]
)
def test_a_month_is_dropped_when_all_of_it_is_older(
    months: time_machine.Traveller, settings: Settings, days: int, last: str
) -> None:
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = timedelta(days=days)

    assert [*outcomes()][-1] == last
    assert names()[0] > last
    assert outcomes() == {}


def test_without_a_retention_no_month_is_dropped(
    months: time_machine.Traveller, settings: Settings
) -> None:
    months.move_to(NOW)

    assert settings.USAGE_EVENT_RETENTION is None
    assert outcomes() == {}
    assert len(names()) == 17


def test_dropped_months_are_not_created_again(
    months: time_machine.Traveller, settings: Settings
) -> None:
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = timedelta(days=430)  # the shortest allowed

    assert len(outcomes()) == 17
    assert make_partitions() == []
    assert names() == []
    assert names(before="x")[0] == "metrics_usageevent_2025_10"


def test_only_the_late_event_of_a_dropped_month_is_rejected(
    months: time_machine.Traveller, settings: Settings
) -> None:
    label = make_white_label()
    org = create_organization(label)
    record_then(label, january())
    close_periods([org.id], ends_at=THEN)
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY
    drop_partitions()

    result = record(label, [january(), january("late"), event("new")])

    assert [(r.index, r.code) for r in result.rejected] == [
        (0, "timestamp_out_of_window"),
        (1, "timestamp_out_of_window"),
    ]
    assert result.accepted == 1
    assert usage_of(org, "quantity") == [(5,), (5,)]


# --- an open period ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "timestamp"),
    [
        ("UTC", "2024-01-17T10:00:00Z"),
        ("Pacific/Apia", "2024-01-31T23:59:59Z"),  # already February there
        ("Pacific/Honolulu", "2024-01-01T00:00:00Z"),  # still December there
    ],
)
def test_a_month_that_an_open_period_needs_stays_until_it_closes(
    months: time_machine.Traveller, settings: Settings, zone: str, timestamp: str
) -> None:
    label = make_white_label(time_zone=zone)
    make_rate(label, "0")  # unpriced usage would be carried
    org = create_organization(label)
    closed, _dormant = (
        create_organization(label, "org-9"),
        create_organization(label, "org-11"),
    )
    record_then(
        label,
        january(timestamp=timestamp),
        january("closed", organization="org-9", timestamp=timestamp),
    )
    close_periods([closed.id], ends_at=THEN)
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY

    assert drop_partitions()[-1] == ExpiredPartition(JANUARY, NEEDED, org.id)
    assert UsageEvent.objects.count() == 2
    close_periods([org.id], ends_at=NOW)
    assert outcomes()[JANUARY] == DROPPED
    assert UsageEvent.objects.count() == 0


# --- beside others ----------------------------------------------------------------


def run_in_thread(job: Any) -> Any:
    """Run the job in a thread and close its connection."""

    def run() -> Any:
        try:
            return job()
        finally:
            connection.close()

    return run


def wait_for_lock_waiter() -> None:
    """Wait until another session waits for a lock on the events table."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "select from pg_locks where not granted"
                " and relation = 'metrics_usageevent'::regclass"
            )
            if cursor.rowcount:
                return
        time.sleep(0.01)
    raise AssertionError("no session waits for the lock")


def test_dropping_waits_only_shortly_for_a_recording(
    real_months: time_machine.Traveller, settings: Settings
) -> None:
    label = make_white_label()
    org = create_organization(label)
    real_months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            record(label, [event("in flight")])
            dropping = pool.submit(run_in_thread(drop_partitions))
            wait_for_lock_waiter()
            behind = pool.submit(
                run_in_thread(lambda: record(label, [event("behind")]))
            )
            assert dropping.result(3) == [ExpiredPartition(YEAR_2023[0], BUSY)]
        assert behind.result(30).accepted == 1
        assert usage_of(org, "quantity") == [(10,)]

    assert set(outcomes().values()) == {DROPPED}


def test_a_recording_waits_for_a_drop_and_succeeds(
    real_months: time_machine.Traveller, settings: Settings
) -> None:
    label = make_white_label()
    org = create_organization(label)
    real_months.move_to(NOW)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert cast("Any", partitions._drop_partition).__wrapped__(JANUARY)
            recording = pool.submit(run_in_thread(lambda: record(label, [event()])))
            wait_for_lock_waiter()
        assert recording.result(30).accepted == 1

    assert JANUARY not in names()
    assert usage_of(org, "quantity") == [(5,)]


def test_two_drops_and_four_recordings_in_parallel(
    real_months: time_machine.Traveller, settings: Settings
) -> None:
    label = make_white_label()
    org = create_organization(label)
    real_months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY
    start = threading.Barrier(6)

    def write(number: int) -> int:
        start.wait(60)
        return sum(record(label, [event(f"{number}-{n}")]).accepted for n in range(20))

    def drop() -> list[str]:
        start.wait(60)
        dropped = []
        while expired := drop_partitions():
            dropped += [month.name for month in expired if month.outcome is DROPPED]
        return dropped

    with ThreadPoolExecutor(6) as pool:
        droppers = [pool.submit(run_in_thread(drop)) for _ in range(2)]
        writers = [
            pool.submit(run_in_thread(lambda number=n: write(number))) for n in range(4)
        ]
        assert [writer.result(60) for writer in writers] == [20] * 4
        dropped = [name for dropper in droppers for name in dropper.result(60)]

    assert sorted(dropped) == [*YEAR_2023, JANUARY]
    assert usage_of(org, "quantity") == [(400,)]
    assert UsageEvent.objects.count() == 80


def test_creating_months_does_not_wait_for_a_recording(
    real_months: time_machine.Traveller,
) -> None:
    label = make_white_label()
    create_organization(label)
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        record_then(label, january())
        real_months.move_to(THEN + timedelta(days=100))
        making = pool.submit(run_in_thread(make_partitions))

        assert making.result(5)[-1] == "metrics_usageevent_2024_08"

    assert UsageEvent.objects.count() == 1


def test_the_periodic_task_drops_months(
    months: time_machine.Traveller, settings: Settings
) -> None:
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY
    current_app.loader.import_default_modules()
    entry = settings.CELERY_BEAT_SCHEDULE["drop-partitions"]

    current_app.tasks[entry["task"]].apply(throw=True)

    assert names()[0] == "metrics_usageevent_2024_02"


def test_the_command_lists_creates_and_drops(
    months: time_machine.Traveller,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    label = make_white_label()
    org = create_organization(label)
    record_then(label, january())
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY
    with connection.cursor() as cursor:
        cursor.execute(f"analyze {JANUARY}")
        cursor.execute("drop table metrics_usageevent_2027_02")

    call_command("partitions", drop=True)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{JANUARY} rows ~1 bytes ")
    assert int(lines[0].rsplit(" ", 1)[1].replace(",", "")) >= 16_384
    assert lines[-14:] == [
        "created metrics_usageevent_2027_02",
        *(f"dropped {name}" for name in YEAR_2023),
        f"needed {JANUARY} for the open period of organization {org.id}",
    ]
    assert names()[0] == JANUARY


def test_a_dry_run_changes_nothing(
    months: time_machine.Traveller,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY
    with connection.cursor() as cursor:
        cursor.execute("drop table metrics_usageevent_2027_02")
    before = names(before="x")

    call_command("partitions", drop=True, dry_run=True)

    lines = capsys.readouterr().out.splitlines()
    assert lines[-13:] == [f"due {name}" for name in [*YEAR_2023, JANUARY]]
    assert not [line for line in lines if line.startswith("created")]
    assert names(before="x") == before


def test_the_command_without_drop_drops_nothing(
    months: time_machine.Traveller, settings: Settings
) -> None:
    months.move_to(NOW)
    settings.USAGE_EVENT_RETENTION = UNTIL_JANUARY

    call_command("partitions")

    assert len(names()) == 17


@pytest.mark.django_db
def test_drop_without_a_retention_is_an_error() -> None:
    with pytest.raises(CommandError, match="USAGE_EVENT_RETENTION_DAYS"):
        call_command("partitions", drop=True)


def read_settings() -> timedelta | None:
    path = ROOT / "config" / "settings.py"
    retention: timedelta | None = runpy.run_path(str(path))["USAGE_EVENT_RETENTION"]
    return retention


@pytest.mark.parametrize(
    ("text", "days"), [(None, None), ("", None), ("430", 430), (" 800 ", 800)]
)
def test_the_retention_is_set_in_days(
    monkeypatch: pytest.MonkeyPatch, text: str | None, days: int | None
) -> None:
    monkeypatch.delenv("USAGE_EVENT_RETENTION_DAYS", raising=False)
    if text is not None:
        monkeypatch.setenv("USAGE_EVENT_RETENTION_DAYS", text)

    assert read_settings() == (None if days is None else timedelta(days=days))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "430 days"),
        ("400", "430 days"),
        ("429", "430 days"),
        ("-500", "whole number"),
        ("500.0", "whole number"),
        ("two years", "whole number"),
        ("1e4", "whole number"),
        ("\u0665\u0660\u0660", "whole number"),
        ("9999999999", "whole number"),
    ],
)
def test_an_invalid_retention_prevents_the_start(
    monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setenv("USAGE_EVENT_RETENTION_DAYS", text)

    with pytest.raises(ImproperlyConfigured, match=f"USAGE_EVENT.*{message}"):
        read_settings()
