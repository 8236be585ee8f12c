"""What an attacker tried by hand, kept as tests: each was possible once."""

import logging
from functools import partial
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import CustomerLink, StripeAction
from config.log_filters import MaskedLinks
from metrics.models import Rate
from orgs.commands.people import invite_member
from orgs.errors import Conflict
from orgs.models import Entitlements, Member, Organization, User, WhiteLabel
from tests.factories import NOW, make_organization, make_user
from tests.support.admin import fields
from tests.support.parallel import together
from tests.support.webhooks import make_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    make_user("support", "support")
    make_user("finance", "finance")
    make_user("operator", "operator")


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def test_the_admin_neither_deletes_nor_deactivates(org: Organization) -> None:
    client = of("support")
    url = reverse("admin:orgs_organization_change", args=[org.pk])
    ended = {"deleted_at_0": "2026-11-30", "deleted_at_1": "23:30", "is_active": ""}
    assert client.post(url, fields(client.get(url), **ended)).status_code == 302

    org.refresh_from_db()
    assert (org.deleted_at, org.is_active) == (None, True)


def test_the_admin_overwrites_no_other_editor(org: Organization) -> None:
    client = of("operator")
    url = reverse("admin:orgs_organization_change", args=[org.pk])
    opened = fields(client.get(url), name="From the admin")
    Organization.objects.filter(pk=org.pk).update(rate_limit=55_555)

    answer = client.post(url, opened)
    assert answer.status_code == 200
    assert "Another person changed this" in answer.content.decode()
    org.refresh_from_db()
    assert (org.name, org.rate_limit) == ("Org-7", 55_555)
    assert client.post(url, fields(client.get(url), name="X")).status_code == 302


def test_the_admin_overwrites_no_entitlements_of_another_editor(
    org: Organization,
) -> None:
    Entitlements.objects.create(organization=org, storage_bytes=1 << 40)
    client = of("operator")
    url = reverse("admin:orgs_organization_change", args=[org.pk])
    opened = fields(client.get(url))
    Entitlements.objects.update(storage_bytes=2 << 40)

    assert client.post(url, opened).status_code == 200
    assert Entitlements.objects.get().storage_bytes == 2 << 40


def test_a_stale_form_of_the_admin_activates_no_account() -> None:
    make_user("root", is_superuser=True)
    person = User.objects.get(username="finance")
    client, url = of("root"), reverse("admin:orgs_user_change", args=[person.pk])
    opened = fields(client.get(url), first_name="Fay")
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert client.post(url, opened).status_code == 200
    User.objects.filter(pk=person.pk).update(is_active=True)
    person.groups.clear()
    assert client.post(url, opened).status_code == 200

    person.refresh_from_db()
    assert (person.first_name, person.groups.count()) == ("", 0)
    again = fields(client.get(url), first_name="Fay")
    assert client.post(url, again).status_code == 302


@pytest.mark.parametrize(
    ("person", "page"),
    [
        ("finance", "admin:metrics_rate_add"),
        ("operator", "admin:orgs_whitelabel_change"),
        ("support", "admin:orgs_organization_change"),
        ("support", "admin:orgs_member_add"),
        ("support", "billing:edit_details"),
        ("support", "billing:access"),
    ],
)
def test_a_write_long_after_the_login_asks_for_a_proof(
    org: Organization, frozen: Any, person: str, page: str
) -> None:
    client = of(person)
    ids = {"admin:orgs_whitelabel_change": [org.white_label_id]}
    arguments: list[Any] = ids.get(page, [] if page.endswith("_add") else [org.pk])
    if page == "billing:edit_details":
        arguments = [org.pk, "name"]
    frozen.shift(3_600 - 60)
    data = {"name": "X", "reason": "x", "note": "x", "step": "apply"}
    data |= {"change": "deactivate", "external_id": "x"}
    answer = client.post(reverse(page, args=arguments), data)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    org.refresh_from_db()
    assert (org.name, org.is_active) == ("Org-7", True)


