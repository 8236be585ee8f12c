"""Email addresses of accounts: unique, changed by a link, and informed of changes."""

import re
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client

from orgs.access import attempts
from orgs.access.attempts import counted_attempt
from orgs.commands.account_emails import send_email, write_lock_email
from orgs.models import AccountEmail, User
from tests.factories import make_user
from tests.orgs.test_guessing import address, request_from
from tests.support.admin import fields

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NEW = "fin@new.example"
PAGE = "/accounts/email/"


@pytest.fixture
def person() -> User:
    return make_user("fin", "finance")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def ask_for(client: Client, email: str = NEW) -> str:
    """Ask for another address; return the path of the link that was sent."""
    assert client.post(PAGE, {"email": email, "action_add": ""}).status_code == 302
    return links(mail.outbox[-1])[0]


def links(message: Any) -> list[str]:
    return re.findall(r"/accounts/confirm-email/\S+", str(message.body))


def email_of(person: User) -> str:
    return User.objects.get(pk=person.pk).email


def test_an_address_changes_when_its_link_was_opened(person: User) -> None:
    client = logged_in(person)
    path = ask_for(client)
    assert mail.outbox[-1].to == [NEW]
    assert email_of(person) == "fin@example.com"

    Client().post(path)

    assert email_of(person) == NEW
    [informed] = AccountEmail.objects.all()
    assert (informed.kind, informed.address) == ("email_changed", "fin@example.com")
    send_email(informed.pk)
    assert mail.outbox[-1].to == ["fin@example.com"]
    sent = len(mail.outbox)
    Client().post("/accounts/password/reset/", {"email": "fin@example.com"})
    [request] = AccountEmail.objects.filter(kind="password_reset")
    send_email(request.pk)
    assert [m for m in mail.outbox[sent:] if "/reset/key/" in m.body] == []


def test_an_address_of_another_account_is_neither_taken_nor_disclosed(
    person: User,
) -> None:
    make_user("other")
    client = logged_in(person)
    answers = [
        client.post(PAGE, {"email": email, "action_add": ""}).status_code
        for email in ("Other@Example.com", "unknown@example.com")
    ]
    assert answers == [302, 302]

    for message in mail.outbox:
        for path in links(message):
            Client().post(path)

    assert User.objects.get(username="other").email == "other@example.com"
    assert email_of(person) in ("fin@example.com", "unknown@example.com")


@pytest.mark.parametrize("name", ["username", "email"])
def test_names_and_addresses_are_unique_in_any_case(person: User, name: str) -> None:
    value = {"username": "FIN", "email": "FIN@Example.com"}[name]
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(**{"username": "x", "email": "x@example.com", name: value})
    User.objects.create(username="y", email="")
    User.objects.create(username="z", email="")


def test_the_admin_names_the_field_of_a_taken_address(person: User) -> None:
    other = make_user("other")
    client = logged_in(make_user("root", is_superuser=True))
    url = f"/admin/orgs/user/{other.pk}/change/"
    form = fields(client.get(url)) | {"email": "FIN@example.com"}

    answer: Any = client.post(url, form)

    assert answer.status_code == 200
    assert "email" in answer.context["adminform"].form.errors


def test_the_owner_gets_one_email_when_logins_begin_to_wait(person: User) -> None:
    for number in range(attempts.ACCOUNT_FAILURES):
        with counted_attempt(request_from(address(number)), person):
            assert not AccountEmail.objects.exists()

    [email] = AccountEmail.objects.all()
    assert (email.kind, email.address) == ("login_locked", "fin@example.com")
    assert write_lock_email(person, window=attempts.FORGOTTEN_AFTER) is None
    send_email(email.pk)
    send_email(email.pk)
    [message] = mail.outbox
    assert "198.51.0.4" in message.body
    assert AccountEmail.objects.get().state == "done"


def test_an_unknown_name_sends_no_email() -> None:
    for number in range(attempts.ACCOUNT_FAILURES):
        with counted_attempt(request_from(address(number)), None, "nobody"):
            pass

    assert not AccountEmail.objects.exists()


def test_a_host_that_fails_is_tried_again(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = write_lock_email(person, window=attempts.FORGOTTEN_AFTER)
    assert email is not None
    with monkeypatch.context() as patch:
        patch.setattr(mail, "get_connection", lambda **_: 1 / 0)
        patch.setattr("django.core.mail.message.EmailMessage.send", lambda *_: 1 / 0)
        send_email(email.pk)

    email.refresh_from_db()
    assert (email.state, email.error) == ("pending", "ZeroDivisionError")
    assert email.next_attempt_at > email.created_at
