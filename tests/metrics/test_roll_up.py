"""Roll-ups: rankings and fleet totals follow what was recorded, exactly once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from metrics.commands.rankings import fill_rankings
from metrics.commands.roll_up import repair_fleet_totals, roll_up_usage
from metrics.models import (
    FleetTotal,
    OrganizationRanking,
    PendingFleetUsage,
    PendingUsage,
)
from metrics.queries.usage_version import usage_version
from metrics.signals import usage_rolled_up
from orgs.models import Organization, WhiteLabel
from tests.factories import event, make_organization, make_rate, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]

TODAY = date(2026, 11, 21)
YESTERDAY = "2026-11-20T11:00:00Z"
LONG_AGO = "2026-09-01T11:00:00Z"  # more than 30 days
TOTAL = ("day", "product", "meter", "quantity", "cost")


def totals(label: WhiteLabel) -> list[tuple[Any, ...]]:
    rows = FleetTotal.objects.filter(white_label_id=label.pk)
    return list(rows.order_by("pk").values_list(*TOTAL))


def cost_of(organization: Organization) -> Decimal:
    ranking = OrganizationRanking.objects.get(organization=organization)
    cost: Decimal = ranking.cost_30_days
    return cost


def test_totals_sum_all_organizations_of_one_white_label(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5")
    make_organization(acme, "org-8")
    decoy = WhiteLabel.objects.get(slug="decoy")
    record(acme, [event("a"), event("b", organization="org-8")])
    record(acme, [event("c", timestamp=YESTERDAY, quantities={"cpu_seconds": 7})])
    record(decoy, [event("d", quantities={"requests": 100})])

    roll_up_usage()

    assert totals(acme) == [
        (date(2026, 11, 20), "gpt", "cpu_seconds", 7, 0),
        (TODAY, "gpt", "requests", 10, Decimal(5)),
    ]
    assert totals(decoy) == [(TODAY, "gpt", "requests", 100, 0)]
    assert not PendingFleetUsage.objects.exists()


def test_a_second_roll_up_adds_nothing(acme: WhiteLabel, org: Organization) -> None:
    make_rate(acme, "0.5")
    record(acme, [event("a")])
    for _ in range(3):
        roll_up_usage()
    record(acme, [event("a"), event("b")])  # one of them is a duplicate
    roll_up_usage()

    assert totals(acme) == [(TODAY, "gpt", "requests", 10, Decimal(5))]
    assert cost_of(org) == Decimal(5)


def test_a_roll_up_ends_while_recording_continues(
    acme: WhiteLabel, org: Organization
) -> None:
    """Usage recorded meanwhile stays pending, and readers include it."""

    def record_more(**signal: Any) -> None:
        rounds.append(signal["organization_ids"])
        if len(rounds) < 3:  # ends the test if the roll-up does not
            record(acme, [event(f"while-{len(rounds)}")])

    rounds: list[list[int]] = []
    record(acme, [event("a")])
    usage_rolled_up.connect(record_more)
    try:
        roll_up_usage()
    finally:
        usage_rolled_up.disconnect(record_more)

    assert rounds == [[org.id]]
    assert PendingUsage.objects.count() == 1
    assert PendingFleetUsage.objects.count() == 1


def test_a_roll_up_adds_costs_within_the_rankings_30_days(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event("old", timestamp=LONG_AGO), event("new")])
    roll_up_usage()

    ranking = OrganizationRanking.objects.get(organization=org)
    assert (ranking.cost_30_days, ranking.last_usage_on) == (Decimal(10), TODAY)
    fill_rankings([org.id])
    assert cost_of(org) == Decimal(10)


def test_filling_a_ranking_rolls_up_pending_usage(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    other = make_organization(acme, "org-8")
    record(acme, [event("a"), event("b", organization="org-8")])

    fill_rankings([org.id])  # the sweep, before the roll-up
    assert (cost_of(org), cost_of(other)) == (Decimal(10), Decimal(0))
    roll_up_usage()
    assert (cost_of(org), cost_of(other)) == (Decimal(10), Decimal(10))


def test_the_sweep_recomputes_a_lost_ranking(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event("a")])
    roll_up_usage()
    OrganizationRanking.objects.filter(organization=org).delete()
    record(acme, [event("b")])
    roll_up_usage()
    assert OrganizationRanking.objects.get(organization=org).computed_on == date(
        2000, 1, 1
    )

    fill_rankings([org.id])
    assert cost_of(org) == Decimal(20)


def test_only_recordings_raise_the_usage_version(
    acme: WhiteLabel, org: Organization
) -> None:
    versions = [usage_version(org.id)]
    record(acme, [event("a")])
    versions.append(usage_version(org.id))
    roll_up_usage()
    versions.append(usage_version(org.id))
    fill_rankings([org.id])
    record(acme, [event("a")])  # a duplicate
    record(WhiteLabel.objects.get(slug="decoy"), [event("z")])
    versions.append(usage_version(org.id))
    record(acme, [event("b")])
    fill_rankings([org.id])
    versions.append(usage_version(org.id))

    assert versions == [0, 1, 1, 1, 2]


def test_repairing_totals_restores_lost_rows_once(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5")
    record(acme, [event("a"), event("b", quantities={"cpu_seconds": 3})])
    roll_up_usage()
    record(acme, [event("c")])  # pending: no difference
    assert repair_fleet_totals([acme.pk]) == 0
    FleetTotal.objects.filter(meter="requests").update(cost=0, quantity=1)
    FleetTotal.objects.filter(meter="cpu_seconds").delete()

    assert repair_fleet_totals([acme.pk]) == 2
    roll_up_usage()

    assert repair_fleet_totals([acme.pk]) == 0
    assert totals(acme) == [
        (TODAY, "gpt", "cpu_seconds", 3, 0),
        (TODAY, "gpt", "requests", 10, Decimal(5)),
    ]


@pytest.mark.usefixtures("committed")
def test_parallel_roll_ups_sweeps_and_recordings_lose_nothing(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5")

    def closing(job: Callable[[], Any]) -> None:
        try:
            for _ in range(20):
                job()
        finally:
            connection.close()

    def recorder(writer: int) -> Callable[[], None]:
        numbers = iter(range(20))
        return lambda: (record(acme, [event(f"{writer}-{next(numbers)}")]), None)[1]

    jobs = [recorder(0), recorder(1), roll_up_usage, lambda: fill_rankings([org.id])]
    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(closing, jobs))
    roll_up_usage()

    assert totals(acme) == [(TODAY, "gpt", "requests", 200, Decimal(100))]
    assert cost_of(org) == Decimal(100)
    assert usage_version(org.id) == 40
    assert not PendingUsage.objects.exists()
