"""The Details tab: edited in place, previewed, saved with a reason, and undone."""

import re
from datetime import date
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from orgs.models import Entitlements, Organization, User, WhiteLabel
from tests.factories import event, make_user, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
TIB = 1 << 40


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    for name, role in (("ann", "support"), ("oona", "operator"), ("vic", "viewer")):
        make_user(name, role)
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def tab(org: Organization) -> str:
    return reverse("billing:details", args=[org.pk])


def begin(org: Organization, slug: str, client: Client) -> dict[str, Any]:
    """Open a card; return what its form would send, untouched."""
    page = client.get(tab(org), {"edit": slug})
    [card] = [card for card in page.context["cards"] if card.form]
    fields = {name: card.form[name].value() for name in card.form.fields}
    data = {
        name: card.form.fields[name].prepare_value(value)
        for name, value in fields.items()
        if value is not None
    }
    return {**data, "reason": "Asked by phone"}


def post(org: Organization, slug: str, client: Client, **data: Any) -> Any:
    url = reverse("billing:edit_details", args=[org.pk, slug])
    return client.post(url, {**begin(org, slug, client), **data})


def texts(answer: Any, name: str) -> list[str]:
    """Return the values of an attribute of the page."""
    return re.findall(rf'{name}="([^"]*)"', answer.content.decode())


@pytest.mark.parametrize(
    ("slug", "typed", "expected"),
    [
        ("name", {"name": "Acme  Zürich"}, {"name": "Acme  Zürich"}),
        ("name", {"external_id": "org-70"}, {"external_id": "org-70"}),
        (
            "contact",
            {"billing_email": "a@b.example"},
            {"billing_email": "a@b.example"},
        ),
        ("address", {"address_city": "Basel"}, {"address_city": "Basel"}),
        (
            "contract",
            {"contract_started_on": "2026-02-01"},
            {"contract_started_on": date(2026, 2, 1)},
        ),
        ("rate-limit", {"rate_limit": "250"}, {"rate_limit": 250}),
    ],
)
def test_a_card_is_saved_with_its_reason_and_undone(
    org: Organization, slug: str, typed: dict[str, str], expected: dict[str, Any]
) -> None:
    client, [name] = of("ann"), expected
    before = getattr(org, name)
    assert post(org, slug, client, **typed).status_code == 302

    org.refresh_from_db()
    assert getattr(org, name) == expected[name]
    page = client.get(tab(org))
    assert texts(page, "data-undo-seconds") == ["10"]
    history = client.get(reverse("orgs:history", args=[org.pk])).content.decode()
    assert "Asked by phone" in history

    client.post(reverse("billing:undo_details", args=[org.pk]))
    org.refresh_from_db()
    assert getattr(org, name) == before
    assert texts(client.get(tab(org)), "data-undo-seconds") == []


def test_entitlements_are_written_in_natural_units(org: Organization) -> None:
    client = of("ann")
    typed = {
        "storage_bytes": "8.5",
        "compute_seconds_per_year": "1500",
        "gpu_seconds_per_year": "90 min",
        "projects": "0",
        "users": "",
    }
    assert post(org, "entitlements", client, **typed).status_code == 302

    row = Entitlements.objects.get(organization=org)
    assert row.storage_bytes == 17 * TIB // 2
    assert row.compute_seconds_per_year == 1500 * 3600
    assert row.gpu_seconds_per_year == 5400
    assert (row.projects, row.users) == (0, None)
    shown = begin(org, "entitlements", client)
    assert shown["storage_bytes"] == "8.5 TiB"
    assert shown["gpu_seconds_per_year"] == "1.5 h"


def test_a_preview_is_what_happens_and_writes_nothing(org: Organization) -> None:
    used = {"storage_bytes_added": 9 * TIB, "cpu_seconds": 7200}
    record(org.white_label, [event("e-1", organization="org-7", quantities=used)])
    client = of("ann")
    limits = {"storage_bytes": "10", "compute_seconds_per_year": "1"}
    answer = post(org, "entitlements", client, step="preview", **limits)

    assert answer.status_code == 200
    assert texts(answer, "data-preview") == ["changes"]
    assert texts(answer, "data-entitlement") == ["compute_seconds", "storage_bytes"]
    assert "usage_90" in texts(answer, "data-kind")
    assert "usage_100" in texts(answer, "data-kind")
    assert not Entitlements.objects.filter(storage_bytes=10 * TIB).exists()
    assert "10" in texts(answer, "value")

    start = {"contract_started_on": "2026-11-25"}
    answer = post(org, "contract", client, step="preview", **start)
    assert "data-year" in answer.content.decode()
    org.refresh_from_db()
    assert org.contract_started_on is None
    answer = post(org, "contact", client, step="preview", domain="a.example")
    assert texts(answer, "data-preview") == ["nothing"]


def test_an_organization_is_deleted_with_a_preview_and_restored(
    org: Organization,
) -> None:
    client = of("oona")
    answer = post(org, "deletion", client, step="preview")
    assert texts(answer, "data-access-after") == ["refused"]
    assert post(org, "deletion", client).status_code == 302
    org.refresh_from_db()
    assert org.deleted_at is not None

    client.post(reverse("billing:undo_details", args=[org.pk]))
    org.refresh_from_db()
    assert org.deleted_at is None


