"""Why costs differ: ranges, periods, the identity of the terms, and the CSV."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from billing.ledger.commands.charges import send_charges
from billing.ledger.commands.credits import refund_as_credit
from billing.models import BillingPeriod, Invoice, Price
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import NOW, event, make_key, make_rate, record
from tests.support.drafts import Draft
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
RANGE = "from=2026-11-01&to=2026-11-22&compare_from=2026-10-01&compare_to=2026-10-22"
USAGE = ("volume", "price", "mix", "new", "ended")


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Return an organization with usage in October and November.

    Requests to gpt: 10 at 2, then 20, of which 15 at 3; 5 are of a new project. `old`
    ended, `new` began, and `secret` has no price.
    """
    make_rate(acme, "2")
    make_rate(acme, "3", effective_from=NOW.replace(day=3, hour=0))
    make_rate(acme, "1", product="old")
    make_rate(acme, "0.5", product="new")
    vision = {"project": "vision"}
    record(
        acme,
        [
            event("a", timestamp="2026-10-05T00:00:00Z", quantities={"requests": 10}),
            event("b", timestamp="2026-10-06T00:00:00Z", product="old"),
            event("c", timestamp="2026-11-02T00:00:00Z", quantities={"requests": 5}),
            event("d", timestamp="2026-11-04T00:00:00Z", quantities={"requests": 10}),
            event("e", **vision),
            event("f", product="new"),
            event("g", product="secret"),
        ],
    )
    return org


class Ask:
    def __init__(self, client: Client, organization: Organization) -> None:
        self.client = client
        self.base = f"/api/v1/organizations/{organization.pk}/costs/difference"

    def __call__(self, query: str = "") -> dict[str, Any]:
        response = self.client.get(f"{self.base}?{query}")
        assert response.status_code == 200, response.content
        body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
        check(body)
        return body

    def error(self, query: str) -> tuple[int, list[str]]:
        response = self.client.get(f"{self.base}?{query}")
        [error] = response.json()["errors"]
        return response.status_code, error.get("fields", [])

    def rows(self, query: str = "") -> list[dict[str, str]]:
        content = self.client.get(f"{self.base}.csv?{query}").content.decode()
        return list(csv.DictReader(io.StringIO(content)))


def check(body: dict[str, Any]) -> None:
    """Check that the terms, products, meters and projects all add up."""
    assert body["difference"] == body["total"] - body["compare_total"]
    assert body["difference"] == sum(term["amount"] for term in body["terms"])
    usage = sum(t["amount"] for t in body["terms"] if t["kind"] in USAGE)
    for rows in (body["products"], body["meters"], body["projects"]):
        assert sum(row["difference"] for row in rows) == usage
        for row in rows:
            assert row["difference"] == row["cost"] - row["compare_cost"]
            assert row["difference"] == sum(row[kind] for kind in USAGE)


@pytest.fixture
def ask(acme: WhiteLabel, org: Organization) -> Ask:
    return Ask(Client(headers={"x-api-key": make_key(acme, "billing:read")}), org)


def amounts(body: dict[str, Any]) -> dict[str, Any]:
    return {t["kind"]: t["amount"] for t in body["terms"] if t["amount"]}


