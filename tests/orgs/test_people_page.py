"""The People tab: members and projects are added, changed, removed, and restored."""

import re
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from orgs.commands.account_emails import send_email
from orgs.models import AccountEmail, Member, Organization, Project, User, WhiteLabel
from tests.factories import NOW, make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    make_user("ann", "support")
    make_user("vic", "viewer")
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def url(org: Organization, name: str = "people", *arguments: object) -> str:
    return reverse(f"orgs:{name}", args=[org.pk, *arguments])


def member(org: Organization, name: str = "Bob", **values: Any) -> Member:
    return Member.objects.create(
        organization=org, external_id=name, name=name, added_at=NOW, **values
    )


def listed(answer: Any) -> list[str]:
    """Return the ids of the rows of a page."""
    return re.findall(r'data-person="(\d+)"', answer.content.decode())


def test_a_member_is_added_and_informed_by_a_worker(org: Organization) -> None:
    data = {"email": "eva@acme.example", "role": "admin", "sends_email": "on"}
    answer = of("ann").post(url(org, "add_person", "members"), data)

    assert answer.status_code == 302
    added = Member.objects.get(organization=org)
    assert (added.external_id, added.role) == ("eva@acme.example", "admin")
    assert mail.outbox == []
    send_email(AccountEmail.objects.get().pk)
    [sent] = mail.outbox
    assert sent.to == ["eva@acme.example"]
    assert "Org-7" in sent.subject
    assert "ann added you" in sent.body
    assert "Your role is admin." in sent.body

    answer = of("ann").post(url(org, "add_person", "members"), data)
    assert answer.status_code == 422
    assert "external_id" in answer.context["form"].errors
    assert AccountEmail.objects.count() == 1


def test_people_are_changed_with_a_reason_and_no_lost_update(org: Organization) -> None:
    ann, bob = of("ann"), member(org)
    edit = url(org, "edit_person", "members", bob.pk)
    before = ann.get(edit).context["form"]["before"].value()
    data = {"name": "Robert", "role": "guest", "reason": "Asked", "before": before}
    assert ann.post(edit, {**data, "reason": ""}).status_code == 422
    assert ann.post(edit, data).status_code == 302

    bob.refresh_from_db()
    assert (bob.name, bob.role) == ("Robert", "guest")
    history = ann.get(reverse("orgs:history", args=[org.pk])).content.decode()
    assert "Asked" in history
    answer = ann.post(edit, {**data, "name": "Rob"})
    assert answer.status_code == 422
    assert answer.context["form"].non_field_errors()
    bob.refresh_from_db()
    assert bob.name == "Robert"


@pytest.mark.parametrize("kind", ["members", "projects"])
def test_people_are_removed_and_restored(org: Organization, kind: str) -> None:
    ann = of("ann")
    row: Any = member(org)
    if kind == "projects":
        row = Project.objects.create(
            organization=org, external_id="p", name="P", added_at=NOW
        )
    removed = ann.post(url(org, "remove_person", kind, row.pk), follow=True)
    assert "data-undo" in removed.content.decode()
    assert str(row.pk) not in listed(ann.get(url(org))) or kind == "projects"
    row.refresh_from_db()
    assert row.deleted_at is not None
    assert str(row.pk) in listed(ann.get(url(org), {"removed": "1"}))

    assert ann.post(url(org, "restore_person", kind, row.pk)).status_code == 302
    row.refresh_from_db()
    assert row.deleted_at is None


def test_lists_are_searched_and_paged(org: Organization) -> None:
    Member.objects.bulk_create(
        Member(organization=org, external_id=f"u{i}", name=f"User {i}", added_at=NOW)
        for i in range(120)
    )
    ann = of("ann")
    first = ann.get(url(org))
    [members, _] = first.context["lists"]
    second = ann.get(url(org) + members["next_url"].partition("#")[0])
    ids = [*listed(first), *listed(second)]
    assert (len(listed(first)), len(ids), len(set(ids))) == (100, 120, 120)
    assert len(listed(ann.get(url(org), {"q": "USER 117"}))) == 1
    assert ann.get(url(org), {"members": "forged"}).status_code == 400


LINES = "eva@acme.example, Eva, admin\n\nbad, x\nbob@acme.example\neva@acme.example\n"


def test_many_members_are_previewed_then_all_or_the_valid_ones_added(
    org: Organization,
) -> None:
    ann, page = of("ann"), url(org, "add_members")
    for step in ("preview", "save"):
        answer = ann.post(page, {"lines": LINES, "step": step})
        assert answer.status_code == 422
        errors = {line.number: bool(line.error) for line in answer.context["lines"]}
        assert errors == {1: False, 3: True, 4: False, 5: True}
        assert Member.objects.count() == 0

    data = {"lines": LINES, "step": "save", "skips_invalid": "on"}
    assert ann.post(page, data).status_code == 302
    rows = Member.objects.order_by("external_id")
    assert [(row.email, row.name, row.role) for row in rows] == [
        ("bob@acme.example", "", "member"),
        ("eva@acme.example", "Eva", "admin"),
    ]


def test_a_file_names_its_columns_in_any_order(org: Organization) -> None:
    text = "\ufeffRole;External ID;Email\nguest;u-1;eva@acme.example\n"
    file = SimpleUploadedFile("members.csv", text.encode())
    answer = of("ann").post(url(org, "add_members"), {"file": file, "step": "save"})

    assert answer.status_code == 302
    row = Member.objects.get()
    assert (row.external_id, row.role) == ("u-1", "guest")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"lines": ""}, "lines"),
        ({"lines": "a@b.example\n" * 600}, "lines"),
        ({"lines": "x" * 300_000}, "lines"),
        ({"file": SimpleUploadedFile("a", b"\xff\xfe")}, "file"),
        ({"file": SimpleUploadedFile("a", b"a@b.example\n" * 30_000)}, "file"),
    ],
)
def test_bad_lists_are_refused(
    org: Organization, data: dict[str, Any], field: str
) -> None:
    answer = of("ann").post(url(org, "add_members"), {**data, "step": "save"})

    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert Member.objects.count() == 0


@pytest.mark.parametrize(
    "values",
    [{"email": ""}, {"email": "x"}, {"role": "owner"}, {"name": "a\u202eb"}],
)
def test_bad_members_are_refused_at_their_field(
    org: Organization, values: dict[str, str]
) -> None:
    data = {"email": "eva@acme.example", "role": "admin", **values}
    answer = of("ann").post(url(org, "add_person", "members"), data)

    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == set(values)
    assert Member.objects.count() == 0


@pytest.mark.parametrize(("person", "status"), [("vic", 403), ("strange", 404)])
def test_others_change_no_member(org: Organization, person: str, status: int) -> None:
    bob, client = member(org), of(person)
    for path in (
        url(org, "add_person", "members"),
        url(org, "add_members"),
        url(org, "edit_person", "members", bob.pk),
        url(org, "remove_person", "members", bob.pk),
        url(org, "restore_person", "members", bob.pk),
    ):
        assert client.post(path, {"email": "a@b.example"}).status_code == status
    assert [row.deleted_at for row in Member.objects.all()] == [None]


def test_a_person_is_reached_by_their_own_organization_only(
    org: Organization, acme: WhiteLabel
) -> None:
    bob, other = member(org), make_organization(acme, "org-8")
    for name in ("edit_person", "remove_person", "restore_person"):
        answer = of("ann").post(url(other, name, "members", bob.pk))
        assert answer.status_code == 404
