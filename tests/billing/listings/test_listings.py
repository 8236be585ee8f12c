"""Lists of what was billed, as JSON: the rows of the files, in pages, and whose."""

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from billing.alerts.queries.statuses import list_statuses
from billing.ledger.queries.reconciliation import reconcile_period
from billing.models import Alert, CreditEntry, Invoice
from config.openapi.document import document
from orgs.models import Organization
from tests.factories import NOW, delete, make_key, make_organization
from tests.support.console import fill_console
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
API = "/api/v1"
# The tables whose rows the lists have, by the name in the path.
TABLES = {
    "billing-periods": "periods",
    "limits": "spending-limits",
    **{
        name: name
        for name in (
            *("invoices", "adjustments", "charges", "credits", "subscriptions"),
            *("alerts", "alert-emails", "discrepancies", "charge-decisions"),
        )
    },
}


@pytest.fixture
@snapshot
def filled(org: Organization) -> Organization:
    fill_console(org)
    return Organization.objects.select_related("white_label").get(pk=org.pk)


def client_of(organization: Organization, *, is_fleet: bool = True) -> Client:
    own = None if is_fleet else organization
    scopes = ("billing:read", "organizations:read")
    key = make_key(organization.white_label, *scopes, organization=own)
    return Client(headers={"x-api-key": key})


@pytest.fixture
def api(filled: Organization) -> Client:
    return client_of(filled)


def read(client: Client, path: str) -> dict[str, Any]:
    response = client.get(f"{API}{path}")
    assert response.status_code == 200, response.content
    body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
    return body


def error(client: Client, path: str) -> tuple[int, str, list[str]]:
    response = client.get(f"{API}{path}")
    [problem] = response.json()["errors"]
    return response.status_code, problem["code"], problem.get("fields", [])


def validator(path: str) -> Any:
    openapi = document()
    content = openapi["paths"][f"{API}{path}"]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    return jsonschema_rs.validator_for(
        {**schema, "components": openapi["components"]}, validate_formats=True
    )


def file_rows(client: Client, path: str) -> list[dict[str, str]]:
    content = b"".join(client.get(f"{API}{path}").streaming_content)  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.mark.parametrize("name", TABLES)
def test_a_list_has_the_rows_of_its_file(
    api: Client, filled: Organization, name: str
) -> None:
    for whose in ("", f"/organizations/{filled.pk}"):
        body = read(api, f"{whose}/{name}")
        [rows] = [value for key, value in body.items() if key != "next_cursor"]
        in_file = file_rows(api, f"{whose}/tables/{TABLES[name]}.csv")

        assert rows
        pattern = whose.replace(str(filled.pk), "{organization_id}")
        plain = json.loads(json.dumps(body, default=float))
        validator(f"{pattern}/{name}").validate(plain)
        assert {"id", *in_file[0]} == set(rows[0])
        for column in {"amount", "total", "cost"} & {*in_file[0]}:
            amounts = [row[column] for row in in_file if row[column]]
            listed = [row[column] for row in rows if row[column] is not None]
            assert sorted(map(Decimal, amounts)) == sorted(listed)


def pages(client: Client, path: str, limit: int) -> Iterator[list[int]]:
    cursor = ""
    while True:
        body = read(client, f"{path}?limit={limit}{cursor}")
        yield [row["id"] for row in body["credits"]]
        if body["next_cursor"] is None:
            return
        cursor = f"&cursor={body['next_cursor']}"


def test_pages_have_every_row_once_and_the_newest_first(
    api: Client, filled: Organization
) -> None:
    for note in ("one", "two", "three"):
        CreditEntry.objects.create(
            organization=filled, kind="credit", amount=1, note=note, by="ann"
        )
    path = f"/organizations/{filled.pk}/credits"
    ids = [row["id"] for row in read(api, path)["credits"]]

    assert ids == sorted(ids, reverse=True)
    assert len(ids) >= 5
    for limit in (1, 2, len(ids)):
        assert [id_ for page in pages(api, path, limit) for id_ in page] == ids


def test_a_cursor_is_of_its_caller_and_list(api: Client, filled: Organization) -> None:
    path = f"/organizations/{filled.pk}/credits?limit=1"
    cursor = read(api, path)["next_cursor"]

    for client, other in (
        (client_of(filled), f"{path}&cursor={cursor}"),
        (api, f"/credits?limit=1&cursor={cursor}"),
        (api, f"/charges?limit=1&cursor={cursor}"),
    ):
        assert error(client, other) == (400, "invalid_cursor", ["cursor"])


