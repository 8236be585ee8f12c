"""Notes of staff: written, found, pinned, changed by two people, deleted, restored."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orgs.models import Note, Organization, User, WhiteLabel
from tests.factories import make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
TEXT = "Promised a refund on the phone.\nAnn wants it by Friday. <b>"


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    for name, role in (("ann", "support"), ("bob", "finance"), ("oona", "operator")):
        make_user(name, role)
    make_user("vic", "viewer")
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def url(org: Organization, name: str = "notes", *ids: int) -> str:
    return reverse(f"orgs:{name}", args=[org.pk, *ids])


def add(org: Organization, client: Client, **values: Any) -> Note:
    answer = client.post(url(org), {"text": TEXT, **values})
    assert answer.status_code == 302
    return Note.objects.latest("pk")


def test_a_note_is_added_found_and_in_the_history(org: Organization) -> None:
    ann = of("ann")
    note = add(org, ann, ticket_url="https://tickets.example.com/7", is_pinned="on")
    add(org, of("bob"), text="Pays by bank transfer, always late.")

    page = ann.get(url(org), {"q": "REFUND friday"}).content.decode()
    assert page.count("data-note=") == 1
    assert "&lt;b&gt;" in page
    assert 'href="https://tickets.example.com/7"' in page
    done = f'Note added. <a href="{url(org, "history")}">View history</a>'
    assert page.count(done) == 1
    assert "data-note=" not in ann.get(url(org), {"q": "refund never"}).content.decode()
    for other in ("billing:overview", "orgs:people"):
        assert "data-pinned" in ann.get(reverse(other, args=[org.pk])).content.decode()
    assert (note.author_name, note.author) == ("ann", User.objects.get(username="ann"))
    history = ann.get(url(org, "history")).content.decode()
    assert "Note added: Promised a refund" in history


def test_the_notes_of_all_visible_organizations_are_searched(
    org: Organization,
) -> None:
    add(org, of("ann"))
    decoy = make_organization(WhiteLabel.objects.get(slug="decoy"), "org-8")
    add(decoy, of("ann"))
    fleet = reverse("orgs:fleet_notes")

    assert of("ann").get(fleet, {"q": "refund"}).content.count(b"data-note=") == 2
    assert of("strange").get(fleet, {"q": "refund"}).content.count(b"data-note=") == 1


def test_two_editors_lose_nothing(org: Organization) -> None:
    note = add(org, of("ann"))
    edit = url(org, "edit_note", note.pk)
    first = {"text": "First.", "version": 1}

    assert of("oona").post(edit, first).status_code == 302
    answer = of("ann").post(edit, {"text": "Second.", "version": 1})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "<p>First.</p>" in page
    assert "Second.</textarea>" in page
    assert Note.objects.get(pk=note.pk).text == "First."
    assert 'name="version" value="2"' in page
    again = {"text": "First. Second.", "version": 2}
    assert of("ann").post(edit, again).status_code == 302
    assert Note.objects.get(pk=note.pk).text == "First. Second."


def test_a_deleted_note_can_be_restored(org: Organization) -> None:
    ann, note = of("ann"), add(org, of("ann"), is_pinned="on")
    answer = ann.post(url(org, "delete_note", note.pk), follow=True)
    page = answer.content.decode()
    assert "data-undo" in page
    assert "data-note=" not in page
    assert "data-pinned" not in page
    assert ann.post(url(org, "edit_note", note.pk), first_edit()).status_code == 404

    page = ann.post(url(org, "restore_note", note.pk), follow=True).content.decode()
    assert "data-note=" in page
    assert "data-undo" not in page


def first_edit() -> dict[str, Any]:
    return {"text": "x", "version": 1}


def test_a_note_is_pinned_and_unpinned(org: Organization) -> None:
    ann, note = of("ann"), add(org, of("bob"))
    for pinned in ("1", "0"):
        ann.post(url(org, "pin_note", note.pk), {"pinned": pinned})
        assert Note.objects.get(pk=note.pk).is_pinned is (pinned == "1")


@pytest.mark.parametrize(
    ("person", "status"),
    [("vic", 403), ("bob", 403), ("strange", 404), ("oona", 302), ("ann", 302)],
)
def test_only_authors_and_operators_change_a_note(
    org: Organization, person: str, status: int
) -> None:
    note, client = add(org, of("ann")), of(person)
    for name in ("edit_note", "delete_note", "restore_note"):
        answer = client.post(url(org, name, note.pk), first_edit())
        assert answer.status_code == status
    if person in {"vic", "strange"}:
        assert client.post(url(org), {"text": "x"}).status_code == status
        assert client.post(url(org, "pin_note", note.pk)).status_code == status
        assert Note.objects.count() == 1


def test_a_note_is_reached_by_its_own_organization_only(
    org: Organization, acme: WhiteLabel
) -> None:
    note, other = add(org, of("ann")), make_organization(acme, "org-8")
    for name in ("edit_note", "pin_note", "delete_note", "restore_note"):
        answer = of("ann").post(url(other, name, note.pk), first_edit())
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "x" * 4_001}, "text"),
        ({"text": "x\x00"}, "text"),
        ({"text": "x\u202ey"}, "text"),
        ({"ticket_url": "javascript:alert(1)"}, "ticket_url"),
        ({"ticket_url": "ftp://example.com/"}, "ticket_url"),
        ({"ticket_url": "https://bank.example@evil.example/"}, "ticket_url"),
        ({"ticket_url": "https://example.com/" + "x" * 500}, "ticket_url"),
    ],
)
def test_bad_input_is_refused_at_its_field(
    org: Organization, values: dict[str, str], field: str
) -> None:
    answer = of("ann").post(url(org), {"text": TEXT, **values})

    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert Note.objects.count() == 0
    if field != "text":
        assert "Promised a refund" in answer.content.decode()
