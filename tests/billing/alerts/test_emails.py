"""The subject, text and HTML of every email agree and use recorded facts only."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from billing.alerts.commands.records import resend
from billing.alerts.emails import rendering, samples
from billing.alerts.emails.rendering import RenderedEmail
from billing.alerts.emails.samples import SAMPLES
from billing.alerts.kinds import ALERT_KINDS
from billing.models import Alert, AlertEmail
from orgs.models import Organization, WhiteLabel
from tests import ROOT
from tests.factories import make_user
from tests.support.alerts import limit
from tests.support.emails import exceed, make_customer, send_emails
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server

__all__ = ["smtp_sink", "smtp_sink_server"]
FOLDERS = ROOT / "templates/billing/alerts/emails"


class VisibleText(HTMLParser):
    """The visible text of an HTML email, in one line."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.feed(html.split("</head>")[1])

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())


def render(folder: str, link: str = "https://x.example/u/1") -> RenderedEmail:
    return rendering.render_email(
        folder,
        samples.sample_context(folder),
        url="https://x.example/alerts",
        unsubscribe_url=link,
    )


def test_every_kind_has_its_folder() -> None:
    folders = {path.name for path in FOLDERS.iterdir() if path.is_dir()}

    assert folders == {*ALERT_KINDS, "digest"}
    for folder in folders:
        names = {path.name for path in (FOLDERS / folder).iterdir()}
        assert names == {"subject.txt", "body.txt", "body.html"}


@pytest.mark.parametrize("folder", SAMPLES)
def test_text_and_html_show_the_same_figures(folder: str) -> None:
    alert_email = render(folder)
    context = samples.sample_context(folder)
    parts = context.get("parts", [context])
    html, text = VisibleText(alert_email.html).text, " ".join(alert_email.text.split())

    for part in parts:
        for label, value in part["figures"][: 2 if folder == "digest" else None]:
            assert f"{label}: {value}" in text
            assert label in html
            assert value in html
    assert "{{" not in alert_email.html + alert_email.text
    assert "None" not in alert_email.text
    assert 10 < len(alert_email.subject) <= 150


@pytest.mark.parametrize("folder", SAMPLES)
def test_html_is_supported_by_email_clients(folder: str) -> None:
    """Emails have no scripts, remote images or style sheets, and support dark mode."""
    html = render(folder).html

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
    "soft_share":
        "Helvetia Robotics has used 75% of its soft spending limit of $13,000.00",
    "hard_share":
        "Helvetia Robotics has used 75% of its hard spending limit of $18,000.00",
    "usage_share":
        "Helvetia Robotics has used 75% of its compute time limit: 750.5 h of 1,000 h",
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
    "balance_80": "Helvetia Robotics has used 80% of its free balance of $500.00",
    "balance_used": "Helvetia Robotics has used its free balance of $500.00",
    "pace":
        "Helvetia Robotics is projected to reach its soft spending limit on"
        " Nov 27, 2026",
    "spike": "Spend spike at Helvetia Robotics: $1,284.10 on Nov 20, 2026",
    "unpriced":
        "No price for gpt-4o-mini prompt_tokens used by Helvetia Robotics",
    "webhook_disabled": "Webhook endpoint disabled: Billing events",
    "stale_data": "No usage received from Helvetia Robotics since Nov 18, 2026",
    "digest": "3 alerts for 1 organization at Acme Cloud",
}  # fmt: skip


@pytest.mark.parametrize("folder", SAMPLES)
def test_subjects(folder: str) -> None:
    assert render(folder).subject == SUBJECTS[folder]


def test_a_name_is_text_and_no_markup() -> None:
    context = samples.sample_context("soft_limit") | {"organization": "A <b>& Co</b>"}
    alert_email = rendering.render_email(
        "soft_limit", context, url="https://x.example/"
    )

    assert "A <b>& Co</b>" in alert_email.text
    assert "A <b>& Co</b>" in alert_email.subject
    assert "A &lt;b&gt;&amp; Co&lt;/b&gt;" in alert_email.html
    assert "<b>&" not in alert_email.html


# --- from the ledger ----------------------------------------------------------------


@pytest.mark.django_db
def test_a_resent_email_has_the_same_content(
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    """Figures, limits and names may have changed since."""
    settings.SITE_URL = "https://desk.example"
    organization = make_customer(acme)
    alert_email = exceed(organization)
    send_emails()
    limit(organization, "soft", "999")
    Organization.objects.filter(pk=organization.pk).update(name="Renamed")
    frozen.shift(timedelta(days=1))
    resend(alert_email.alert_id or 0, by="finn")
    send_emails()

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
def test_a_mandatory_email_has_no_unsubscribe_link(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    exceed(make_customer(acme, "o-1"), "hard")
    exceed(make_customer(acme, "o-2", email="bob@example.com"), price=False)
    send_emails()

    mandatory, other = sorted(smtp_sink.alert_emails, key=lambda one: one.to)
    assert mandatory.message["List-Unsubscribe"] is None
    assert "/unsubscribe/" not in mandatory.body() + mandatory.body("html")
    assert other.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(other.message["List-Unsubscribe"]).strip(" <>")
    assert link in other.body()


# --- previews -----------------------------------------------------------------------


@pytest.mark.django_db
def test_previews_need_staff_with_write_access(acme: WhiteLabel) -> None:
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
def test_only_the_preview_page_may_frame_an_email() -> None:
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


@pytest.mark.parametrize("folder", ["spike", "pace"])
def test_emails_of_spikes_and_forecasts_name_the_main_causes(folder: str) -> None:
    context, email = samples.sample_context(folder), render(folder)
    for text in (email.text, email.html):
        assert context["causes_compared"] in text
        assert all(cause in text for cause in context["causes"])
