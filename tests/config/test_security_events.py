"""Which acts leave a row in the security log: each is done through its entry point."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from orgs.commands.keys import revoke_api_key, rotate_api_key
from orgs.models import ApiKey, Organization, SecurityEvent, User, WhiteLabel
from orgs.security_log.repeats import repeats
from tests.factories import make_key, make_organization, make_user, make_white_label

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def none_repeated() -> None:
    repeats.forget()


@pytest.fixture
def ann(acme: WhiteLabel) -> User:
    """Return a viewer of a white label, without recorded events."""
    user = make_user("ann", "viewer", white_label=acme)
    user.set_password(PASSWORD)
    user.save()
    SecurityEvent.objects.all().delete()
    return user


def rows(*columns: str) -> list[tuple[Any, ...]]:
    return list(SecurityEvent.objects.order_by("id").values_list("kind", *columns))


def log_in(client: Client, password: str = PASSWORD) -> Any:
    data = {"login": "ann", "password": password}
    return client.post(reverse("account_login"), data)


def test_the_login_page_records_who_logged_in_from_where(
    client: Client, ann: User
) -> None:
    answer = log_in(client)

    [row] = SecurityEvent.objects.values()
    assert row.items() >= {
        "kind": "login", "actor_kind": "person", "actor_id": ann.pk,
        "subject_id": ann.pk, "address": "127.0.0.1", "details": {"method": "page"},
        "white_label_id": ann.white_label_id, "request_id": answer["X-Request-ID"],
    }.items()  # fmt: skip
    client.post(reverse("account_logout"))
    assert rows() == [("login",), ("logout",)]


def basic(client: Client, password: str) -> Any:
    text = base64.b64encode(f"ann:{password}".encode()).decode()
    headers = {"authorization": f"Basic {text}"}
    return client.get("/api/v1/organizations", headers=headers)


def api(client: Client, password: str) -> Any:
    data = {"username": "ann", "password": password}
    path = "/api/v1/users/auth/_login"
    return client.post(path, data, content_type="application/json")


@pytest.mark.parametrize("way_in", [log_in, basic, api])
def test_every_way_in_records_failures_locks_and_no_password(
    client: Client, ann: User, way_in: Callable[[Client, str], Any]
) -> None:
    for _ in range(6):
        way_in(client, "canary-password")

    assert set(rows("subject_name", "outcome")) == {
        ("login_failed", "ann", "failure"),
        ("login_locked", "ann", "denied"),
    }
    assert "canary" not in str(SecurityEvent.objects.values())


def test_an_unknown_name_is_not_recorded_it_may_be_a_password(client: Client) -> None:
    client.post(reverse("account_login"), {"login": "canary", "password": "x"})

    assert rows("subject_name") == [("login_failed", "")]
    assert "canary" not in str(SecurityEvent.objects.values())


def test_basic_and_login_tokens_are_logins(client: Client, ann: User) -> None:
    assert basic(client, PASSWORD).status_code == 200
    assert api(client, PASSWORD).status_code == 200
    assert rows("actor_name") == [("login", "ann")] * 2


def test_changes_of_an_account_are_recorded_one_by_one(ann: User) -> None:
    ann.set_password("another horse battery")
    ann.email, ann.is_superuser, ann.first_name = "new@example.com", True, "Ann"
    ann.save()
    ann.groups.set([Group.objects.get(name="operator")])
    ann.groups.clear()
    ann.save(update_fields=["last_login"])

    assert rows("details") == [
        ("password_changed", {}),
        ("email_changed", {"email": ["ann@example.com", "new@example.com"]}),
        ("roles_changed", {"is_superuser": [False, True]}),
        ("roles_changed", {"removed": ["viewer"]}),
        ("roles_changed", {"added": ["operator"]}),
        ("roles_changed", {"removed": ["all"]}),
    ]


def test_a_role_that_is_given_in_the_admin_names_giver_and_taker(
    client: Client, ann: User
) -> None:
    client.force_login(make_user("root", is_superuser=True))
    SecurityEvent.objects.all().delete()
    url = reverse("admin:orgs_user_change", args=[ann.pk])
    form = client.get(url).context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields}
    joined = {"date_joined_0": "2026-11-01", "date_joined_1": "10:00:00"}
    groups = [Group.objects.get(name="operator").pk]
    for name in ("is_superuser", "last_login", "user_permissions", "password"):
        data.pop(name, None)
    answer = client.post(url, {**data, **joined, "groups": groups})

    assert answer.status_code == 302, answer.context["errors"]
    events = SecurityEvent.objects.filter(details__added=["operator"])
    [given] = events.values_list("actor_name", "subject_name")
    assert given == ("root", "ann")


def test_keys_are_recorded_from_creation_to_refusal(
    client: Client, acme: WhiteLabel
) -> None:
    SecurityEvent.objects.all().delete()
    text = make_key(acme, "organizations:read")
    key = ApiKey.objects.get(white_label=acme)
    new_key, _ = rotate_api_key(key)
    for _ in range(2):
        revoke_api_key(key)
    answer = client.get("/api/v1/organizations", headers={"x-api-key": text})
    assert answer.status_code == 401
    client.get("/api/v1/organizations", headers={"x-api-key": "a password, perhaps"})

    assert rows("subject_id", "white_label_id") == [
        ("api_key_created", key.pk, acme.pk),
        ("api_key_rotated", new_key.pk, acme.pk),
        ("api_key_revoked", key.pk, acme.pk),
        ("api_key_refused", None, None),
        ("api_key_refused", None, None),
    ]
    details = [detail for _, detail in rows("details")]
    assert details[-2:] == [{"start": key.start}, {}]


def test_denied_access_is_recorded_for_pages_admin_and_keys(
    client: Client, ann: User, acme: WhiteLabel
) -> None:
    foreign = make_organization(make_white_label("foreign"), "theirs")
    key = make_key(acme, "organizations:read")
    ann.groups.set([Group.objects.get(name="operator")])
    client.force_login(ann)
    SecurityEvent.objects.all().delete()
    paths = [
        reverse("orgs:history", args=[foreign.pk]),
        reverse("admin:orgs_organization_change", args=[foreign.pk]),
        reverse("admin:orgs_user_changelist"),
    ]
    for path in paths:
        client.get(path)
    path = f"/api/v1/organizations/{foreign.pk}"
    Client().get(path, headers={"x-api-key": key})
    Client().get(path)  # without a credential
    client.get("/nothing/")

    denied = SecurityEvent.objects.filter(kind="access_denied").order_by("id")
    assert [row.details["path"] for row in denied] == [*paths, path]
    assert [row.actor_name for row in denied[:3]] == ["ann"] * 3
    assert denied[3].actor_kind == "api_key"
    assert denied[3].actor_name.startswith("test (ei_")
    assert {row.white_label_id for row in denied} == {acme.pk}


def test_a_file_that_is_sent_is_an_export_with_its_lines(
    client: Client, ann: User, org: Organization
) -> None:
    client.force_login(ann)
    SecurityEvent.objects.all().delete()
    path = reverse("billing:organization_csv")
    answer: Any = client.get(path, {"q": "org"})
    assert rows() == []  # its end is not sent yet
    body = b"".join(answer.streaming_content)

    [row] = SecurityEvent.objects.all()
    assert (row.kind, row.actor_name) == ("export", "ann")
    assert row.details.items() >= {
        "path": path, "query": "q=org", "complete": True,
        "bytes": len(body), "lines": body.count(b"\n"),
    }.items()  # fmt: skip
