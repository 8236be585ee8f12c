"""The settings: staff, white labels, and background jobs."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from orgs.commands.account_emails import send_email
from orgs.models import AccountEmail, User, WhiteLabel
from tests.factories import NOW, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    make_user("root", is_superuser=True)
    for role in ("viewer", "support", "finance", "operator"):
        make_user(role, role)
    make_user("bound", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


# --- staff ------------------------------------------------------------------------

INVITATION = {"email": "eva@example.com", "name": "Eva Ng", "roles": ["finance"]}


def test_an_invited_person_chooses_a_password_by_a_link() -> None:
    answer = of("root").post(reverse("orgs:invite_staff"), INVITATION)
    assert answer.status_code == 302
    user = User.objects.get(email="eva@example.com")
    assert (user.is_staff, user.has_usable_password()) == (True, False)
    assert [group.name for group in user.groups.all()] == ["finance"]

    row = AccountEmail.objects.get()
    assert row.facts == {"invited_by": "root"}
    send_email(row.pk)
    [sent] = mail.outbox
    match = re.search(
        r"https?://[^/]+(/accounts/password/reset/key/\S+)", str(sent.body)
    )
    assert match
    client = Client()
    form = client.get(match[1], follow=True).redirect_chain[-1][0]
    password = "A-long-one-4711"
    client.post(form, {"password1": password, "password2": password})
    user.refresh_from_db()
    assert user.check_password(password)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"email": "x"}, "email"),
        ({"email": "ROOT@example.com"}, "email"),
        ({"username": "Root"}, "username"),
        ({"username": "a b\x00"}, "username"),
        ({"roles": ["owner"]}, "roles"),
        ({"white_label": "nowhere"}, "white_label"),
    ],
)
def test_bad_invitations_are_refused_at_their_field(
    data: dict[str, Any], field: str
) -> None:
    answer = of("root").post(reverse("orgs:invite_staff"), {**INVITATION, **data})

    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert not User.objects.filter(email="eva@example.com").exists()
    assert not AccountEmail.objects.exists()


def edit(client: Client, user: User, **changes: Any) -> Any:
    url = reverse("orgs:edit_staff", args=[user.pk])
    form = client.get(url).context["form"]
    data = {"roles": form.initial["roles"], "white_label": form.initial["white_label"]}
    flags = {name: "on" for name in ("is_superuser", "is_active") if form.initial[name]}
    proof = {"before": form.initial["before"], "reason": "Moved"}
    sent = {**data, **flags, **proof, **changes}
    return client.post(url, {k: v for k, v in sent.items() if v is not None})


def test_access_is_changed_with_a_reason_and_ends_sessions() -> None:
    root, person = of("root"), User.objects.get(username="viewer")
    theirs = of("viewer")
    assert edit(root, person, reason="").status_code == 422
    answer = edit(root, person, roles=["support"], white_label="acme")

    assert answer.status_code == 302
    person.refresh_from_db()
    assert person.white_label == WhiteLabel.objects.get(slug="acme")
    assert [group.name for group in person.groups.all()] == ["support"]
    assert theirs.get("/organizations/").status_code == 302
    assert edit(root, person, is_active=None).status_code == 302
    person.refresh_from_db()
    assert not person.is_active


def test_two_managers_lose_nothing_and_the_last_superuser_stays() -> None:
    root, person = of("root"), User.objects.get(username="viewer")
    old = root.get(reverse("orgs:edit_staff", args=[person.pk])).context["form"]
    edit(root, person, roles=["support"])
    answer = edit(root, person, before=old.initial["before"], roles=["finance"])
    assert answer.status_code == 422
    assert answer.context["form"].non_field_errors()

    answer = edit(root, User.objects.get(username="root"), is_superuser=None)
    assert answer.status_code == 422
    assert User.objects.get(username="root").is_superuser


# --- white labels -----------------------------------------------------------------


def test_a_white_label_is_created_and_changed_with_a_reason() -> None:
    client, url = of("operator"), reverse("orgs:new_white_label")
    data = {"name": "Nova", "slug": "nova", "gpu_weight": "4"}
    zone = {"time_zone": "Europe/Zurich", "currency": "chf"}
    assert client.post(url, {**data, **zone}).status_code == 302
    label = WhiteLabel.objects.get(slug="nova")
    assert (label.currency, label.owner is None) == ("chf", False)
    assert client.post(url, {**data, **zone}).status_code == 422

    url = reverse("billing:edit_white_label", args=[label.pk])
    form = client.get(url).context["form"]
    data = {"name": "Nova Cloud", "gpu_weight": "5", "default_rate_limit": "300"}
    proof = {"before": form.initial["before"]}
    assert client.post(url, {**data, **proof}).status_code == 422
    proof["reason"] = "Renamed"
    proof["previewed_weight"] = "5"
    assert client.post(url, {**data, **proof}).status_code == 302
    label.refresh_from_db()
    assert (label.name, label.gpu_weight, label.default_rate_limit) == (
        "Nova Cloud",
        5,
        300,
    )
    assert client.post(url, {**data, **proof}).status_code == 409


def test_people_of_one_white_label_see_and_change_only_theirs(
    acme: WhiteLabel,
) -> None:
    bound, decoy = of("bound"), WhiteLabel.objects.get(slug="decoy")
    page = bound.get(reverse("orgs:white_labels")).content.decode()
    assert re.findall(r'data-white-label="(\w+)"', page) == ["decoy"]
    for label, status in ((decoy, 200), (acme, 404)):
        url = reverse("billing:edit_white_label", args=[label.pk])
        assert bound.get(url).status_code == status
    assert bound.get(reverse("orgs:new_white_label")).status_code == 403
    assert bound.get(reverse("billing:background_jobs")).status_code == 404
    assert reverse("billing:background_jobs") not in page


# --- background jobs --------------------------------------------------------------


def test_jobs_are_counted_by_kind_and_failed_ones_retried() -> None:
    address = "a@example.com"
    for state, ended in (("pending", None), ("failed", NOW)):
        AccountEmail.objects.create(
            kind="password_reset",
            address=address,
            state=state,
            finished_at=ended,
            attempts=6,
            next_attempt_at=NOW,
        )
    client, url = of("operator"), reverse("billing:background_jobs")
    answer = client.get(url)
    kinds = {kind.slug: kind for kind in answer.context["kinds"]}
    emails = kinds["account_emails"]
    assert (emails.waiting, emails.running, emails.failed) == (1, 0, 1)
    assert emails.waiting_since == NOW
    assert {queue.name for queue in answer.context["queues"]} >= {"celery", "stripe"}
    assert all(queue.messages is not None for queue in answer.context["queues"])

    retry = reverse("billing:retry_background_jobs", args=["account_emails"])
    assert client.post(retry).status_code == 302
    assert AccountEmail.objects.filter(state="pending").count() == 2
    charges = reverse("billing:retry_background_jobs", args=["charges"])
    assert client.post(charges).status_code == 404


@pytest.mark.usefixtures("without_valkey")
def test_the_page_says_that_the_broker_does_not_answer() -> None:
    answer = of("operator").get(reverse("billing:background_jobs"))

    assert answer.status_code == 200
    assert {queue.messages for queue in answer.context["queues"]} == {None}


# --- roles ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "tabs"),
    [
        ("viewer", {"White labels", "Prices", "Roles"}),
        ("support", {"White labels", "Prices", "Roles"}),
        ("finance", {"White labels", "Prices", "Roles", "Email templates"}),
        ("root", None),
    ],
)
def test_the_tabs_are_those_that_a_person_may_open(
    role: str, tabs: set[str] | None
) -> None:
    client = of(role)
    page = client.get(reverse("orgs:white_labels")).content.decode()
    [row] = re.findall(r'aria-label="Settings">(.*?)</nav>', page, re.S)
    shown = re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', row)
    links = {label.strip(): href for href, label in shown}

    assert tabs is None or set(links) == tabs
    assert {client.get(href).status_code for href in links.values()} == {200}


@pytest.mark.parametrize("role", ["viewer", "support", "finance", "operator"])
def test_only_superusers_manage_accounts(role: str) -> None:
    client, person = of(role), User.objects.get(username="root")
    for name, arguments in (
        ("staff", []),
        ("invite_staff", []),
        ("edit_staff", [person.pk]),
    ):
        path = reverse(f"orgs:{name}", args=arguments)
        assert client.get(path).status_code == 403
        assert client.post(path, INVITATION).status_code == 403
