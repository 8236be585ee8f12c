"""Unsubscribing takes one click on a signed link, without a login; no GET does it."""

import re

import pytest
from django.test import Client
from pghistory.models import Context
from pytest_django import Settings

from billing.alerts.commands.unsubscribes import opt_out_token
from billing.models import AlertOptOut
from orgs.models import Organization, WhiteLabel
from tests.factories import make_rate
from tests.support.emails import exceed, make_customer, send_emails, state_of
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server

__all__ = ["smtp_sink", "smtp_sink_server"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


def link_of(sink: SmtpSink, number: int = 0) -> str:
    """Return the path in the List-Unsubscribe header."""
    header = str(sink.alert_emails[number].message["List-Unsubscribe"])
    match = re.fullmatch(
        r"<http://localhost(/unsubscribe/[^>]+)>", header.replace(" ", "")
    )
    assert match
    return match[1]


def refused() -> list[tuple[str, str, str]]:
    rows = AlertOptOut.objects.order_by("id").select_related("organization")
    return [(row.organization.external_id, row.address, row.kind) for row in rows]


@pytest.fixture
def link(acme: WhiteLabel, smtp_sink: SmtpSink) -> str:
    exceed(make_customer(acme, email="Ann@example.com"))
    send_emails()
    return link_of(smtp_sink)


@pytest.fixture
def stranger() -> Client:
    """Return a client without a session that enforces CSRF."""
    return Client(enforce_csrf_checks=True)


def test_opening_the_link_changes_nothing(link: str, stranger: Client) -> None:
    page = stranger.get(link)

    assert page.status_code == 200
    assert "ann@example.com" in page.content.decode()
    assert 'data-kind="soft_limit"' in page.content.decode()
    assert stranger.head(link).status_code == 200
    assert refused() == []


def test_an_email_client_can_post_the_link(link: str, stranger: Client) -> None:
    posted = {"List-Unsubscribe": "One-Click"}
    assert stranger.post(link, posted).status_code == 200
    assert stranger.post(link, posted).status_code == 200

    assert refused() == [("org-1", "ann@example.com", "soft_limit")]
    assert Context.objects.latest("created_at").metadata["recipient"] == (
        "ann@example.com"
    )


def test_an_opt_out_can_be_undone_by_link(link: str, stranger: Client) -> None:
    stranger.post(link)
    stranger.post(link, {"again": "1"})

    assert refused() == []


def test_an_opt_out_before_sending_is_respected(
    acme: WhiteLabel, smtp_sink: SmtpSink, stranger: Client
) -> None:
    organization = make_customer(acme)
    alert_email = exceed(organization)
    token = opt_out_token(organization.pk, "ann@example.com", "soft_limit")
    stranger.post(f"/unsubscribe/{token}/")
    send_emails()

    assert smtp_sink.alert_emails == []
    alert_email.refresh_from_db()
    assert alert_email.alert
    assert (alert_email.state, alert_email.alert.state) == ("done", "suppressed")
    assert alert_email.alert.reason


@pytest.mark.parametrize("spoilt", ["x", "cut", "other"])
def test_a_link_with_an_invalid_signature_is_not_found(
    spoilt: str, link: str, stranger: Client
) -> None:
    token = link.split("/")[-2]
    bad = {"x": "x", "cut": token[:-4], "other": "e30:" + token.split(":", 1)[1]}
    url = f"/unsubscribe/{bad[spoilt]}/"

    assert stranger.get(url).status_code == 404
    assert stranger.post(url).status_code == 404
    assert refused() == []


def test_a_mandatory_kind_cannot_be_unsubscribed_from(
    org: Organization, stranger: Client
) -> None:
    token = opt_out_token(org.pk, "ann@example.com", "hard_limit")

    assert stranger.post(f"/unsubscribe/{token}/").status_code == 404
    assert refused() == []


def test_a_digest_unsubscribes_from_the_kinds_it_combines(
    acme: WhiteLabel, smtp_sink: SmtpSink, settings: Settings, stranger: Client
) -> None:
    settings.DIGEST_AFTER = 1
    make_rate(acme, "2")
    for n in range(2):
        exceed(make_customer(acme, f"o-{n}"), price=False)
    exceed(make_customer(acme, "o-2"), "hard", price=False)
    send_emails()
    stranger.post(link_of(smtp_sink))

    assert refused() == [
        ("o-0", "ann@example.com", "soft_limit"),
        ("o-1", "ann@example.com", "soft_limit"),
    ]


def test_a_digest_omits_kinds_that_were_opted_out_of_since(
    acme: WhiteLabel, smtp_sink: SmtpSink, settings: Settings
) -> None:
    settings.DIGEST_AFTER = 1
    make_rate(acme, "2")
    made = [make_customer(acme, f"o-{n}") for n in range(4)]
    refused = [exceed(organization, price=False) for organization in made][2]
    AlertOptOut.objects.create(
        organization=made[2], address="ann@example.com", kind="soft_limit"
    )
    send_emails()

    [digest] = smtp_sink.alert_emails
    assert re.findall(r"\d+", digest.subject) == ["3", "3"]
    assert "Acme" in digest.subject
    assert "O-2" not in digest.body()
    assert state_of(refused) == ("done", 1, "suppressed")
