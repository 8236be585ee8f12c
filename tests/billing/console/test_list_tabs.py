"""Tabs of the organization list with their counts, and the list as a CSV file."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.console.queries import organization_list
from billing.console.queries.organization_list import FleetFilters
from billing.models import Invoice, Subscription
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_organization,
    make_organizations,
    make_rate,
    make_user,
    record,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]
LIST, FILE = "/organizations/", "/organizations.csv"


@pytest.fixture
def bound(acme: WhiteLabel, client: Client) -> Client:
    client.force_login(make_user("bea", "viewer", white_label=acme, is_staff=False))
    return client


@pytest.fixture
def decoy(acme: WhiteLabel) -> WhiteLabel:
    return WhiteLabel.objects.get(slug="decoy")


def subscribed(organization: Organization, status: str) -> None:
    Subscription.objects.create(
        organization=organization,
        white_label=organization.white_label,
        stripe_id=f"sub_{organization.pk}",
        kind="platform",
        tier="growth",
        stripe_price_id="price_1",
        status=status,
        synced_at=NOW,
    )


def owing(organization: Organization, nth: int = 1) -> None:
    Invoice.objects.create(
        organization=organization,
        white_label=organization.white_label,
        stripe_id=f"in_{organization.pk}_{nth}",
        status="open",
        currency="usd",
        total=7,
        amount_due=7,
        amount_remaining=7,
        collection_method="send_invoice",
        issued_at=NOW - timedelta(days=9),
        due_at=NOW - timedelta(days=2),
    )


def tabs(client: Client, url: str = LIST) -> dict[str, str]:
    states = client.get(url).context["states"]
    return {state["label"]: state["count"] for state in states}


def table(client: Client, url: str = FILE) -> list[dict[str, str]]:
    response = client.get(url)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.getvalue().decode())))


def test_a_tab_shows_how_many_visible_organizations_it_has(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel
) -> None:
    make_organizations(acme, [{"external_id": f"o-{n}"} for n in range(9)])
    organizations = list(
        Organization.objects.filter(white_label=acme, external_id__startswith="o-")
    )
    for one in organizations[:3]:
        subscribed(one, "trialing")
    subscribed(organizations[3], "paused")
    for one in organizations[4:6]:
        owing(one)
        owing(one, nth=2)  # counts once
    for nth, removed in enumerate(organizations[7:9]):
        subscribed(removed, ("trialing", "paused")[nth])
        owing(removed)
        delete(removed)
    subscribed(make_organization(decoy, "d-1"), "trialing")
    owing(make_organization(decoy, "d-2"))

    counts = {"All": "", "Trial": "3", "Unpaid": "2", "Paused": "1", "Deleted": "2"}
    assert tabs(bound) == counts
    assert tabs(bound, f"{LIST}?state=trial&q=o-1") == counts
    staff = Client()
    staff.force_login(make_user("root", "operator"))
    assert tabs(staff) == {**counts, "Trial": "4", "Unpaid": "3"}
    page = bound.get(LIST).content.decode()
    assert 'Trial <span class="tabs__count">3</span>' in page


def test_counts_stop_at_a_thousand(
    bound: Client, acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("queries.tabs", "views.organizations"):
        monkeypatch.setattr(f"billing.console.{module}.MAX_COUNT", 5)
    make_organizations(acme, [{"external_id": f"o-{n}"} for n in range(6)])
    rows = Organization.objects.filter(white_label=acme, external_id__startswith="o-")
    rows.update(deleted_at=NOW)
    assert tabs(bound)["Deleted"] == "5+"
    rows.filter(external_id="o-3").update(deleted_at=None)
    assert tabs(bound)["Deleted"] == "5"


def test_the_csv_file_has_the_figures_of_the_list(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel
) -> None:
    make_rate(acme, "0.125")
    one = make_organization(acme, "o-7", name="=Seven, Ltd")
    make_organization(acme, "o-8", name="Eight")
    make_organization(decoy, "d-1", name="Decoy")
    subscribed(one, "trialing")
    record(acme, [event("a", organization="o-7", quantities={"requests": 11})])

    rows = {row["external_id"]: row for row in table(bound)}
    assert "d-1" not in rows
    seven = rows["o-7"]
    assert seven["name"] == "'=Seven, Ltd"  # escaped: no formula
    assert seven["white_label"] == "acme"
    assert (seven["currency"], float(seven["cost_30_days"])) == ("usd", 1.375)
    assert float(rows["o-8"]["cost_30_days"]) == 0


def test_the_csv_file_is_searched_filtered_and_sorted_as_the_list(
    bound: Client, acme: WhiteLabel
) -> None:
    make_organizations(
        acme, [{"external_id": f"o-{n:04}", "name": f"One {n:04}"} for n in range(530)]
    )
    subscribed(Organization.objects.get(external_id="o-0005"), "paused")

    ids = [row["external_id"] for row in table(bound, f"{FILE}?q=one&sort=-name")]
    assert ids == [f"o-{n:04}" for n in reversed(range(530))]
    assert [r["external_id"] for r in table(bound, f"{FILE}?state=paused")] == [
        "o-0005"
    ]
    assert table(bound, f"{FILE}?q=nobody") == []
    assert bound.get(f"{FILE}?sort=colour").status_code == 400


def test_the_file_has_all_rows_in_few_queries(
    bound: Client, acme: WhiteLabel, django_assert_max_num_queries: Any
) -> None:
    make_organizations(acme, [{"external_id": f"o-{n}"} for n in range(1_203)])

    with django_assert_max_num_queries(40):
        rows = table(bound)

    ids = [row["external_id"] for row in rows]
    assert (
        len(ids)
        == len(set(ids))
        == Organization.objects.filter(white_label=acme).count()
    )


def test_rows_are_neither_missed_nor_repeated_while_the_order_changes(
    acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organization_list, "_ROWS_AT_ONCE", 2)
    make_organizations(acme, [{"external_id": f"o-{n}"} for n in range(5)])
    visible = Organization.objects.filter(white_label=acme)
    ids = organization_list.list_ids(visible, FleetFilters(sort="name"))
    rows = organization_list.iterate_rows(visible, ids)

    first = next(rows).organization
    Organization.objects.filter(external_id="o-4").update(name="A")

    others = [row.organization.pk for row in rows]
    assert [first.pk, *others] == list(ids)
    assert len(ids) == visible.count()


def test_the_file_for_excel_keeps_text_as_it_is(
    bound: Client, acme: WhiteLabel
) -> None:
    make_rate(acme, "0.0000001")
    names = ["007", "1E5", "12345678901234567890", "3-4", "MAR1", "true", "Üben", "=1"]
    lines = [{"external_id": f"x{n}", "name": name} for n, name in enumerate(names)]
    make_organizations(acme, lines)
    make_organization(acme, "0815", name='8" disk')
    record(acme, [event("a", organization="x0", quantities={"requests": 1})])

    content = bound.get(f"{FILE}?for=excel").getvalue()
    plain = {row["external_id"]: row for row in table(bound)}

    assert content.startswith(b"\xef\xbb\xbf")
    text = content.decode("utf-8-sig")
    rows = {row["external_id"]: row for row in csv.DictReader(io.StringIO(text))}
    shown = [rows[f"x{n}"]["name"] for n in range(len(names))]
    assert shown[:6] == [f'="{name}"' for name in names[:6]]
    assert shown[6:] == ["Üben", "'=1"]
    assert rows['="0815"']["name"] == '="8"" disk"'
    assert rows["x0"]["cost_30_days"].rstrip("0") == "0.0000001"
    assert [plain[f"x{n}"]["name"] for n in range(7)] == names[:7]
    assert "0815" in plain
    assert bound.get(f"{FILE}?for=numbers").status_code == 400


def test_the_link_to_the_csv_file_follows_a_search(
    bound: Client, acme: WhiteLabel
) -> None:
    page = bound.get(f"{LIST}?q=a+b&state=paused").content.decode()
    assert 'href="/organizations.csv?q=a+b&amp;state=paused&amp;for=excel"' in page
    part = bound.get(f"{LIST}?q=seven", headers={"hx-request": "true"}).content.decode()
    assert (
        'href="/organizations.csv?q=seven&amp;for=excel" data-csv="organizations"'
        ' hx-boost="false" hx-swap-oob' in part
    )


def test_the_csv_file_requires_access_to_the_list(
    client: Client, acme: WhiteLabel
) -> None:
    anonymous: Any = client.get(FILE)
    assert anonymous.status_code == 302
    client.force_login(make_user("nobody", white_label=acme, is_staff=False))
    assert client.get(LIST).status_code == client.get(FILE).status_code == 403
