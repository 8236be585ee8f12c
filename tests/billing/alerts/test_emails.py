"""Every letter: subject, text and HTML that say the same, from frozen facts alone."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from billing.alerts.commands.ledger import send_again
from billing.alerts.emails import rendering, samples
from billing.alerts.emails.rendering import Written
from billing.alerts.emails.samples import SAMPLES
from billing.alerts.kinds import ALERT_KINDS
from billing.models import Alert, AlertEmail
from orgs.models import Organization, WhiteLabel
from tests import ROOT
from tests.factories import make_user
from tests.support.alerts import limit
from tests.support.emails import exceed, make_customer, work
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server

__all__ = ["smtp_sink", "smtp_sink_server"]
FOLDERS = ROOT / "templates/billing/alerts/emails"


class Words(HTMLParser):
    """What somebody reads of an HTML letter, in one line."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html.split("</head>")[1])

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.found).split())


def written(folder: str, link: str = "https://x.example/u/1") -> Written:
    return rendering.write(
        folder,
        samples.sample(folder),
        url="https://x.example/alerts",
        unsubscribe_url=link,
    )


def test_every_kind_has_its_folder() -> None:
    folders = {one.name for one in FOLDERS.iterdir() if one.is_dir()}

    assert folders == {kind.alert_email for kind in ALERT_KINDS.values()} | {"digest"}
    for folder in folders:
        names = {one.name for one in (FOLDERS / folder).iterdir()}
        assert names == {"subject.txt", "body.txt", "body.html"}


@pytest.mark.parametrize("folder", SAMPLES)
def test_text_and_html_say_the_same_numbers(folder: str) -> None:
    alert_email = written(folder)
    shown = samples.sample(folder)
    parts = shown.get("parts", [shown])
    html, text = Words(alert_email.html).text, " ".join(alert_email.text.split())

    for part in parts:
        for label, value in part["numbers"][: 2 if folder == "digest" else None]:
            assert f"{label}: {value}" in text
            assert label in html
            assert value in html
    assert "{{" not in alert_email.html + alert_email.text
    assert "None" not in alert_email.text
    assert 10 < len(alert_email.subject) <= 150


@pytest.mark.parametrize("folder", SAMPLES)
def test_html_is_what_mail_programs_draw(folder: str) -> None:
    """No scripts, no pictures of elsewhere, no style sheets; dark where it is dark."""
    html = written(folder).html

    assert not re.search(r"<(script|img|link|svg)\b|url\(", html)
    assert "var(--" not in html
    assert 'width="600"' in html
    assert "prefers-color-scheme: dark" in html
    assert len(html.encode()) < 100_000  # what is longer is cut


# The only place that pins the wording of emails: every subject, as recipients read it.
SUBJECTS = {
    "soft_limit":
        "Helvetia Robotics has reached its soft spending limit of $13,000.00",
    "hard_limit":
        "Helvetia Robotics has reached its hard spending limit of $18,000.00",
    "usage_50":
        "Helvetia Robotics has used 50% of its compute time limit: 500.5 h of 1,000 h",
    "usage_80":
        "Helvetia Robotics has used 80% of its compute time limit: 800.5 h of 1,000 h",
    "usage_90":
        "Helvetia Robotics has used 90% of its compute time limit: 900.5 h of 1,000 h",
    "usage_100": "Helvetia Robotics has reached its compute time limit of 1,000 h",
    "payment_failed": "Payment failed for Helvetia Robotics",
    "usage_reset": "New billing period started for Helvetia Robotics",
    "trial_7": "The trial for Helvetia Robotics ends on Nov 28, 2026",
    "trial_1": "The trial for Helvetia Robotics ends on Nov 22, 2026",
    "balance_used": "Helvetia Robotics has used its free balance of $500.00",
    "pace":
        "Helvetia Robotics is projected to reach its soft spending limit on"
        " Nov 27, 2026",
    "spike": "Spend spike at Helvetia Robotics: $1,284.10 on Nov 20, 2026",
    "stale_data": "No usage received from Helvetia Robotics since Nov 18, 2026",
    "digest": "3 alerts for 1 organization at Acme Cloud",
}  # fmt: skip


