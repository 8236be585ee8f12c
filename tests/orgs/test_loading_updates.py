"""`load_organizations` again: what is known is updated, and never silently ignored."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from metrics.commands.locks import LOCK_ROLL_UP
from metrics.commands.periods import lock_open_periods
from metrics.models import DailyMetric
from orgs.commands.editing import delete_organization, remove_person
from orgs.commands.loading import load_organizations
from orgs.commands.organizations import IncomingMember, IncomingOrganization
from orgs.models import Entitlements, Member, Organization, Project, WhiteLabel
from tests.factories import make_organization, make_white_label
from tests.support.loading import Load, lines
from tests.support.locks import is_awaited_by_another, is_free
from tests.support.parallel import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
LINE: dict[str, Any] = {
    "external_id": "new",
    "name": "New",
    "billing_email": "old@example.com",
    "contract_started_on": "2026-01-01",
    "entitlements": {"storage_bytes": 10, "users": 5},
    "members": [{"external_id": "m", "email": "m@example.com", "name": "Em"}],
    "projects": [{"external_id": "p", "name": "Pe"}],
}
UNCHANGED = (0, "accepted 0 updated 0 unchanged 1 rejected 0\n")
UPDATED = (0, "accepted 0 updated 1 unchanged 0 rejected 0\n")


@pytest.fixture
def load(acme: WhiteLabel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Load:
    load = Load(tmp_path, capsys)
    assert load(lines(LINE), "load_organizations")[0] == 0
    return load


def again(load: Load, **changes: Any) -> tuple[int, str]:
    return load(lines({**LINE, **changes}), "load_organizations")


def loaded() -> Organization:
    return Organization.objects.get(external_id="new")


def test_the_same_line_changes_nothing(load: Load) -> None:
    before = loaded().updated_at

    assert again(load) == UNCHANGED

    assert loaded().updated_at == before


@pytest.mark.parametrize(
    ("changes", "path", "expected"),
    [
        ({"name": "Newer"}, "name", "Newer"),
        ({"billing_email": "new@example.com"}, "billing_email", "new@example.com"),
        ({"billing_email": ""}, "billing_email", ""),
        (
            {"contract_started_on": "2026-02-01"},
            "contract_started_on",
            date(2026, 2, 1),
        ),
        ({"contract_started_on": None}, "contract_started_on", None),
        ({"entitlements": {"users": 6}}, "entitlements.users", 6),
        ({"entitlements": {"users": 6}}, "entitlements.storage_bytes", 10),
        ({"entitlements": {"users": None}}, "entitlements.users", None),
    ],
)
def test_what_a_line_has_is_updated(
    load: Load, changes: dict[str, Any], path: str, expected: object
) -> None:
    assert again(load, **changes) == UPDATED

    value: Any = loaded()
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected
    assert again(load, **changes) == UNCHANGED


@pytest.mark.parametrize("users", [6, None])
def test_another_limit_changes_the_organization(load: Load, users: int | None) -> None:
    before = loaded().updated_at

    assert again(load, entitlements={"users": users}) == UPDATED

    assert loaded().updated_at > before


def test_what_a_line_does_not_have_stays(load: Load) -> None:
    bare = lines(
        {"external_id": "new", "name": "New", "members": [{"external_id": "m"}]}
    )

    assert load(bare, "load_organizations") == UNCHANGED

    assert loaded().billing_email == "old@example.com"
    assert loaded().contract_started_on == date(2026, 1, 1)
    assert Entitlements.objects.get(organization=loaded()).users == 5
    assert Member.objects.get(external_id="m").email == "m@example.com"
    assert Project.objects.filter(organization=loaded()).count() == 1


def test_people_are_added_updated_and_restored(load: Load) -> None:
    remove_person(Member.objects.get(external_id="m"))
    members = [
        {"external_id": "m", "email": "em@example.com"},
        {"external_id": "n", "is_staff": True},
    ]
    projects = [{"external_id": "p", "name": "Pi"}, {"external_id": "q"}]

    assert again(load, members=members, projects=projects) == UPDATED

    rows = Member.objects.filter(organization=loaded()).order_by("external_id")
    assert list(rows.values_list("email", "name", "is_staff", "deleted_at")) == [
        ("em@example.com", "Em", False, None),
        ("", "", True, None),
    ]
    names = Project.objects.filter(organization=loaded()).order_by("external_id")
    assert list(names.values_list("name", flat=True)) == ["Pi", "q"]
    assert again(load, members=members, projects=projects) == UNCHANGED


def test_lines_of_one_organization_are_loaded_in_their_order(load: Load) -> None:
    texts = [{**LINE, "name": name} for name in ("A", "B", "B")]
    other = {"external_id": "other", "name": "Other"}

    answer = load(lines(*texts[:2], other, texts[2], other), "load_organizations")

    assert answer == (0, "accepted 1 updated 2 unchanged 2 rejected 0\n")
    assert loaded().name == "B"


def test_a_deleted_organization_is_named_and_left_alone(load: Load) -> None:
    delete_organization(loaded())

    code, out = again(load, name="Newer", members=[{"external_id": "x"}])

    assert (code, out) == (1, "accepted 0 updated 0 unchanged 0 rejected 1\n")
    [row] = load.rejected_rows()
    assert row["code"] == "organization_deleted"
    assert "'new' is deleted" in row["message"]
    assert loaded().name == "New"
    assert not Member.objects.filter(external_id="x").exists()


def test_other_white_labels_are_not_touched(load: Load) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    other = make_organization(decoy, "new", name="Decoy")

    again(load, name="Newer")

    other.refresh_from_db()
    assert other.name == "Decoy"


@pytest.mark.usefixtures("committed")
def test_no_period_is_waited_for_under_the_roll_up_lock() -> None:
    """New organizations take it; another transaction may hold the period of `old`."""
    label = make_white_label("acme")
    old = make_organization(label, "old")
    member = IncomingMember(external_id="m")
    incoming = [
        IncomingOrganization("new", "New", members=[member]),
        IncomingOrganization("old", "Old"),
        IncomingOrganization("old", "Old", members=[member]),
    ]

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_open_periods([old.pk])
            loading = pool.submit(
                together, [partial(load_organizations, label, incoming)]
            )
            assert is_awaited_by_another()
            assert is_free(LOCK_ROLL_UP)
        [outcomes] = loading.result()

    assert outcomes == ["accepted", "unchanged", "updated"]
    assert list(DailyMetric.objects.values_list("members_added", flat=True)) == [1, 1]
