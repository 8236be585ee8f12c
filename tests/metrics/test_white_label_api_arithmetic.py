"""Contract A's totals and daily metrics against numbers worked out by hand.

The numbers are those of tables 3, 3a and 3b of the contract.
"""

from datetime import date
from typing import Any

import pytest
import time_machine
from django.test import Client

from metrics.models import DailyMetric
from orgs.commands.editing import change_organization, remove_person
from orgs.models import Member, Organization, Project, WhiteLabel
from tests.factories import (
    event,
    make_key,
    make_organization,
    make_white_label,
    record,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
GB = 10**9


@pytest.fixture
@snapshot
def label(acme: WhiteLabel) -> WhiteLabel:
    """Add an organization to the white label whose usage must not be counted."""
    make_organization(acme, "org-9", members=[{"external_id": "m"}])
    usage = {"cpu_seconds": 9_000, "gpu_seconds": 900, "storage_bytes_added": 77 * GB}
    record(acme, [event("decoy", organization="org-9", quantities=usage)])
    return acme


def info(label: WhiteLabel, external_id: str = "org-7") -> dict[str, Any]:
    organization = Organization.objects.get(white_label=label, external_id=external_id)
    path = f"{label.owner_id}/whitelabel/organizations/{organization.pk}"
    key = make_key(label, "organizations:read")
    response = Client().get(f"/v1/api/organizations/{path}", headers={"x-api-key": key})
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def day(body: dict[str, Any], name: str) -> dict[str, Any]:
    days: list[dict[str, Any]] = body["dailyMetrics"]
    [metrics] = [day for day in days if day["date"] == f"{name}T00:00:00Z"]
    return metrics


def record_usage(label: WhiteLabel, at: str, **quantities: int) -> None:
    usage = event(f"e-{at}-{quantities}", timestamp=at, quantities=quantities)
    assert record(label, [usage]).accepted == 1


def test_metrics_are_365_days_through_today_with_zeros(
    label: WhiteLabel,
) -> None:
    days = info(label)["dailyMetrics"]

    assert len(days) == 365
    assert days[0]["date"] == "2025-11-22T00:00:00Z"
    assert days[-1]["date"] == "2026-11-21T00:00:00Z"
    assert len({day["date"] for day in days}) == 365
    numbers = [v for day in days for v in day.values() if not isinstance(v, str)]
    assert len(numbers) == 365 * 18
    assert set(numbers) == {0}


def test_compute_has_three_totals_in_three_units(label: WhiteLabel) -> None:
    record_usage(label, "2026-11-19T10:00:00Z", cpu_seconds=100, gpu_seconds=7)
    record_usage(label, "2026-11-19T23:59:59Z", cpu_seconds=20)
    record_usage(label, "2026-11-20T00:00:00Z", gpu_seconds=5)

    body = info(label)

    assert (body["cpuComputeTime"], body["gpuComputeTime"]) == (120, 12)
    assert body["totalComputeTime"] == 2.2  # minutes: 132 / 60
    first, second = day(body, "2026-11-19"), day(body, "2026-11-20")
    assert first["computeTimeSeconds"] == 120 + 3 * 7
    assert second["computeTimeSeconds"] == 15
    assert second["totalCurrentContractCpuComputeTimeSeconds"] == 120
    assert second["totalCurrentContractGpuComputeTimeSeconds"] == 12
    assert second["totalCurrentContractComputeTimeSeconds"] == 120 + 3 * 12


def test_gpu_weight_is_a_setting_of_the_white_label() -> None:
    label = make_white_label("double", gpu_weight=2)
    make_organization(label)
    record_usage(label, "2026-11-21T10:00:00Z", cpu_seconds=100, gpu_seconds=7)

    body = info(label)

    today = body["dailyMetrics"][-1]
    assert today["computeTimeSeconds"] == 114
    assert today["totalCurrentContractComputeTimeSeconds"] == 114
    assert body["totalComputeTime"] == 107 / 60


def test_storage_accumulates_from_day_to_day(label: WhiteLabel) -> None:
    record_usage(label, "2026-11-18T10:00:00Z", storage_bytes_added=50 * GB)
    record_usage(
        label, "2026-11-20T10:00:00Z", storage_bytes_added=7, storage_bytes_deleted=11
    )

    body = info(label)

    totals = [d["totalStorageSizeBytes"] for d in body["dailyMetrics"][-5:]]
    assert totals == [0, 50 * GB, 50 * GB, 50 * GB - 4, 50 * GB - 4]
    assert day(body, "2026-11-20")["storageBytesAdded"] == 7
    assert day(body, "2026-11-20")["storageBytesDeleted"] == 11
    assert body["totalStorage"] == 50 * GB - 4


def test_totals_include_storage_and_members_from_before_the_365_days() -> None:
    label = make_white_label("old")
    member = {"external_id": "m", "added_at": "2024-01-01T00:00:00Z"}
    org = make_organization(label, created_at="2023-01-01T00:00:00Z", members=[member])
    DailyMetric.objects.create(
        organization_id=org.pk, day=date(2024, 5, 5), storage_bytes_added=40
    )

    first = info(label)["dailyMetrics"][0]

    assert (first["totalUsers"], first["usersAdded"]) == (1, 0)
    assert (first["totalStorageSizeBytes"], first["storageBytesAdded"]) == (40, 0)


def test_members_and_projects_count_from_addition_to_removal(label: WhiteLabel) -> None:
    make_organization(
        label,
        "org-5",
        members=[
            {"external_id": "a", "added_at": "2026-11-17T08:00:00Z"},
            {"external_id": "b", "added_at": "2026-11-17T09:00:00Z", "is_staff": True},
            {"external_id": "c", "added_at": "2026-11-19T09:00:00Z"},
        ],
        projects=[{"external_id": "p", "added_at": "2026-11-18T09:00:00Z"}],
    )
    remove_person(Member.objects.get(external_id="b"))
    remove_person(Project.objects.get(external_id="p"))

    days = info(label, "org-5")["dailyMetrics"][-6:]

    assert [d["totalUsers"] for d in days] == [0, 2, 2, 3, 3, 2]
    assert [d["usersAdded"] for d in days] == [0, 2, 0, 1, 0, 0]
    assert [d["usersDeleted"] for d in days] == [0, 0, 0, 0, 0, 1]
    assert [d["totalStaffUsers"] for d in days] == [0, 1, 1, 1, 1, 0]
    assert [d["staffUsersAdded"] for d in days] == [0, 1, 0, 0, 0, 0]
    assert [d["staffUsersDeleted"] for d in days] == [0, 0, 0, 0, 0, 1]
    assert [d["totalProjects"] for d in days] == [0, 0, 1, 1, 1, 0]
    assert [d["projectsDeleted"] for d in days] == [0, 0, 0, 0, 0, 1]


def test_a_personal_organization_has_no_users(label: WhiteLabel) -> None:
    org = make_organization(label, "solo", members=[{"external_id": "a"}])
    change_organization(org, {"is_personal": True})

    days = info(label, "solo")["dailyMetrics"]

    assert {d["totalUsers"] for d in days} == {0}
    assert {d["totalStaffUsers"] for d in days} == {0}


def test_contract_totals_count_from_the_contract_start(
    label: WhiteLabel, org: Organization
) -> None:
    record_usage(label, "2026-11-09T23:00:00Z", cpu_seconds=1_000)
    record_usage(label, "2026-11-10T00:00:00Z", cpu_seconds=7)
    record_usage(label, "2026-11-12T10:00:00Z", gpu_seconds=5)
    assert info(label)["cpuComputeTime"] == 1_007

    change_organization(org, {"contract_started_on": date(2026, 11, 10)})
    body = info(label)

    assert (body["cpuComputeTime"], body["gpuComputeTime"]) == (7, 5)
    assert body["totalComputeTime"] == 0.2
    assert body["computeTimeCurrentContractSince"] == "2026-11-10T00:00:00Z"
    ninth = day(body, "2026-11-09")
    assert ninth["cpuComputeTimeSeconds"] == 1_000
    assert ninth["totalCurrentContractCpuComputeTimeSeconds"] == 0
    assert ninth["computeTimeCalculatedSince"] == "2026-11-10T00:00:00Z"
    assert day(body, "2026-11-12")["totalCurrentContractComputeTimeSeconds"] == 22


def test_without_contract_totals_count_from_the_creation(label: WhiteLabel) -> None:
    assert info(label)["computeTimeCurrentContractSince"] == "2026-01-05T00:00:00Z"


def test_late_event_changes_its_day_and_all_later_totals(label: WhiteLabel) -> None:
    record_usage(label, "2026-11-20T10:00:00Z", cpu_seconds=10)
    record_usage(label, "2026-11-18T10:00:00Z", cpu_seconds=5)

    days = info(label)["dailyMetrics"][-4:]

    totals = [d["totalCurrentContractCpuComputeTimeSeconds"] for d in days]
    assert totals == [5, 5, 15, 15]


def test_days_are_in_the_time_zone_of_the_white_label() -> None:
    label = make_white_label("nepal", time_zone="Asia/Kathmandu")  # +05:45
    make_organization(label, contract_started_on="2026-11-20")
    record_usage(label, "2026-11-19T18:14:59Z", cpu_seconds=1)
    record_usage(label, "2026-11-19T18:15:00Z", cpu_seconds=10)
    record_usage(label, "2026-11-20T18:15:00Z", cpu_seconds=100)

    body = info(label)

    seconds = [d["cpuComputeTimeSeconds"] for d in body["dailyMetrics"][-3:]]
    assert seconds == [1, 10, 100]
    assert body["cpuComputeTime"] == 110
    assert body["computeTimeCurrentContractSince"] == "2026-11-19T18:15:00Z"
    with time_machine.travel("2026-11-21T18:15:00Z", tick=False):
        assert info(label)["dailyMetrics"][-1]["date"] == "2026-11-22T00:00:00Z"


def test_sums_above_64_bits_are_written_exactly(label: WhiteLabel) -> None:
    largest = 2**63 - 1
    for at in ("2026-11-19T10:00:00Z", "2026-11-20T10:00:00Z"):
        record_usage(label, at, gpu_seconds=largest, storage_bytes_added=largest)

    body = info(label)

    assert body["gpuComputeTime"] == 2 * largest
    assert body["totalStorage"] == 2 * largest
    last = body["dailyMetrics"][-1]
    assert last["totalCurrentContractComputeTimeSeconds"] == 6 * largest
