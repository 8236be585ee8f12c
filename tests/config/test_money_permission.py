"""Money is shown to no person without the permission for it, on any route."""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from billing.alerts.commands.evaluation import evaluate_all_measures
from billing.exports.queries.registry import TABLES
from billing.ledger.commands.limits import change_limits
from billing.models import SavedView
from config.openapi.document import document
from orgs.access import issue_token
from orgs.models import Organization, User
from tests.factories import make_key, make_user
from tests.support.console import fill_console, fleet_urls, organization_urls
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
# Amounts with a currency, what `fill_console` writes, and amounts with a value in JSON.
AMOUNT = re.compile(
    r"[$€£]\s?\d|64\.05|\b(?:30|500|900|600|610|40|250)\.00\b|0\.0123|739\.8|371\.5|555\.7"
    r"|\bcost_30_days\b|\bnext_limit\b"
    r'|"[a-z_A-Z]*(?:cost|price(?!d)|amount|balance|savings)[a-z_A-Z]*": ?"?-?[0-9]'
)
IDS = {"number": "1", "table": "members"}
COLUMNS = ("cost", "change", "trend", "period", "estimate", "limit")
LIST = "/organizations/"


@pytest.fixture
@snapshot
def filled(org: Organization) -> Organization:
    fill_console(org)
    change_limits(org.pk, soft=Decimal(30), hard=Decimal(40))  # both are reached
    evaluate_all_measures([org.pk])
    return org


@pytest.fixture
def reader(filled: Organization) -> User:
    """Return a person who may see organizations, and no money."""
    group = Group.objects.create(name="directory")
    group.permissions.add(Permission.objects.get(codename="view_organization"))
    return make_user("reader", "directory", white_label=filled.white_label)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_urls(org: Organization) -> Iterator[str]:
    yield from organization_urls(org)
    yield from fleet_urls(org)
    yield from ("/history/", "/needs-action/", "/organizations.csv", LIST)
    yield from (f"/search/?q={words}" for words in ("org", "EXT", "cus", "in_"))
    for slug in TABLES:
        yield f"/tables/{slug}.csv"
        yield f"/organizations/{org.pk}/tables/{slug}.csv"
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
    yield reverse("admin:orgs_organization_change", args=[org.pk])
    yield reverse("admin:orgs_organization_history", args=[org.pk])


def operation_urls(org: Organization) -> Iterator[str]:
    ids = {**IDS, "organization_id": str(org.pk), "inner_id": str(org.pk)}
    for path, methods in document()["paths"].items():
        # The list of tables has the names of all columns, and no row.
        if "get" in methods and path != "/api/v1/tables":
            yield re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], "1"), path)


def body_of(client: Client, url: str) -> str:
    answer = client.get(url)
    content = answer.getvalue() if answer.streaming else answer.content
    return content.decode(errors="replace")


def test_pages_files_and_admin_show_no_amount(
    reader: User, filled: Organization
) -> None:
    client = signed_in(reader)

    shown = {
        url: match[0]
        for url in page_urls(filled)
        if (match := AMOUNT.search(body_of(client, url)))
    }

    assert shown == {}


@pytest.mark.parametrize("by_session", [True, False])
def test_operations_answer_no_amount(
    reader: User, filled: Organization, by_session: bool
) -> None:
    bearer = {"authorization": f"Bearer {issue_token(reader)}"}
    client = signed_in(reader) if by_session else Client(headers=bearer)

    shown = {
        url: match[0]
        for url in operation_urls(filled)
        if (match := AMOUNT.search(body_of(client, url)))
    }

    assert shown == {}


def test_the_patterns_find_the_amounts(filled: Organization) -> None:
    """What is absent for the one is present for the other."""
    client = signed_in(make_user("owner", "operator", white_label=filled.white_label))
    urls = (LIST, "/organizations.csv", f"/organizations/{filled.pk}/billing/")
    usage = f"/api/v1/organizations/{filled.pk}/usage"

    assert all(AMOUNT.search(body_of(client, url)) for url in (*urls, usage))


@pytest.mark.parametrize(
    "query",
    [
        *(f"columns=status,{column}" for column in COLUMNS),
        *("sort=cost", "sort=-cost", "sort=growth", "sort=limit", "reason=payment"),
    ],
)
def test_columns_and_sorts_by_money_are_refused(reader: User, query: str) -> None:
    client = signed_in(reader)

    for url in (LIST, "/organizations.csv", "/tables/organizations.csv"):
        assert client.get(f"{url}?{query}").status_code == 403, url


def test_the_list_offers_only_what_it_shows(reader: User) -> None:
    SavedView.objects.create(
        owner=reader, name="old", query="sort=cost&columns=status%2Ccost"
    )

    context = signed_in(reader).get(LIST).context

    assert {choice["slug"] for choice in context["column_choices"]}.isdisjoint(COLUMNS)
    assert (context["filters"].sort, context["reasons"], context["views"]) == (
        *("name", []),
        [],
    )


def test_a_key_without_billing_reads_no_costs(filled: Organization) -> None:
    key = make_key(filled.white_label, "organizations:read")
    client = Client(headers={"x-api-key": key})

    usage = body_of(client, f"/api/v1/organizations/{filled.pk}/usage")
    table = body_of(client, "/api/v1/tables/organizations.csv")

    assert not AMOUNT.search(usage)
    assert not AMOUNT.search(table)
    assert '"quantity"' in usage


def test_reasons_are_named_without_their_amounts(
    filled: Organization, reader: User
) -> None:
    for url in (f"/organizations/{filled.pk}/usage/", LIST, "/organizations.csv"):
        answer = signed_in(reader).get(url)
        text = b"".join(answer) if answer.streaming else answer.content
        assert b"ard limit reached" in text
        assert not AMOUNT.search(text.decode())