@pytest.mark.parametrize("folder", SAMPLES)
def test_subjects(folder: str) -> None:
    assert written(folder).subject == SUBJECTS[folder]


def test_a_name_is_text_and_no_markup() -> None:
    shown = samples.sample("soft_limit") | {"organization": "A <b>& Co</b>"}
    alert_email = rendering.write("soft_limit", shown, url="https://x.example/")

    assert "A <b>& Co</b>" in alert_email.text
    assert "A <b>& Co</b>" in alert_email.subject
    assert "A &lt;b&gt;&amp; Co&lt;/b&gt;" in alert_email.html
    assert "<b>&" not in alert_email.html


# --- from the ledger ----------------------------------------------------------------


@pytest.mark.django_db
def test_a_letter_says_the_same_when_it_is_sent_again(
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    """Whatever the numbers, limits and names are by then."""
    settings.SITE_URL = "https://desk.example"
    organization = make_customer(acme)
    alert_email = exceed(organization)
    work()
    limit(organization, "soft", "999")
    Organization.objects.filter(pk=organization.pk).update(name="Renamed")
    frozen.shift(timedelta(days=1))
    send_again(alert_email.alert_id or 0, by="finn")
    work()

    first, again = smtp_sink.alert_emails
    assert first.subject == again.subject
    assert first.body() == again.body()
    assert first.body("html") == again.body("html")
    assert first.id != again.id
    alert = Alert.objects.get()
    url = (
        f"https://desk.example/organizations/{organization.pk}/alerts/?alert={alert.pk}"
    )
    assert f": {url}#alert-{alert.pk}\n" in first.body()


@pytest.mark.django_db
def test_a_duty_has_no_unsubscribe(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    exceed(make_customer(acme, "o-1"), "hard")
    exceed(make_customer(acme, "o-2", email="bob@example.com"), price=False)
    work()

    duty, other = sorted(smtp_sink.alert_emails, key=lambda one: one.to)
    assert duty.message["List-Unsubscribe"] is None
    assert "/unsubscribe/" not in duty.body() + duty.body("html")
    assert other.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(other.message["List-Unsubscribe"]).strip(" <>")
    assert link in other.body()


# --- previews -----------------------------------------------------------------------


@pytest.mark.django_db
def test_previews_are_for_staff_who_change_money(acme: WhiteLabel) -> None:
    answers = {}
    for name, role, is_staff in (
        ("op", "operator", True), ("vi", "viewer", True), ("wl", "operator", False),
    ):  # fmt: skip
        client = Client()
        label = None if is_staff else acme
        user = make_user(name, role, white_label=label, is_staff=is_staff)
        client.force_login(user)
        answers[name] = [
            client.get(f"/alerts/emails/{path}").status_code
            for path in ("", "soft_limit/", "soft_limit/html", "soft_limit/?as=text")
        ]

    assert answers == {"op": [200] * 4, "vi": [403] * 4, "wl": [403] * 4}


@pytest.mark.django_db
def test_a_preview_is_framed_by_us_alone() -> None:
    client = Client()
    client.force_login(make_user("op", "operator"))

    page = client.get("/alerts/emails/pace/")
    assert "frame-src 'self'" in page["Content-Security-Policy"]
    assert 'src="/alerts/emails/pace/html"' in page.content.decode()
    framed = client.get("/alerts/emails/pace/html")
    assert "frame-ancestors 'self'" in framed["Content-Security-Policy"]
    assert framed["X-Frame-Options"] == "SAMEORIGIN"
    assert client.get("/alerts/emails/nothing/").status_code == 404
    assert AlertEmail.objects.count() == 0
