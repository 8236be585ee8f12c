"""A form that is sent after the session expired is continued by its owner's login."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from orgs.commands.sessions import delete_expired_sessions
from orgs.models import Note, Organization, Session, WhiteLabel
from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PASSWORD = "a long enough secret"
TEXT = {"text": "Written for an hour"}
FRAGMENT = {"HX-Request": "true", "HX-Current-URL": "http://testserver/alerts/"}


@pytest.fixture
def late(acme: WhiteLabel, frozen: time_machine.Traveller) -> Client:
    """Return the browser of ann, whose session has just expired."""
    for name in ("ann", "bob"):
        user = make_user(name, "support")
        user.set_password(PASSWORD)
        user.save()
    client = Client()
    assert client.login(username="ann", password=PASSWORD)
    client.get("/alerts/")
    frozen.shift(timedelta(hours=2))
    delete_expired_sessions()
    return client


def log_in(client: Client, name: str, url: str) -> str:
    """Log in on the page that the person was led to; return where that leads."""
    assert "what you sent is kept" in client.get(url).text
    answer = client.post(url, {"login": name, "password": PASSWORD})
    assert answer.status_code == 302
    return str(answer.headers["Location"])


@pytest.mark.parametrize("headers", [{}, FRAGMENT])
def test_the_login_continues_with_the_form(
    late: Client, org: Organization, headers: dict[str, str]
) -> None:
    answer = late.post(reverse("orgs:notes", args=[org.pk]), TEXT, headers=headers)
    login = answer.headers.get("HX-Redirect") or answer.headers["Location"]
    back = log_in(late, "ann", login)
    assert not Note.objects.exists()

    saved = late.get(back)

    assert saved.status_code == 302
    assert Note.objects.get().text == TEXT["text"]
    late.get(back)
    assert Note.objects.count() == 1


def test_another_person_does_not_continue_with_it(
    late: Client, org: Organization
) -> None:
    answer = late.post(reverse("orgs:notes", args=[org.pk]), TEXT)

    late.get(log_in(late, "bob", answer.headers["Location"]))

    assert not Note.objects.exists()


def test_nothing_of_strangers_is_stored(acme: WhiteLabel, org: Organization) -> None:
    client = Client()
    client.cookies["session"] = "x" * 32

    answer = client.post(reverse("orgs:notes", args=[org.pk]), TEXT)

    assert "confirmed" not in answer.headers["Location"]
    assert not Session.objects.exists()