def test_only_rows_within_reach_are_listed(filled: Organization) -> None:
    other = make_organization(filled.white_label, "org-12")
    decoy = Organization.objects.exclude(white_label=filled.white_label)[0]

    assert read(client_of(decoy), "/invoices")["invoices"] == []
    assert read(client_of(other, is_fleet=False), "/invoices")["invoices"] == []
    own = read(client_of(filled, is_fleet=False), "/invoices")["invoices"]
    assert {row["organization_id"] for row in own} == {filled.pk}
    path = f"/organizations/{filled.pk}/invoices"
    assert error(client_of(decoy), path)[0] == 404


def test_filters_are_those_of_the_table(api: Client, filled: Organization) -> None:
    [invoice] = Invoice.objects.filter(status="open")
    day = invoice.issued_at.date()

    for query in ("status=open", f"from={day}", "white_label=acme"):
        rows = read(api, f"/invoices?{query}")["invoices"]
        assert invoice.pk in [row["id"] for row in rows]
    assert read(api, f"/invoices?to={day}&status=open")["invoices"] == []
    assert read(api, "/charges?period=99")["charges"] == []
    alert = Alert.objects.filter(alert_emails__isnull=False).first()
    assert alert
    emails = read(api, f"/alert-emails?alert={alert.pk}")["alert_emails"]
    assert {row["alert_id"] for row in emails} == {alert.pk}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("invoices?status=late", "status"),
        ("invoices?from=yesterday", "from"),
        ("invoices?from=2026-11-02&to=2026-11-01", "to"),
        ("invoices?limit=0", "limit"),
        ("invoices?limit=1001", "limit"),
        ("subscriptions?from=2026-11-01", "from"),
        ("subscriptions?status=late", "status"),
        ("limits?kind=firm", "kind"),
        ("alerts?state=lost", "state"),
        ("discrepancies?resolved=yes", "resolved"),
        ("charges?period=one", "period"),
    ],
)
def test_a_bad_filter_is_named(api: Client, query: str, field: str) -> None:
    status, _, fields = error(api, f"/{query}")

    assert (status, fields) == (400, [field])


def test_a_page_takes_the_same_queries_whatever_its_rows(
    api: Client,
    filled: Organization,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for name in TABLES:
        for path in (f"/{name}", f"/organizations/{filled.pk}/{name}"):
            # The first call of a key has three more.
            with django_assert_max_num_queries(11):
                read(api, path)


def test_alerts_are_measured_as_on_their_page(
    api: Client, filled: Organization
) -> None:
    path = "/organizations/{organization_id}/alert-status"
    url = path.format(organization_id=filled.pk)

    body = read(api, url)

    statuses = list_statuses(filled.pk, now=NOW)
    listed = [(row["kind"], row["status"]) for row in body["alert_status"]]
    assert listed == [(row.kind.slug, row.status.value) for row in statuses]
    assert {row["value"] for row in body["alert_status"]} > {None}
    validator(path).validate(json.loads(json.dumps(body, default=float)))


def test_a_period_is_reconciled_as_on_its_page(
    api: Client, filled: Organization
) -> None:
    result = reconcile_period(filled, 1)
    path = f"/organizations/{filled.pk}/billing-periods"

    body = read(api, f"{path}/1")

    assert [step["amount"] for step in body["steps"]] == [
        step.amount for step in result.steps
    ]
    assert body["steps"][0]["code"] == "events"
    assert {row["product"] for row in body["products"]} == {
        row.product for row in result.rows
    }
    assert body["is_reconciled"] is result.is_reconciled
    plain = json.loads(json.dumps(body, default=float))
    detail = "/organizations/{organization_id}/billing-periods/{number}"
    validator(detail).validate(plain)
    for number in ("99", "x", "9" * 18):
        assert error(api, f"{path}/{number}")[0] == 404


def test_a_deleted_organization_is_listed_if_it_is_asked_for(
    api: Client, filled: Organization
) -> None:
    delete(filled)
    path = f"/organizations/{filled.pk}/charges"

    assert error(api, path)[0] == 404
    assert read(api, f"{path}?includeDeleted=true")["charges"]
