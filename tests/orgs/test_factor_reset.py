"""Resetting the second factors of a person who lost them."""

from io import StringIO
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from orgs.commands.account_emails import send_email
from orgs.models import AccountEmail, SecurityEvent, User
from tests.factories import make_user
from tests.support.factors import add_app, add_recovery_codes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
REASON = "lost phone"


@pytest.fixture
def person(db: None) -> User:
    user = make_user("fin")
    add_app(user)
    add_recovery_codes(user)
    return user


def reset(name: str = "fin", reason: str = REASON) -> str:
    output = StringIO()
    call_command("reset_two_factor", name, "--reason", reason, stdout=output)
    return output.getvalue()


def test_a_reset_removes_factors_ends_sessions_and_informs_the_owner(
    person: User, mailoutbox: list[Any], settings: Settings
) -> None:
    client = Client()
    client.force_login(person)
    settings.ENCRYPTION_KEYS = {"new": bytes(32)}  # the old ones are unreadable now

    assert reset() == "fin: 2 removed, all sessions ended\n"
    assert not Authenticator.objects.filter(user=person).values("pk")
    assert client.get("/organizations/").status_code == 302
    assert mailoutbox == []  # no request waits for the mail host
    send_email(AccountEmail.objects.get().pk)
    assert [mail.to for mail in mailoutbox] == [["fin@example.com"]]
    assert "set up two-factor login again" in mailoutbox[0].body
    event = SecurityEvent.objects.get(kind="second_factor_removed")
    assert event.details["reason"] == REASON
    assert event.subject_name == "fin"


@pytest.mark.parametrize(("name", "reason"), [("eve", REASON), ("fin", " ")])
def test_a_reset_needs_an_account_and_a_reason(
    person: User, name: str, reason: str
) -> None:
    with pytest.raises(CommandError):
        reset(name, reason)
    assert Authenticator.objects.filter(user=person).count() == 2


@pytest.mark.parametrize(
    ("is_superuser", "statuses"), [(True, (200, 302)), (False, (403, 403))]
)
def test_only_superusers_reset_in_the_admin(
    person: User, *, is_superuser: bool, statuses: tuple[int, int]
) -> None:
    admin = make_user("admin", "operator", is_superuser=is_superuser)
    client, url = Client(), f"/admin/orgs/user/{person.pk}/reset-two-factor/"
    client.force_login(admin)
    shown = client.get(url)
    answers = shown.status_code, client.post(url, {"reason": REASON}).status_code

    assert answers == statuses
    assert Authenticator.objects.filter(user=person).exists() is not is_superuser


def test_a_reset_in_the_admin_needs_a_recent_proof_of_presence(
    person: User, frozen: time_machine.Traveller
) -> None:
    client, url = Client(), f"/admin/orgs/user/{person.pk}/reset-two-factor/"
    client.force_login(make_user("admin", is_superuser=True))
    frozen.shift(20 * 60)
    answer = client.post(url, {"reason": REASON})

    assert answer.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    assert Authenticator.objects.filter(user=person).exists()
