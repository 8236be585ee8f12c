"""Recording: each event counts once, and only invalid events are rejected."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from metrics.commands.batch import RecordingResult
from metrics.events import parse_event
from metrics.models import DailyMetric, UsageEvent
from orgs.commands.editing import remove_person
from orgs.errors import InputRejected
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import NOW, delete, event, make_organization, record, usage_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


def codes(result: RecordingResult) -> list[tuple[int, str]]:
    return [(rejection.index, rejection.code) for rejection in result.rejected]


def test_each_event_of_a_batch_has_its_own_result(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event("old")])

    result = record(
        acme,
        [
            event("new", quantities={"requests": 7}),
            event("lost", organization="org-8"),
            event("old"),
            event("strange", quantities={"smiles": 1}),
            event("also new", quantities={"requests": 11, "cpu_seconds": 2}),
        ],
    )

    assert (result.accepted, result.duplicates) == (2, 1)
    assert codes(result) == [(1, "organization_not_found"), (3, "unknown_meter")]
    assert usage_of(org, "meter", "quantity") == [("cpu_seconds", 2), ("requests", 23)]
    assert UsageEvent.objects.count() == 3


def test_events_sent_again_are_duplicates(acme: WhiteLabel, org: Organization) -> None:
    batch = [event(f"e-{n}", quantities={"requests": n, "gpu_seconds": 2 * n})
             for n in (3, 5, 11)]  # fmt: skip
    record(acme, batch)

    again = record(acme, batch[::-1])

    assert (again.accepted, again.duplicates, again.rejected) == (0, 3, [])
    assert usage_of(org, "meter", "quantity") == [("gpu_seconds", 38), ("requests", 19)]
    assert DailyMetric.objects.get(organization_id=org.id).gpu_seconds == 38


@pytest.mark.parametrize(
    "change",
    [
        {"product": "claude"},
        {"quantities": {"requests": 6}},
        {"quantities": {"requests": 5, "cpu_seconds": 1}},
        {"project": "p-2"},
    ],
)
def test_another_body_with_the_same_key_is_a_conflict(
    acme: WhiteLabel, org: Organization, change: dict[str, Any]
) -> None:
    record(acme, [event()])

    result = record(acme, [event(**change)])

    assert codes(result) == [(0, "event_conflict")]
    assert result.accepted == result.duplicates == 0
    assert usage_of(org, "product", "meter", "quantity") == [("gpt", "requests", 5)]


def test_the_timestamp_is_part_of_the_key_in_any_notation(
    acme: WhiteLabel, org: Organization
) -> None:
    same = event(timestamp="2026-11-21T12:00:00+01:00")
    later = event(timestamp="2026-11-21T11:00:00.000001Z")

    result = record(acme, [event(), same, later])

    assert (result.accepted, result.duplicates) == (2, 1)
    assert usage_of(org, "quantity") == [(10,)]


def test_repeats_inside_a_batch_count_once_and_the_first_body_wins(
    acme: WhiteLabel, org: Organization
) -> None:
    other = event(quantities={"requests": 700})

    result = record(acme, [event(), event(), other, event("e-2"), event()])

    assert (result.accepted, result.duplicates) == (2, 2)
    assert codes(result) == [(2, "event_conflict")]
    assert usage_of(org, "quantity") == [(10,)]


def test_organizations_of_other_white_labels_are_not_found(acme: WhiteLabel) -> None:
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")

    result = record(
        acme,
        [
            event("a", organization="ORG-7"),
            {**event("b", organization_id=decoy.id), "organization": None},
            event("c", organization_id=2**63 - 1),
            event("d", organization_id=decoy.id),
        ],
    )

    assert codes(result) == [(n, "organization_not_found") for n in range(4)]
    assert UsageEvent.objects.count() == 0


def test_id_and_external_id_must_agree(acme: WhiteLabel, org: Organization) -> None:
    other = make_organization(acme, "org-9")

    result = record(
        acme,
        [event("a", organization_id=org.id), event("b", organization_id=other.id)],
    )

    assert (result.accepted, codes(result)) == (1, [(1, "organization_not_found")])


def test_usage_is_recorded_until_the_organization_was_deleted(
    acme: WhiteLabel, org: Organization
) -> None:
    make_organization(acme, "org-8")
    delete(org)  # at 12:00
    late = {"timestamp": "2026-11-21T12:00:00.000001Z"}

    result = record(
        acme,
        [
            event("before", timestamp="2026-11-21T11:59:00Z"),
            event("at", timestamp="2026-11-21T12:00:00Z"),
            event("after", **late),
            event("other", organization="org-8", **late),
        ],
    )

    assert (result.accepted, codes(result)) == (3, [(2, "organization_deleted")])
    assert usage_of(org, "quantity") == [(10,)]


def test_usage_of_a_deleted_project_is_recorded(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event("a", project="p")])
    project = Project.objects.get(organization=org)
    remove_person(project, at=NOW - timedelta(minutes=30))
    named = {"project": "p"}
    by_id = {"project_id": project.pk}

    result = record(
        acme,
        [
            event("b", **named),
            event("c", timestamp="2026-11-21T11:45:00Z", **named),
            event("d", **by_id),
        ],
    )

    assert (result.accepted, result.rejected) == (3, [])
    assert Project.objects.get(organization=org).deleted_at is not None


def test_a_batch_for_one_organization_accepts_no_other(
    acme: WhiteLabel, org: Organization
) -> None:
    make_organization(acme, "org-9")
    nameless = event("a")
    del nameless["organization"]

    result = record(
        acme,
        [nameless, event("b"), event("c", organization="org-9")],
        organization_id=org.id,
    )

    assert (result.accepted, codes(result)) == (2, [(2, "organization_not_found")])


@pytest.mark.parametrize(
    ("timestamp", "accepted"),
    [
        ("2025-10-17T12:00:00Z", 1),  # 400 days before NOW, to the second
        ("2025-10-17T11:59:59.999999Z", 0),
        ("2026-11-22T12:00:00Z", 1),
        ("2026-11-22T12:00:00.000001Z", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("9999-12-31T23:59:59-12:00", 0),
    ],
)
def test_events_are_accepted_from_400_days_ago_to_a_day_ahead(
    acme: WhiteLabel, timestamp: str, accepted: int
) -> None:
    result = record(acme, [event(timestamp=timestamp), event("neighbour")])

    assert result.accepted == accepted + 1
    assert codes(result) == [(0, "timestamp_out_of_window")][accepted:]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantities": {"storage_byte_days": 5}}, "unknown_meter"),
        ({"quantities": {"Requests": 5}}, "unknown_meter"),
        ({"id": "a\x00b"}, "invalid_character"),
        ({"project": "a\x00b"}, "invalid_character"),
        ({"project_id": 2**62}, "project_not_found"),
    ],
)
def test_each_rejection_has_its_code(
    acme: WhiteLabel, change: dict[str, Any], code: str
) -> None:
    result = record(acme, [event("neighbour"), event(**change)])

    assert (result.accepted, codes(result)) == (1, [(1, code)])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("quantities", {}, "invalid_quantities"),
        ("quantities", {"requests": 1.0}, "invalid_quantities"),
        ("quantities", {"requests": "7"}, "invalid_quantities"),
        ("quantities", {"requests": True}, "invalid_quantities"),
        ("quantities", {"requests": -1}, "invalid_quantities"),
        ("quantities", {"requests": 2**63}, "invalid_quantities"),
        ("timestamp", "2026-11-21T11:00:00", "timezone_required"),
        ("timestamp", 1_700_000_000, "invalid_timestamp"),
        ("timestamp", "2026-02-30T11:00:00Z", "invalid_timestamp"),
        ("id", "", "invalid_id"),
        ("id", "x" * 201, "invalid_id"),
        ("product", " gpt", "invalid_product"),
        ("product", "gpt ", "invalid_product"),
        ("product", "", "invalid_product"),
        ("product", "x" * 201, "invalid_product"),
        ("product", 'g"pt', "invalid_product"),
        ("product", "g\\pt", "invalid_product"),
        ("product", "<b>", "invalid_product"),
        ("product", "gpt\n", "invalid_product"),
        ("is_staff", True, "unknown_field"),
    ],
)
def test_an_invalid_event_is_rejected_by_field(
    field: str, value: object, code: str
) -> None:
    with pytest.raises(InputRejected) as refused:
        parse_event(orjson.dumps({**event(), field: value}))

    assert refused.value.code == code


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"{", b"\xff", b'{"id": "\\ud800"}', b"[" * 100_000]
)
def test_invalid_json_is_rejected(raw: bytes) -> None:
    with pytest.raises(InputRejected):
        parse_event(raw)
