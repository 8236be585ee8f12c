"""Emails about accounts: their links, and where they may be printed."""

import re

import pytest
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from orgs.commands.account_emails import send_email
from orgs.models import AccountEmail, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
HOST = "evil.localhost:6666"


@pytest.fixture(autouse=True)
def public(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.SITE_URL = "https://desk.example.com"
    make_user("person", "finance")


def ask_for_reset(email: str) -> int:
    client = Client(headers={"host": HOST})
    return client.post("/accounts/password/reset/", {"email": email}).status_code


def test_a_reset_is_a_row_for_every_address_and_an_email_for_accounts() -> None:
    for email in ("unknown@example.com", f"{'x' * 60}@{'y' * 60}.{'z' * 60}.example"):
        assert ask_for_reset(email) == 302
        AccountEmail.objects.get(address=email)
    assert ask_for_reset(f"{'x' * 60}@{('y' * 60 + '.') * 4}example") in {200, 302}
    assert AccountEmail.objects.count() == 2

    for row in AccountEmail.objects.all():
        send_email(row.pk)
    assert mail.outbox == []
    assert set(AccountEmail.objects.values_list("state", flat=True)) == {"done"}


def test_links_lead_to_the_public_address_whatever_host_was_asked() -> None:
    assert ask_for_reset("person@example.com") == 302
    assert mail.outbox == []

    [row] = AccountEmail.objects.all()
    send_email(row.pk)
    sent = mail.outbox[0]
    row.refresh_from_db()
    assert row.facts == {}
    assert "6666" not in f"{sent.subject} {sent.body}"
    links = re.findall(r"https?://\S+", str(sent.body))
    assert links
    assert all(link.startswith("https://desk.example.com/") for link in links)


def test_a_reset_finds_an_account_in_any_case_and_goes_to_its_own_address() -> None:
    User.objects.filter(username="person").update(email="Person@Example.com")
    ask_for_reset("pERSON@example.com")
    User.objects.create_user("gone", "Gone@example.com", is_active=False)
    ask_for_reset("gone@example.com")

    for row in AccountEmail.objects.all():
        send_email(row.pk)
    assert [sent.to for sent in mail.outbox] == [["Person@Example.com"]]


def test_a_confirmation_leads_to_the_public_address() -> None:
    client = Client(headers={"host": HOST})
    client.force_login(User.objects.get(username="person"))
    form = {"action_add": "", "email": "new@example.com"}
    assert client.post("/accounts/email/", form).status_code == 302

    [sent] = mail.outbox
    assert "6666" not in f"{sent.subject} {sent.body}"
    links = re.findall(r"https?://\S+", str(sent.body))
    assert links
    assert all(link.startswith("https://desk.example.com/") for link in links)


@pytest.mark.parametrize("email", ["person@example.com", "unknown@example.com"])
def test_a_reset_is_refused_where_its_email_would_be_printed(
    settings: Settings, email: str
) -> None:
    settings.HAS_MAIL_HOST = settings.LOOPBACK_ONLY = False

    assert ask_for_reset(email) == 503
    assert mail.outbox == []