def test_actions_of_stripe_and_webhooks_ask_for_a_proof(
    org: Organization, frozen: Any, settings: Any
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_x"
    client = of("operator")
    action = StripeAction.objects.create(
        organization=org, kind="create_customer", note="x", requested_by="ann"
    )
    ended = {"state": "failed", "error": "No card.", "finished_at": NOW}
    StripeAction.objects.filter(pk=action.pk).update(**ended)
    endpoint = make_endpoint(org.white_label)
    billing = f"/organizations/{org.pk}/billing/actions"
    new = {"note": "x", "idempotency_key": "k" * 32, "email": "a@x.example"}
    frozen.shift(3_600 - 60)
    for path, data in (
        (f"{billing}/{action.pk}/retry/", {}),
        (f"{billing}/{action.pk}/cancel/", {}),
        (f"{billing}/new/create-customer/", new),
        (f"/webhook-endpoints/{endpoint.pk}/", {"step": "disable", "change-note": "x"}),
    ):
        answer = client.post(path, data)
        assert answer.status_code == 302, path
        assert answer["Location"].startswith("/accounts/reauthenticate/"), path
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None
    assert StripeAction.objects.count() == 1


@pytest.mark.parametrize("path", ["//evil.example/", "//evil.example/orgs/"])
def test_no_confirmation_leads_to_another_host(path: str) -> None:
    answer = Client().get(f"{path}?confirmed=x", HTTP_HOST="testserver")

    location = answer.headers.get("Location", "")
    assert answer.status_code in {302, 404}
    assert not location.startswith(("//", "http"))


def test_a_parameter_of_the_api_is_no_confirmation(acme: WhiteLabel) -> None:
    assert of("support").get("/api/v1/organizations?confirmed=x").status_code != 302


def test_shortcuts_by_numbers_of_tables_lead_nowhere() -> None:
    assert of("support").get("/admin/r/1/1/").status_code == 404


@pytest.mark.parametrize(
    "lines",
    [
        "a@b.example,x\rb@c.example,y",
        "a" * 200_000,
        "\n".join(['a@b.example,"x', *["y" * 1_900] * 100]),
        'a@b.example,"x" y',
    ],
)
def test_pasted_members_are_refused_or_read(org: Organization, lines: str) -> None:
    url = reverse("orgs:add_members", args=[org.pk])
    answer = of("support").post(url, {"lines": lines, "step": "save"})

    assert answer.status_code in {302, 422}
    assert Member.objects.count() == (2 if answer.status_code == 302 else 0)


def test_one_person_sends_few_emails_to_members(org: Organization) -> None:
    client, url = of("support"), reverse("orgs:add_person", args=[org.pk, "members"])
    statuses = [
        client.post(
            url, {"email": f"u{i}@x.example", "role": "member", "sends_email": "on"}
        ).status_code
        for i in range(21)
    ]

    assert statuses == [302] * 20 + [422]
    assert Member.objects.count() == 20


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(['product,meter,unit_price,"x', *["y" * 1_900] * 100]),
        "product,meter,unit_price\n" + "\n".join(['gpt,"x', *["y" * 1_900] * 100]),
        'product,meter,unit_price\n"gpt"4,prompt_tokens,1',
        "product,meter,unit_price\ngpt\x00,prompt_tokens,1",
    ],
)
def test_pasted_prices_are_refused(acme: WhiteLabel, text: str) -> None:
    url = reverse("metrics:import_prices")
    data = {"step": "save", "reason": "x", "white_label": acme.slug}
    file = SimpleUploadedFile("p.csv", text.encode())
    for given in ({"lines": text}, {"file": file}):
        answer = of("operator").post(f"{url}?white_label={acme.slug}", data | given)
        assert answer.status_code == 422
    assert not Rate.objects.exists()


@pytest.mark.parametrize("value", ["x", "NaN", "1e400", "9999-12-31", "-1"])
@pytest.mark.parametrize(
    "page", ["orgs_member", "orgs_project", "metrics_rate", "billing_spendinglimit"]
)
def test_no_parameter_of_a_new_row_is_an_error(page: str, value: str) -> None:
    names = ("organization", "white_label")
    query = dict.fromkeys(names, value)
    answer = of("operator").get(reverse(f"admin:{page}_add"), query)
    assert answer.status_code == 200


def test_an_address_of_htmx_that_is_none_leads_to_the_login() -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://[x"}
    assert Client(headers=headers).get("/organizations/").status_code < 500


