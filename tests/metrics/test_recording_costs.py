"""Exact costs, days, and periods of recorded usage."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from billing.ledger.commands.periods import close_period
from metrics.models import UsageEvent
from metrics.queries.daily_metrics import daily_metrics
from orgs.models import Organization, Project, WhiteLabel
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

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
BIG = 2**63 - 1


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_cost_is_the_exact_product_of_quantity_and_price(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.123456789012", benchmark="0.5", meter="prompt_tokens")
    make_rate(acme, "0.000000000001")
    quantities = {"prompt_tokens": 987_654_321_987, "requests": 7}

    record(acme, [event(quantities=quantities)])

    assert usage_of(org, "meter", "cost", "benchmark_cost") == [
        (
            "prompt_tokens",
            Decimal("121932631246.338971606844"),
            Decimal("493827160993.5"),
        ),
        ("requests", Decimal("0.000000000007"), 0),
    ]


def test_the_greatest_quantities_add_up_exactly(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "999999999999.999999999999", meter="cpu_seconds")
    events = [event(f"e-{n}", quantities={"cpu_seconds": BIG}) for n in (1, 2)]

    result = record(acme, events)

    assert (result.accepted, result.rejected) == (2, [])
    [(quantity, cost)] = usage_of(org, "quantity", "cost")
    assert quantity == 18_446_744_073_709_551_614
    assert cost == Decimal("18446744073709551613999981553255.926290448386")


def test_each_event_is_priced_with_the_rate_at_its_timestamp(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    make_rate(acme, "3", effective_from=at("2026-11-21T08:00"))
    make_rate(acme, "1000", effective_from=at("2026-11-22T00:00"))

    record(
        acme,
        [
            event("a", timestamp="2026-11-21T07:59:59.999999Z"),
            event("b", timestamp="2026-11-21T08:00:00Z", quantities={"requests": 7}),
        ],
    )

    assert usage_of(org, "quantity", "cost") == [(12, 5 * 2 + 7 * 3)]


def test_an_organizations_rate_replaces_even_later_general_rates(
    acme: WhiteLabel, org: Organization
) -> None:
    decoy = make_organization(acme, "org-9")
    make_rate(acme, "2")
    make_rate(acme, "11", organization=org, effective_from=at("2026-11-20T00:00"))
    make_rate(acme, "100", effective_from=at("2026-11-21T00:00"))
    days = ("2026-11-19", "2026-11-20", "2026-11-21")

    record(acme, [event(d, timestamp=f"{d}T05:00:00Z") for d in days])
    record(acme, [event(d, timestamp=f"{d}T05:00:00Z", organization="org-9")
                  for d in days])  # fmt: skip

    assert usage_of(org, "cost") == [(10,), (55,), (55,)]
    assert usage_of(decoy, "cost") == [(10,), (10,), (500,)]


def test_usage_without_a_rate_costs_nothing_and_is_counted(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "3", effective_from=at("2026-11-21T11:30"))
    make_rate(acme, "5", meter="cpu_seconds")
    make_rate(acme, "7", product="claude")
    make_rate(WhiteLabel.objects.get(slug="decoy"), "13")

    record(acme, [event("a"), event("b", timestamp="2026-11-21T11:30:00Z",
                                    quantities={"requests": 2})])  # fmt: skip

    assert usage_of(org, "quantity", "cost", "unpriced_quantity") == [(7, 6, 5)]


def test_a_free_rate_is_not_a_missing_one(acme: WhiteLabel, org: Organization) -> None:
    make_rate(acme, "0")

    record(acme, [event()])

    assert usage_of(org, "cost", "unpriced_quantity") == [(0, 0)]


def test_recorded_cost_stays_when_the_price_changes(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event("a")])

    make_rate(acme, "9")
    record(acme, [event("a"), event("b")])

    assert usage_of(org, "quantity", "cost") == [(10, 55)]
    versions = UsageEvent.objects.order_by("event_id").values_list("price_version")
    assert [version for (version,) in versions] == [1, 2]


def test_a_late_event_counts_in_the_open_period_on_its_own_day(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event("a", timestamp="2026-11-20T05:00:00Z")])
    close_period(org.id, ends_at=NOW)

    record(acme, [event("b", timestamp="2026-11-20T06:00:00Z",
                        quantities={"requests": 3})])  # fmt: skip

    day = date(2026, 11, 20)
    assert usage_of(org, "day", "period", "cost") == [(day, 1, 10), (day, 2, 6)]
    assert period_cost(org.id, number=1).cost == 10
    assert period_cost(org.id, number=2).cost == 6


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("UTC", "2026-11-20T23:59:59.999999Z", date(2026, 11, 20)),
        ("UTC", "2026-11-20T23:30:00-01:00", date(2026, 11, 21)),
        ("Asia/Kathmandu", "2026-11-20T18:14:59Z", date(2026, 11, 20)),
        ("Asia/Kathmandu", "2026-11-20T18:15:00Z", date(2026, 11, 21)),
        ("Australia/Lord_Howe", "2026-06-30T13:29:59Z", date(2026, 6, 30)),
        ("Australia/Lord_Howe", "2026-06-30T13:30:00Z", date(2026, 7, 1)),
        ("Australia/Lord_Howe", "2026-11-20T12:59:59Z", date(2026, 11, 20)),
        ("Australia/Lord_Howe", "2026-11-20T13:00:00Z", date(2026, 11, 21)),
        # 24 hours and one: 23:00 to 24:00 of April 4 comes twice
        ("America/Santiago", "2026-04-05T03:59:59Z", date(2026, 4, 4)),
        ("America/Santiago", "2026-04-05T04:00:00Z", date(2026, 4, 5)),
        # September 6 begins at 01:00
        ("America/Santiago", "2026-09-06T03:59:59Z", date(2026, 9, 5)),
        ("America/Santiago", "2026-09-06T04:00:00Z", date(2026, 9, 6)),
    ],
)
def test_days_are_in_the_white_labels_time_zone(
    zone: str, instant: str, day: date
) -> None:
    label = make_white_label("zoned", time_zone=zone)
    org = make_organization(label)

    record(label, [event(timestamp=instant, quantities={"cpu_seconds": 7})])

    assert usage_of(org, "day") == [(day,)]
    [metrics] = daily_metrics(org, last=day, days=1)
    assert metrics.cpu_seconds == 7


def test_daily_metrics_sum_compute_and_storage_by_the_gpu_weight() -> None:
    label = make_white_label("heavy", gpu_weight=5)
    org = make_organization(label, contract_started_on="2026-11-20")
    quantities = {"cpu_seconds": 7, "gpu_seconds": 11, "storage_bytes_added": 2**40}
    record(
        label,
        [
            event("before", timestamp="2026-11-19T11:00:00Z", quantities=quantities),
            event("a", quantities=quantities),
            event("b", quantities={"storage_bytes_deleted": 3, "requests": 9}),
        ],
    )

    before, between, last = daily_metrics(org, last=date(2026, 11, 21), days=3)

    assert (before.compute_seconds, between.compute_seconds) == (62, 0)
    assert last.compute_seconds == last.total_contract_compute_seconds == 7 + 5 * 11
    assert before.total_contract_compute_seconds == 0
    assert (last.storage_bytes_added, last.storage_bytes_deleted) == (2**40, 3)
    assert last.total_storage_bytes == 2 * 2**40 - 3


def test_an_unknown_project_is_created_with_its_first_event(
    acme: WhiteLabel, org: Organization
) -> None:
    early = event("b", project="alpha", timestamp="2026-11-19T05:00:00Z")

    record(acme, [event("a", project="alpha"), early, event("c")])

    project = Project.objects.get(organization=org)
    assert (project.name, project.added_at) == ("alpha", at("2026-11-19T05:00"))
    assert {id_ for (id_,) in usage_of(org, "project_id")} == {0, project.id}
    [day] = daily_metrics(org, last=date(2026, 11, 19), days=1)
    assert (day.projects_added, day.total_projects) == (1, 1)


def test_a_project_id_must_belong_to_the_organization(
    acme: WhiteLabel, org: Organization
) -> None:
    make_organization(acme, "org-9", projects=[{"external_id": "alpha"}])
    foreign = Project.objects.get()
    record(acme, [event("a", project="alpha")])
    own = Project.objects.get(organization=org)

    result = record(
        acme,
        [event("b", project_id=own.id), event("c", project_id=foreign.id)],
    )

    assert (result.accepted, result.rejected[0].code) == (1, "project_not_found")
    assert usage_of(org, "project_id", "quantity") == [(own.id, 10)]
