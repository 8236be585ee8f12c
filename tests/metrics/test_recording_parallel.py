"""Parallel recordings: no deadlocks, no lost events, no events counted twice."""

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum

from billing.ledger.commands.periods import close_period
from billing.models import BillingPeriod
from metrics.commands import record
from metrics.commands.rates import IncomingRate, load_rates
from metrics.models import DailyMetric, Usage, UsageEvent
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_white_label,
)
from tests.factories import record as record_events
from tests.support.parallel import WRITERS, together

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]
ZERO = Decimal(0)


def make_fleet() -> tuple[WhiteLabel, list[dict[str, Any]]]:
    """Create ten organizations; return 30 events of each, for shared products."""
    label = make_white_label()
    make_rate(label, "0.07")
    for number in range(10):
        make_organization(label, f"org-{number}")
    return label, [
        event(
            f"e-{n}",
            organization=f"org-{number}",
            project=f"p-{n % 3}",
            quantities={"requests": n + 1, "cpu_seconds": 2},
        )
        for number in range(10)
        for n in range(30)
    ]


def test_eight_writers_of_the_same_events_count_each_once() -> None:
    label, events = make_fleet()

    def writer(seed: int) -> Callable[[], tuple[int, int]]:
        def write() -> tuple[int, int]:
            shuffled = random.Random(seed).sample(events, len(events))
            accepted = duplicates = 0
            for start in range(0, len(shuffled), 60):
                result = record_events(label, shuffled[start : start + 60])
                assert result.rejected == []
                accepted += result.accepted
                duplicates += result.duplicates
            return accepted, duplicates

        return write

    answers = together(writer(seed) for seed in range(WRITERS))

    assert sum(accepted for accepted, _ in answers) == 300
    assert sum(duplicates for _, duplicates in answers) == 7 * 300
    assert UsageEvent.objects.count() == 300
    requests = Usage.objects.filter(meter="requests")
    sums = requests.aggregate(Sum("quantity"), Sum("cost"))
    assert sums == {"quantity__sum": 4650, "cost__sum": Decimal("325.5")}
    assert DailyMetric.objects.aggregate(Sum("cpu_seconds")) == {
        "cpu_seconds__sum": 600
    }
    assert Project.objects.count() == 30


def test_every_event_is_in_one_period_while_periods_close() -> None:
    label = make_white_label()
    make_rate(label, "3")
    org = make_organization(label)

    def write(number: int) -> Callable[[], None]:
        def run() -> None:
            for n in range(20):
                record_events(label, [event(f"{number}-{n}"), event(f"{number}+{n}")])

        return run

    def close() -> None:
        for minutes in range(10):
            close_period(org.id, ends_at=NOW + timedelta(minutes=minutes))

    together([*(write(number) for number in range(6)), close])

    closed = BillingPeriod.objects.filter(organization=org, ends_at__isnull=False)
    assert closed.count() == 10
    for period in closed:  # summed at closing, and nothing came in after it
        rows = Usage.objects.filter(period=period.number)
        assert period.cost == (rows.aggregate(Sum("cost"))["cost__sum"] or 0)
    assert Usage.objects.aggregate(Sum("quantity")) == {"quantity__sum": 1200}
    events = UsageEvent.objects.values_list("period", flat=True)
    daily = Usage.objects.values_list("period", "quantity")
    assert sorted(events) == sorted(
        number for number, quantity in daily for _ in range(int(quantity) // 5)
    )


def test_a_price_change_never_splits_a_recording() -> None:
    label = make_white_label()
    make_rate(label, "1")
    make_organization(label)

    def write(number: int) -> Callable[[], None]:
        def run() -> None:
            for n in range(15):
                record_events(label, [event(f"{number}-{n}")])

        return run

    def change() -> None:
        for price in range(2, 12):
            load_rates(label, [IncomingRate("gpt", "requests", Decimal(price), ZERO)])

    together([*(write(number) for number in range(5)), change])

    # version n of the book says price n
    expected = sum(5 * e.price_version for e in UsageEvent.objects.all())
    assert Usage.objects.aggregate(Sum("cost")) == {"cost__sum": expected}


def test_a_recording_is_retried_after_a_deadlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label, events = make_fleet()
    tries = []
    write = record._write

    def deadlocked(*args: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            with connection.cursor() as cursor:
                cursor.execute("do $$ begin raise sqlstate '40P01'; end $$")
        return write(*args)

    monkeypatch.setattr(record, "_write", deadlocked)

    assert record_events(label, events).accepted == 300
    assert len(tries) == 2
    assert Organization.objects.count() == 11