def test_one_person_sends_few_links_to_customer_pages(org: Organization) -> None:
    client = of("support")
    Member.objects.create(
        organization=org, external_id="v", email="v@x.example", added_at=NOW
    )
    url = reverse("billing:customer_links", args=[org.pk])
    data = {"name": "L", "days": "30", "address": "v@x.example", "reason": "asked"}
    statuses = [client.post(url, data).status_code for _ in range(21)]
    assert statuses == [302] * 20 + [422]
    assert CustomerLink.objects.count() == 20


@pytest.mark.parametrize(
    ("page", "name"),
    [("edit_limits", "limits_form"), ("edit_recipients", "recipients_form")],
)
def test_stale_limits_and_recipients_overwrite_nothing(
    org: Organization, page: str, name: str
) -> None:
    client, tab = of("finance"), reverse("billing:alerts", args=[org.pk])
    url = reverse(f"billing:{page}", args=[org.pk])
    before = client.get(tab).context[name]["before"].value()
    data = {"step": "save", "hard": "50", "note": "cap", "addresses": "a@x.example"}
    assert client.post(url, data | {"before": before}).status_code == 302
    stale = data | {"hard": "9000", "addresses": "", "before": before}
    answer = client.post(url, stale)

    assert answer.status_code == 409
    assert "data-last-change" in answer.content.decode()
    values = client.get(tab).context[name].values
    assert values in (
        {"soft": "", "hard": "50"},
        {
            "notifies_billing_email": False,
            "members": [],
            "endpoints": [],
            "addresses": "a@x.example",
        },
    )
    renewed = answer.context[name]["before"].value()
    assert client.post(url, stale | {"before": renewed}).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("committed")
def test_no_race_of_the_admin_loses_a_change() -> None:
    organization = make_organization(WhiteLabel.objects.get(slug="acme"), "org-9")
    client = of("support")
    url = reverse("admin:orgs_organization_change", args=[organization.pk])
    opened = fields(client.get(url))

    def save(number: int) -> int:
        return of("support").post(url, opened | {"name": f"N{number}"}).status_code

    assert sorted(together([partial(save, n) for n in range(6)])) == [200] * 5 + [302]
    new = reverse("admin:orgs_member_add")
    member = {
        "organization": organization.pk,
        "external_id": "u",
        "role": "member",
        "added_at_0": "2026-11-21",
        "added_at_1": "12:00",
    }

    def add(_: int) -> int:
        return of("support").post(new, member).status_code

    statuses = together([partial(add, n) for n in range(6)])
    assert sorted(statuses) == [200] * 5 + [302]
    assert Member.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("committed")
def test_no_race_sends_more_emails_to_members(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orgs.commands.people.EMAILS_AN_HOUR", 3)
    organization = make_organization(WhiteLabel.objects.get(slug="acme"), "org-9")

    def invite(number: int) -> bool:
        values = {"email": f"u{number}@x.example", "role": "member"}
        try:
            invite_member(
                organization,
                f"u{number}",
                values,
                invited_by="support",
                sends_email=True,
            )
        except Conflict:
            return False
        return True

    assert sum(together([partial(invite, number) for number in range(8)])) == 3
    assert Member.objects.filter(organization=organization).count() == 3


@pytest.mark.parametrize(
    "path",
    [
        "/customer/page_secret/",
        "/unsubscribe/secret:secret/",
        "/accounts/password/reset/key/q-secret/",
        "/accounts/confirm-email/secret/",
    ],
)
def test_tokens_of_links_are_in_no_log_line(path: str) -> None:
    record = logging.LogRecord("x", 30, "f", 1, "Not Found: %s", (path,), None)
    MaskedLinks().filter(record)

    assert "secret" not in record.getMessage()
    assert record.getMessage().startswith("Not Found: /")


@pytest.mark.parametrize(
    "change",
    [
        "update billing_customerlink set revoked_at = null",
        "update billing_customerlink set expires_at = '2199-01-01'",
        "update billing_customerlink set token_hash = 'x'",
        "delete from billing_customerlink",
    ],
)
def test_no_statement_revives_a_customer_link(org: Organization, change: str) -> None:
    CustomerLink.objects.create(
        organization=org,
        name="Link",
        created_by_name="ann",
        created_at=NOW,
        expires_at=NOW,
        revoked_at=timezone.now(),
        token_hash=b"1" * 32,
    )
    with (
        pytest.raises(IntegrityError, match="customer link"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)
