"""View as another account: what it shows, that it only reads, and that it ends."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from billing.exports.queries import contents
from billing.models import Export
from orgs.commands.views_as import end_views_that_are_over
from orgs.models import Note, Organization, SecurityEvent, User, ViewAs, WhiteLabel
from orgs.models.views_as import LONGEST
from orgs.security_log.repeats import repeats
from tests.factories import NOW, make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
READ_ONLY = "which only reads"


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    repeats.forget()
    for name, role in (("oona", "operator"), ("ann", "support")):
        make_user(name, role)
    make_user("lia", "viewer", white_label=acme)
    make_user("boss", white_label=acme, is_superuser=True)
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def form_of(org: Organization) -> str:
    return reverse("orgs:view_as", args=[org.pk])


@pytest.fixture
def viewer(org: Organization) -> Client:
    """Return an operator who views as lia, an account of acme."""
    client = of("oona")
    data = {"account": "LIA", "reason": "She sees no invoices"}
    assert client.post(form_of(org), data).status_code == 302
    return client


def test_it_shows_exactly_what_the_account_sees(
    viewer: Client, org: Organization
) -> None:
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    own = of("lia")
    paths = [
        *("/", "/organizations/", "/history/", "/alerts/", "/security-log/"),
        *("/api-keys/", "/nowhere/", "/admin/", "/exports/", "/view-as/acme/"),
        *(f"/organizations/{org.pk}/{tab}" for tab in ("", "billing/", "people/")),
        f"/organizations/{decoy.pk}/",
        f"/api/v1/organizations/{org.pk}",
        f"/api/v1/organizations/{decoy.pk}",
        f"/api/v1/billing/costs/{org.pk}",
    ]
    answers = {path: (viewer.get(path), own.get(path)) for path in paths}

    assert {path: seen.status_code for path, (seen, _) in answers.items()} == {
        path: theirs.status_code for path, (_, theirs) in answers.items()
    }
    for path, (seen, theirs) in answers.items():
        if not path.startswith("/api/") and seen.status_code != 302:
            assert "Viewing as <b>lia of Acme</b> until" in seen.content.decode(), path
            assert "data-view-as" not in theirs.content.decode()
    nav = [one.context["nav"] for one in (viewer.get("/alerts/"), own.get("/alerts/"))]
    assert [item.key for item in nav[0]] == [item.key for item in nav[1]]


@pytest.mark.parametrize("path", ["/organizations.csv", "/api/v1/tables/history.csv"])
def test_it_starts_no_export(
    viewer: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MAX_ROWS", 0)
    assert viewer.get(path).status_code == 403
    assert not Export.objects.exists()
    viewer.post(reverse("orgs:stop_view_as"))
    assert viewer.get(path).status_code in {202, 303}


def test_it_changes_nothing(viewer: Client, org: Organization) -> None:
    before = SecurityEvent.objects.filter(kind="access_denied").count()
    writes = [
        reverse("orgs:notes", args=[org.pk]),
        reverse("billing:edit_limits", args=[org.pk]),
        "/admin/orgs/organization/add/",
        "/view-as/acme/",
    ]
    for path in writes:
        answer = viewer.post(path, {"text": "x"})
        assert answer.status_code == 403
        assert READ_ONLY in answer.content.decode()
    api = f"/api/v1/organizations/{org.pk}"
    for method in ("patch", "delete", "put", "post"):
        answer = getattr(viewer, method)(api, {}, content_type="application/json")
        assert answer.status_code == 403
        assert READ_ONLY in answer.json()["errors"][0]["message"]
    restore = f"/v1/api/organizations/1/whitelabel/organizations/{org.pk}/restore"
    assert viewer.get(restore).status_code == 403
    assert not Note.objects.exists()
    assert viewer.get("/security-log/").status_code == 403  # as lia, done by oona

    denied = SecurityEvent.objects.filter(kind="access_denied")
    assert denied.count() > before
    assert set(denied.values_list("actor_name", flat=True)) == {"oona"}


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/sessions/",
        "/accounts/2fa/",
        "/accounts/email/",
        "/people/1/sessions/",
    ],
)
def test_the_security_of_the_account_is_not_shown(viewer: Client, path: str) -> None:
    assert viewer.get(path).status_code == 403


def test_it_ends_when_it_is_stopped(viewer: Client, org: Organization) -> None:
    page = viewer.post(reverse("orgs:stop_view_as"), follow=True)

    assert "data-view-as" not in page.content.decode()
    assert page.context["user"].username == "oona"
    [row] = ViewAs.objects.all()
    assert row.ended_at == NOW
    kinds = ("view_as_started", "view_as_ended")
    events = SecurityEvent.objects.filter(kind__in=kinds).order_by("pk")
    assert [event.kind for event in events] == [*kinds]
    assert {(e.actor_name, e.subject_name) for e in events} == {("oona", "lia")}
    assert events[0].details["reason"] == "She sees no invoices"
    history = viewer.get("/history/").content.decode()
    assert "View as lia started: She sees no invoices" in history
    assert "She sees no invoices" not in of("lia").get("/history/").content.decode()


def test_it_ends_by_itself(viewer: Client, frozen: time_machine.Traveller) -> None:
    frozen.shift(LONGEST - timedelta(seconds=1))
    assert "data-view-as" in viewer.get("/alerts/").content.decode()
    frozen.shift(timedelta(seconds=2))

    page = viewer.get("/alerts/")

    assert "data-view-as" not in page.content.decode()
    assert page.context["user"].username == "oona"
    assert ViewAs.objects.get().ended_at == NOW + LONGEST
    assert SecurityEvent.objects.filter(kind="view_as_ended").count() == 1


def test_a_forgotten_one_is_ended_by_a_task(
    viewer: Client, frozen: time_machine.Traveller
) -> None:
    end_views_that_are_over()
    assert ViewAs.objects.get().ended_at is None
    frozen.shift(timedelta(hours=2))
    end_views_that_are_over()
    end_views_that_are_over()

    assert ViewAs.objects.get().ended_at == NOW + LONGEST
    assert SecurityEvent.objects.filter(kind="view_as_ended").count() == 1


def demote() -> None:
    User.objects.get(username="oona").groups.clear()


def move() -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    User.objects.filter(username="lia").update(white_label=decoy)


def disable() -> None:
    User.objects.filter(username="lia").update(is_active=False)


@pytest.mark.parametrize("change", [demote, move, disable])
def test_it_ends_when_it_is_not_allowed_any_more(viewer: Client, change: Any) -> None:
    change()

    assert b"data-view-as" not in viewer.get("/alerts/").content
    assert ViewAs.objects.get().ended_at == NOW


def test_a_member_sees_the_customer_page_only(org: Organization) -> None:
    client = of("oona")
    other = make_organization(org.white_label, "org-9")
    preview = reverse("billing:customer_preview", args=[org.pk])
    assert client.get(preview).headers["Location"] == form_of(org)
    answer = client.post(form_of(org), {"reason": "What do they see?"})
    assert answer.headers["Location"] == preview

    page = client.get(preview)
    assert "Viewing as <b>a member of Org-7</b>" in page.content.decode()
    assert "Spending limits" in page.content.decode()
    # Without an origin, browsers could not send the form that stops the view.
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert '<meta name="referrer" content="same-origin">' in page.content.decode()
    for path in ("/", "/admin/", f"/organizations/{other.pk}/customer-page/"):
        assert client.get(path).headers["Location"] == preview
    assert client.get(f"/api/v1/organizations/{org.pk}").status_code == 403
    back = client.post(reverse("orgs:stop_view_as"))
    assert back.headers["Location"] == reverse("billing:overview", args=[org.pk])


@pytest.mark.parametrize(
    ("person", "data", "status"),
    [
        ("oona", {"account": "lia", "reason": ""}, 422),
        ("oona", {"account": "lia", "reason": "x" * 1_001}, 422),
        ("oona", {"account": "boss", "reason": "x"}, 422),
        ("oona", {"account": "strange", "reason": "x"}, 422),
        ("oona", {"account": "oona", "reason": "x"}, 422),
        ("ann", {"account": "lia", "reason": "x"}, 403),
        ("lia", {"account": "lia", "reason": "x"}, 403),
        ("strange", {"account": "lia", "reason": "x"}, 404),
    ],
)
def test_only_operators_view_as_accounts_of_the_white_label(
    org: Organization, person: str, data: dict[str, str], status: int
) -> None:
    assert of(person).post(form_of(org), data).status_code == status
    assert not ViewAs.objects.exists()


def test_it_needs_a_recent_login(
    org: Organization, frozen: time_machine.Traveller
) -> None:
    client = of("oona")
    frozen.shift(timedelta(minutes=45))

    answer = client.post(form_of(org), {"account": "lia", "reason": "x"})

    assert answer.status_code == 302
    assert not ViewAs.objects.exists()


def test_logging_out_ends_it(viewer: Client) -> None:
    viewer.post(reverse("account_logout"))

    assert ViewAs.objects.get().ended_at == NOW
    assert viewer.get("/alerts/").status_code == 302


def test_another_one_ends_the_one_that_was_left_open(
    viewer: Client, org: Organization
) -> None:
    again = of("oona").post(form_of(org), {"account": "lia", "reason": "New browser"})

    assert again.status_code == 302
    assert [row.ended_at for row in ViewAs.objects.order_by("pk")] == [NOW, None]
    assert b"data-view-as" not in viewer.get("/alerts/").content
