"""Sessions: their list, their ends, their limits, and their keys."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.test import Client

from orgs.commands.sessions import delete_expired_sessions, end_all_sessions
from orgs.models import Session, User
from orgs.web.user_agents import device_name
from tests.factories import NOW, make_user
from tests.support.admin import fields

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGE = "/accounts/sessions/"


@pytest.fixture
def person() -> User:
    user = make_user("fin", "finance", is_superuser=False)
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(agent: str = FIREFOX, at: str = "198.51.100.7", name: str = "fin") -> Client:
    client = Client(REMOTE_ADDR=at, headers={"user-agent": agent})
    body = {"login": name, "password": PASSWORD}
    assert client.post("/accounts/login/", body).status_code == 302
    return client


def is_logged_in(client: Client) -> bool:
    return client.get(PAGE).status_code == 200


def lines(client: Client, url: str = PAGE) -> list[Any]:
    shown: list[Any] = client.get(url).context["lines"]
    return shown


def token_of() -> str:
    body = {"username": "fin", "password": PASSWORD}
    url = "/api/v1/users/auth/_login"
    token: str = (
        Client().post(url, body, content_type="application/json").json()["token"]
    )
    return token


def call(token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return Client().get("/api/v1/organizations", headers=headers).status_code


def test_sessions_are_listed_with_device_and_address(person: User) -> None:
    first = log_in()
    log_in("curl/8.5", "203.0.113.9")
    log_in(name="fin")
    Client().get("/accounts/login/")

    shown = {(line.device, line.row.address, line.is_current) for line in lines(first)}
    assert shown == {
        ("Firefox on Linux", "198.51.100.7", True),
        ("Firefox on Linux", "198.51.100.7", False),
        ("curl", "203.0.113.9", False),
    }
    page = first.get(PAGE)
    assert page["Cache-Control"] == "private, no-store"
    for key in Session.objects.values_list("pk", flat=True):
        assert key not in page.content.decode()


def test_the_list_costs_the_same_however_many_sessions_there_are(
    person: User, django_assert_max_num_queries: Any
) -> None:
    clients = [log_in() for _ in range(5)]
    with django_assert_max_num_queries(6):
        assert len(lines(clients[0])) == 5


def test_one_session_is_ended(person: User) -> None:
    own, other, third = log_in(), log_in("curl/8.5"), log_in()
    [line] = [line for line in lines(own) if line.device == "curl"]

    assert own.post(f"{PAGE}end/", {"session": line.handle}).status_code == 302

    assert not is_logged_in(other)
    assert is_logged_in(own)
    assert is_logged_in(third)


def test_a_session_of_another_person_is_not_ended(person: User) -> None:
    other = make_user("other")
    other.set_password(PASSWORD)
    other.save()
    strangers, own = log_in(name="other"), log_in()
    [line] = lines(strangers)

    own.post(f"{PAGE}end/", {"session": line.handle})

    assert is_logged_in(strangers)


def test_ending_all_sessions_ends_login_tokens_and_keeps_this_one(person: User) -> None:
    own, other, token = log_in(), log_in(), token_of()
    before = own.cookies["session"].value
    assert call(token) == 200

    own.post(f"{PAGE}end-all/")

    assert own.cookies["session"].value != before
    assert is_logged_in(own)
    assert not is_logged_in(other)
    assert call(token) == 401
    assert len(lines(own)) == 1


def test_only_superusers_see_and_end_sessions_of_others(person: User) -> None:
    root, own = make_user("root", is_superuser=True), log_in()
    url = f"/people/{person.pk}/sessions/"
    client = Client()
    client.force_login(root)

    assert [line.device for line in lines(client, url)] == ["Firefox on Linux"]
    client.post(f"{url}end-all/")
    assert not is_logged_in(own)
    client.force_login(make_user("operator", "operator"))
    for path in (url, f"{url}end/", f"{url}end-all/"):
        ask = client.get if path == url else client.post
        assert ask(path).status_code == 404
    assert Client().get(url).status_code == 302


def test_a_session_ends_when_it_is_not_used(
    person: User, frozen: time_machine.Traveller
) -> None:
    client, idle = log_in(), settings.SESSION_IDLE
    frozen.move_to(NOW + idle - timedelta(minutes=1))
    assert is_logged_in(client)  # and so it goes on
    frozen.move_to(NOW + idle * 2 - timedelta(minutes=2))
    assert is_logged_in(client)

    frozen.move_to(NOW + idle * 3)
    assert not is_logged_in(client)


def test_a_session_ends_hours_after_its_login_however_much_it_is_used(
    person: User, frozen: time_machine.Traveller, settings: Any
) -> None:
    settings.SESSION_LONGEST = timedelta(hours=2)
    client = log_in()
    for minutes in (50, 100, 119):
        frozen.move_to(NOW + timedelta(minutes=minutes))
        assert is_logged_in(client)

    frozen.move_to(NOW + timedelta(minutes=121))
    assert not is_logged_in(client)


def test_a_login_token_is_renewed_only_as_long_as_a_session(
    person: User, frozen: time_machine.Traveller, settings: Any
) -> None:
    settings.SESSION_LONGEST = timedelta(minutes=90)
    token = token_of()
    frozen.move_to(NOW + timedelta(minutes=55))
    url, headers = "/api/v1/users/auth/_refresh", {"authorization": f"Bearer {token}"}
    renewed = Client().post(url, headers=headers).json()["token"]

    assert call(renewed) == 200
    frozen.move_to(NOW + timedelta(minutes=91))
    assert call(renewed) == 401


def test_the_last_use_is_written_once_a_minute(
    person: User, frozen: time_machine.Traveller
) -> None:
    client = log_in()
    for seconds in (10, 59, 61, 100):
        frozen.move_to(NOW + timedelta(seconds=seconds))
        client.get(PAGE)

    assert Session.objects.get().last_seen_at == NOW + timedelta(seconds=61)


def test_expired_sessions_are_deleted(
    person: User, frozen: time_machine.Traveller
) -> None:
    log_in()
    frozen.move_to(NOW + settings.SESSION_IDLE + timedelta(hours=11))
    log_in()
    assert not delete_expired_sessions()
    assert Session.objects.count() == 2  # a form that is sent late finds its owner
    frozen.shift(timedelta(hours=2))

    assert not delete_expired_sessions()
    assert Session.objects.count() == 1


def test_a_new_password_ends_all_sessions_whatever_sets_it(person: User) -> None:
    client, token = log_in(), token_of()

    person.set_password("another one entirely")
    person.save()

    assert not is_logged_in(client)
    assert call(token) == 401
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"), [("is_superuser", "on"), ("white_label", ""), ("groups", [])]
)
def test_other_rights_begin_with_another_login(
    acme: Any, person: User, field: str, value: Any
) -> None:
    person.white_label = acme
    person.save()
    own, root = log_in(), make_user("root", is_superuser=True)
    client = Client()
    client.force_login(root)
    url = f"/admin/orgs/user/{person.pk}/change/"
    form = {
        "before": fields(client.get(url))["before"],
        "username": "fin",
        "email": person.email,
        "is_active": "on",
        "is_staff": "on",
        "white_label": acme.pk,
        "groups": list(person.groups.values_list("pk", flat=True)),
    }
    same = client.post(url, form)
    assert (same.status_code, is_logged_in(own)) == (302, True)

    client.post(url, form | {field: value})

    assert not is_logged_in(own)
    assert client.get(PAGE).status_code == 200


def test_the_key_of_a_session_changes_with_each_proof(person: User) -> None:
    client = log_in()
    before = client.cookies["session"].value

    client.post("/accounts/reauthenticate/", {"password": PASSWORD})

    assert client.cookies["session"].value != before
    assert is_logged_in(client)
    stolen = Client()
    stolen.cookies["session"] = before
    assert not is_logged_in(stolen)


def test_a_session_that_ended_meanwhile_does_not_come_back(person: User) -> None:
    client = log_in()
    store = client.session
    assert store["began_at"]
    end_all_sessions(person)
    store["x"] = 1
    with pytest.raises(UpdateError):
        store.save()

    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) Chrome/130 Safari/537 Edg/130",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1",
            "Safari on iPhone",
        ),
        ("python-requests/2.32", "python-requests"),
        ("", "Unknown device"),
    ],
)
def test_devices(agent: str, device: str) -> None:
    assert device_name(agent) == device