def test_the_second_editor_sees_what_changed_and_by_whom(org: Organization) -> None:
    ann, oona = of("ann"), of("oona")
    url = reverse("billing:edit_details", args=[org.pk, "name"])
    opened = begin(org, "name", oona)
    post(org, "name", ann, name="By Ann")

    answer = oona.post(url, {**opened, "name": "By Oona"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Name changed from Org-7 to By Ann by ann" in re.sub(r"\s+", " ", page)
    assert 'value="By Oona"' in page
    org.refresh_from_db()
    assert org.name == "By Ann"
    again = {**opened, "name": "By Oona", "before": texts(answer, "value")}
    [card] = [card for card in answer.context["cards"] if card.form]
    again["before"] = card.form["before"].value()
    assert oona.post(url, again).status_code == 302
    org.refresh_from_db()
    assert org.name == "By Oona"


def test_another_card_is_no_conflict(org: Organization) -> None:
    opened = begin(org, "contact", of("oona"))
    post(org, "name", of("ann"), name="By Ann")

    url = reverse("billing:edit_details", args=[org.pk, "contact"])
    assert of("oona").post(url, {**opened, "domain": "a.example"}).status_code == 302


def test_undo_ends_after_seconds_with_another_change_and_for_others(
    org: Organization, frozen: time_machine.Traveller
) -> None:
    ann, undo = of("ann"), reverse("billing:undo_details", args=[org.pk])
    post(org, "name", ann, name="First")
    of("oona").post(undo)
    post(org, "name", of("oona"), name="Second")
    ann.post(undo)
    org.refresh_from_db()
    assert org.name == "Second"

    post(org, "name", ann, name="Third")
    frozen.shift(20)
    ann.post(undo)
    org.refresh_from_db()
    assert org.name == "Third"


@pytest.mark.parametrize(
    ("slug", "typed"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "x" * 201}),
        ("name", {"name": "x\x00"}),
        ("name", {"name": "a\u202eb"}),
        ("contact", {"billing_email": "ann"}),
        ("contract", {"contract_started_on": "01.02.2026"}),
        ("contract", {"contract_started_on": "2026-02-30"}),
        ("contract", {"contract_started_on": "1999-01-01"}),
        ("contract", {"contract_started_on": "2026-02-01T00:00:00"}),
        *[
            ("entitlements", {"storage_bytes": text})
            for text in (
                *("1,000", "1.000,5", "1e3", "-1", "8 TB/s", "8 h", "NaN", "٣"),
                *("Infinity", "9" * 30, "0x10", "1_000", "TiB"),
            )
        ],
        ("entitlements", {"compute_seconds_per_year": "5 TiB"}),
        ("entitlements", {"projects": "1.5"}),
        ("entitlements", {"users": "3000000000"}),
        ("rate-limit", {"rate_limit": "0"}),
        ("name", {"reason": "  "}),
        ("name", {"reason": "x" * 1_001}),
    ],
)
def test_bad_input_is_refused_at_its_field(
    org: Organization, slug: str, typed: dict[str, str]
) -> None:
    client, [(field, text)] = of("ann"), typed.items()
    answer = post(org, slug, client, **{"name": "Other", **typed})

    assert answer.status_code == 422
    [card] = [card for card in answer.context["cards"] if card.form]
    assert set(card.form.errors) == {field}
    assert card.form[field].value() == text
    before = Organization.objects.values().get(pk=org.pk)
    assert before["name"] == "Org-7"
    assert not Entitlements.objects.filter(storage_bytes__isnull=False).exists()


def test_a_taken_external_id_is_refused_at_its_field(
    org: Organization, acme: WhiteLabel
) -> None:
    Organization.objects.create(white_label=acme, external_id="org-8", name="8")
    answer = post(org, "name", of("ann"), external_id="org-8")

    [card] = [card for card in answer.context["cards"] if card.form]
    assert set(card.form.errors) == {"external_id"}


@pytest.mark.parametrize(("person", "status"), [("vic", 403), ("strange", 404)])
def test_others_change_nothing(org: Organization, person: str, status: int) -> None:
    url = reverse("billing:edit_details", args=[org.pk, "name"])
    undo = reverse("billing:undo_details", args=[org.pk])
    data = begin(org, "name", of("ann"))
    client = of(person)

    assert client.post(url, {**data, "name": "X"}).status_code == status
    assert client.post(undo).status_code == status
    assert client.get(tab(org)).status_code == (200 if person == "vic" else 404)
    org.refresh_from_db()
    assert org.name == "Org-7"


def test_an_organization_is_created_on_a_page(acme: WhiteLabel) -> None:
    url = reverse("billing:new_organization")
    data = {"white_label": "acme", "name": "New", "external_id": "org-new"}
    answer = of("oona").post(url, data)
    created = Organization.objects.get(external_id="org-new")
    assert answer.headers["Location"] == tab(created)
    assert created.created_by == "oona"

    answer = of("oona").post(url, data)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"external_id"}
    assert of("strange").post(url, data).status_code == 422
    assert of("ann").get(url).status_code == 403
