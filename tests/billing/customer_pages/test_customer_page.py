"""The customer page: by a link only, with one organization's figures and no more."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.customer_pages.commands.emails import send_link_email
from billing.ledger.commands.limits import change_limit
from billing.models import CustomerLink, CustomerLinkEmail, Invoice
from orgs.commands.notes import add_note
from orgs.models import Member, Organization, SecurityEvent, User, WhiteLabel
from tests.factories import NOW, delete, event, make_rate, make_user, record
from tests.support.drafts import Draft

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NEW = {"name": "Finance team", "days": "30", "reason": "Asked by phone"}
GONE = "The link is incomplete, has expired, or was revoked."


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    for name, role in (("ann", "support"), ("vic", "viewer")):
        make_user(name, role)
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def tab(org: Organization) -> str:
    return reverse("billing:customer_links", args=[org.pk])


def make(org: Organization, **values: Any) -> str:
    """Make a link as staff do; return the path that its page was shown with, once."""
    ann = of("ann")
    assert ann.post(tab(org), {**NEW, **values}).status_code == 302
    shown = ann.get(tab(org)).content.decode()
    [path] = re.findall(
        r'value="https?://[^/]*(/customer/page_[A-Za-z0-9]{40}/)"', shown
    )
    assert path not in ann.get(tab(org)).content.decode()
    return str(path)


def test_a_link_opens_the_page_and_nothing_else(org: Organization) -> None:
    path = make(org)
    [link] = CustomerLink.objects.all()
    assert path.split("/")[2].encode() not in bytes(link.token_hash or b"")

    page = Client().get(path)

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "private, no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert not page.cookies
    text = page.content.decode()
    assert "<script" not in text.replace('<script id="cost-chart" type="app', "")
    assert 'content="noindex' in text
    link.refresh_from_db()
    assert (link.opens, link.last_opened_at) == (1, NOW)
    assert Client().head(path).status_code == 200
    assert Client().post(path).status_code == 405
    link.refresh_from_db()
    assert link.opens == 1


def test_links_that_open_nothing_have_one_answer(
    org: Organization, frozen: time_machine.Traveller
) -> None:
    revoked, expired, deleted = make(org), make(org, days="1"), make(org)
    row = CustomerLink.objects.order_by("pk")[0]
    url = reverse("billing:revoke_customer_link", args=[org.pk, row.pk])
    assert of("ann").post(url, {"reason": ""}).status_code == 422
    assert of("vic").post(url, {"reason": "x"}).status_code == 403
    assert of("strange").post(url, {"reason": "x"}).status_code == 404
    assert Client().get(revoked).status_code == 200
    assert of("ann").post(url, {"reason": "Sent to a wrong person"}).status_code == 302
    answers = [Client().get(path) for path in (revoked, "/customer/page_x/")]
    frozen.shift(timedelta(days=1))
    answers.append(Client().get(expired))
    delete(org)
    answers.append(Client().get(deleted))

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.headers["Cache-Control"] for answer in answers} == {
        "private, no-store"
    }
    assert len({answer.content for answer in answers}) == 1
    assert GONE in answers[0].content.decode()
    assert set(SecurityEvent.objects.values_list("kind", flat=True)) > {
        "customer_link_created",
        "customer_link_revoked",
    }
    history = of("ann").get(reverse("orgs:history", args=[org.pk])).content.decode()
    assert "Sent to a wrong person" in history
    assert "Asked by phone" in history


def test_the_page_has_the_figures_of_staff_and_no_facts_of_staff(
    draft: Draft, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    org = draft.organization
    draft.close()
    label = org.white_label
    record(label, [event("z", organization="org-1"), event("y", organization="org-7")])
    make_rate(label, "0.001", product="secret-of-org-7")
    record(label, [event("x", organization="org-7", product="secret-of-org-7")])
    change_limit(org.pk, kind="soft", amount=Decimal(2000))
    add_note(org, User.objects.get(username="ann"), text="Never pays in time")
    path = make(org)

    with django_assert_max_num_queries(45):
        page = Client().get(path).content.decode()

    staff = of("ann").get(reverse("billing:overview", args=[org.pk])).content.decode()
    for number in ("organization.cost_this_period", "organization.cost_30_days"):
        [exact] = set(
            re.findall(rf'data-number="{number}"[^>]*data-value="(.+?)"', staff)
        )
        assert f'<data value="{exact}"' in page
    assert "$27.51" in page
    assert "How this bill adds up" in page
    assert "$2,000" in page
    assert "Never pays in time" not in page
    assert "secret-of-org-7" not in page
    assert "data-of" not in page
    assert "benchmark" not in page.lower()
    assert Invoice.objects.filter(status="draft", number="").exists()
    assert Client().get(path, {"period": "x'"}).status_code == 200


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"reason": ""}, "reason"),
        ({"days": "0"}, "days"),
        ({"days": "367"}, "days"),
        ({"days": "1e3"}, "days"),
        ({"days": "1,000"}, "days"),
        ({"days": "thirty"}, "days"),
        ({"address": "someone@elsewhere.example"}, "address"),
        ({"address": "no address"}, "address"),
        ({"frame_origins": "http://portal.example.com"}, "frame_origins"),
        ({"frame_origins": "https://*.example.com"}, "frame_origins"),
        ({"frame_origins": "https://a.example/path"}, "frame_origins"),
        ({"frame_origins": "https://u@a.example"}, "frame_origins"),
        ({"frame_origins": "https://a.example;script-src"}, "frame_origins"),
        ({"frame_origins": "https://a.example:port"}, "frame_origins"),
        ({"frame_origins": "*"}, "frame_origins"),
        ({"frame_origins": "'self'"}, "frame_origins"),
    ],
)
def test_bad_input_is_named_at_its_field(
    org: Organization, typed: dict[str, str], field: str
) -> None:
    answer = of("ann").post(tab(org), {**NEW, **typed})

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert not CustomerLink.objects.exists()


def test_only_those_who_may_make_links_and_see_the_organization(
    org: Organization,
) -> None:
    assert of("vic").get(tab(org)).status_code == 200
    assert of("vic").post(tab(org), NEW).status_code == 403
    assert of("strange").get(tab(org)).status_code == 404
    assert of("strange").post(tab(org), NEW).status_code == 404
    assert not CustomerLink.objects.exists()


def test_only_the_named_sites_may_frame_the_page(org: Organization) -> None:
    sites = "https://portal.example.com\nhttps://b.example:8443/"
    page = Client().get(make(org, frame_origins=sites))

    policy = page.headers["Content-Security-Policy"]
    expected = "frame-ancestors https://portal.example.com https://b.example:8443"
    assert expected in [part.strip() for part in policy.split(";")]
    assert "X-Frame-Options" not in page.headers


def test_an_email_has_the_only_copy_of_its_link(org: Organization) -> None:
    Member.objects.create(organization=org, external_id="m", email="Kim@example.com")
    answer = of("ann").post(tab(org), {**NEW, "address": "kim@EXAMPLE.com"})
    assert answer.status_code == 302
    [row] = CustomerLinkEmail.objects.all()
    assert row.link.token_hash is None

    send_link_email(row.pk)
    send_link_email(row.pk)

    [sent] = mail.outbox
    [path] = re.findall(r"(/customer/page_\w{40}/)", str(sent.body))
    assert sent.to == ["Kim@example.com"]
    assert Client().get(path).status_code == 200
    row.refresh_from_db()
    assert row.state == "done"


def test_an_email_that_is_sent_again_has_the_only_link_that_opens(
    org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    Organization.objects.filter(pk=org.pk).update(billing_email="pay@example.com")
    of("ann").post(tab(org), {**NEW, "address": "pay@example.com"})
    [row] = CustomerLinkEmail.objects.all()
    with monkeypatch.context() as patch:
        patch.setattr(EmailMessage, "send", refuse)
        send_link_email(row.pk)
    first = CustomerLink.objects.get().token_hash
    CustomerLinkEmail.objects.update(next_attempt_at=NOW - timedelta(days=3_650))

    send_link_email(row.pk)

    [sent] = mail.outbox
    [path] = re.findall(r"(/customer/page_\w{40}/)", str(sent.body))
    assert Client().get(path).status_code == 200
    assert CustomerLink.objects.get().token_hash != first


def refuse(message: EmailMessage) -> None:
    raise OSError("no mail host")


def test_an_email_of_a_revoked_link_is_not_sent(org: Organization) -> None:
    Organization.objects.filter(pk=org.pk).update(billing_email="pay@example.com")
    of("ann").post(tab(org), {**NEW, "address": "pay@example.com"})
    [row] = CustomerLinkEmail.objects.all()
    CustomerLink.objects.update(revoked_at=NOW)

    send_link_email(row.pk)

    row.refresh_from_db()
    assert (row.state, mail.outbox) == ("failed", [])


def test_no_log_has_a_token(
    org: Organization,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("billing.customer_pages.views.page.PER_MINUTE", 1)
    path, ann = make(org), of("ann")
    assert [ann.get(path).status_code for _ in range(2)] == [200, 429]
    delete(org)
    assert ann.get(path, REMOTE_ADDR="10.0.0.2").status_code == 404

    assert path not in caplog.text
    events = SecurityEvent.objects.filter(details__path__startswith="/customer/")
    assert not events.exists()


def test_too_many_requests_wait(
    org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.customer_pages.views.page.PER_MINUTE", 2)
    path = make(org)
    statuses = [Client().get(path, REMOTE_ADDR=f"10.0.0.{n}") for n in (1, 2, 3)]
    guesses = [Client().get("/customer/x/", REMOTE_ADDR="10.0.1.1") for _ in range(3)]

    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert [answer.status_code for answer in guesses] == [404, 404, 429]
    assert int(statuses[-1].headers["Retry-After"]) > 0