def test_every_term_of_a_difference(
    used: Organization,
    ask: Ask,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_max_num_queries(13):  # with those of a key's first call
        body = ask(RANGE)

    assert (body["total"], body["compare_total"]) == (Decimal("57.5"), 25)
    assert amounts(body) == {
        "volume": 20, "price": 15, "new": Decimal("2.5"), "ended": -5,
    }  # fmt: skip
    assert len(body["terms"]) == 13
    assert body["basis"] == "usage"
    assert [row["product"] for row in body["products"]] == [
        *("gpt", "old", "new", "secret"),
    ]
    vision = Project.objects.get(name="vision")
    assert {p["project_id"]: p["difference"] for p in body["projects"]} == {
        None: Decimal("17.5"), vision.pk: 15,
    }  # fmt: skip
    assert [p["is_new"] for p in body["projects"]] == [False, True]
    assert body["unpriced"] == [
        {"product": "secret", "meter": "requests", "quantity": 5, "compare_quantity": 0}
    ]
    causes = body["main_causes"]
    assert [(c["kind"], c["product"]) for c in causes] == [
        ("volume", "gpt"), ("price", "gpt"), ("ended", "old"),
    ]  # fmt: skip
    assert causes[1]["price_changes"] == ["2026-11-03"]
    for part in ("$32.50", "$20.00", "$15.00", "Nov 3", "vision"):
        assert part in body["summary"]


def test_the_csv_adds_up_to_the_same(used: Organization, ask: Ask) -> None:
    body, rows = ask(RANGE), ask.rows(RANGE)

    def total(column: str) -> Decimal:
        return sum((Decimal(row[column] or 0) for row in rows), Decimal(0))

    assert total("cost") == body["total"]
    assert total("compare_cost") == body["compare_total"]
    assert total("difference") == body["difference"]
    assert sum((total(kind) for kind in USAGE), Decimal(0)) == body["difference"]
    assert total("unpriced_quantity") == 5


def test_the_default_is_the_open_period_and_the_days_before(
    used: Organization, ask: Ask
) -> None:
    body = ask()
    period = BillingPeriod.objects.get(organization=used)
    assert body["from"] == period.starts_at.date().isoformat()
    assert body["to"] == "2026-11-22"
    assert body["compare_to"] == body["from"]


def test_one_range_is_compared_with_the_one_before(
    used: Organization, ask: Ask
) -> None:
    body = ask("from=2026-11-04&to=2026-11-08")
    assert (body["compare_from"], body["compare_to"]) == ("2026-10-31", "2026-11-04")
    body = ask("from=2026-11-04&to=2026-11-08&compare_from=2026-10-05")
    assert body["compare_to"] == "2026-10-09"
    body = ask("from=2026-11-04&to=2026-11-08&compare_to=2026-10-09")
    assert body["compare_from"] == "2026-10-05"
    same = ask(RANGE.replace("2026-10-", "2026-11-"))
    assert (same["difference"], amounts(same)) == (0, {})


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("from=yesterday", ["from"]),
        ("compare_to=soon", ["compare_to"]),
        ("from=2026-11-02&to=2026-11-01", ["from", "to"]),
        (
            "compare_from=2026-11-02&compare_to=2026-11-01",
            ["compare_from", "compare_to"],
        ),
        ("from=2000-01-01&to=2000-03-01", ["from", "to"]),
        ("from=2000-01-01&to=2000-03-01&compare_to=2000-02-01",
         ["compare_from", "compare_to"]),
        ("from=2001-01-01&to=2026-01-01&compare_from=2026-01-01&compare_to=2026-01-02",
         ["from", "to"]),
        ("period=1&from=2026-11-01", ["period", "compare_period"]),
        ("compare_period=1", ["period"]),
        ("period=x", ["period"]),
        ("period=0", ["period"]),
    ],
)  # fmt: skip
def test_ranges_that_are_refused(
    used: Organization, ask: Ask, query: str, fields: list[str]
) -> None:
    assert ask.error(query) == (400, fields)


def test_periods_that_do_not_exist(used: Organization, ask: Ask) -> None:
    assert ask.error("period=7")[0] == 404
    assert ask.error("period=1")[0] == 404  # there is none before


def divide_lines(invoice: Invoice) -> None:
    """Record what each price has on an invoice: a plan, seats, and an unknown one."""
    for id_, kind in (("price_p", "platform"), ("price_s", "spaces"), ("price_x", "")):
        Price.objects.create(
            stripe_id=id_, stripe_product_id=id_, kind=kind, currency="usd"
        )
    totals = {"price_p": "80.00", "price_s": "15.50", "price_x": "3"}
    Invoice.objects.filter(pk=invoice.pk).update(price_totals=totals)


def test_whole_periods_add_the_other_terms_of_invoices(
    draft: Draft, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    organization = draft.organization
    ask = Ask(
        Client(
            headers={"x-api-key": make_key(organization.white_label, "billing:read")}
        ),
        organization,
    )
    refund_as_credit(
        organization.id, amount=Decimal("5.009"), key="k", note="why", by="ann"
    )
    first = draft.close()
    send_charges(first.id)
    invoice = Invoice.objects.get(period=first)
    Invoice.objects.filter(pk=invoice.pk).update(total=Decimal("122.51"))
    second = BillingPeriod.objects.get(organization=organization, number=2)
    BillingPeriod.objects.filter(pk=second.pk).update(
        ends_at=second.starts_at.replace(year=2027), closed_at=NOW, cost=0
    )
    BillingPeriod.objects.create(
        organization=organization,
        number=3,
        starts_at=second.starts_at.replace(year=2027),
    )

    with django_assert_max_num_queries(20):
        body = ask("period=2&compare_period=1")

    assert body["basis"] == "invoiced"
    assert (body["total"], body["compare_total"]) == (0, Decimal("122.51"))
    by_kind = amounts(body)
    assert by_kind["credits"] == 5
    assert by_kind["plan_and_seats"] == Decimal("-100")
    assert by_kind["ended"] == Decimal("-27.51")
    assert sum(by_kind.values()) == body["difference"]
    rows = ask.rows("period=2&compare_period=1")
    assert sum(Decimal(row["difference"] or 0) for row in rows) == body["difference"]
    assert {row["line"] for row in rows} >= {"usage", "credits", "plan_and_seats"}
    assert body["is_divided"] is False
    divide_lines(invoice)
    body = ask("period=2&compare_period=1")
    by_kind = amounts(body)
    lines = [by_kind[kind] for kind in ("plan", "seats", "other_lines")]
    assert lines == [-80, Decimal("-15.5"), Decimal("-4.5")]
    assert "plan_and_seats" not in by_kind
    assert (body["is_divided"], sum(by_kind.values())) == (True, body["difference"])
    assert "for seats" in body["summary"]
    # The open period has no invoice yet: both are compared by usage.
    assert ask("period=3&compare_period=1")["basis"] == "usage"
