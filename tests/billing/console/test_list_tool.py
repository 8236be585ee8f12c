"""The organization list as a tool: filters, sort orders, columns and saved views."""

import csv
import io

import pytest
from django.test import Client

from billing.console.queries.organization_list import fleet_page
from billing.models import LimitRanking, SavedView, Subscription
from billing.needs_action.commands.usage_reasons import fill_usage_reasons
from billing.needs_action.queries import scores, walks
from metrics.commands.rankings import fill_rankings
from orgs.commands.editing import set_entitlements
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_user,
    make_white_label,
    record,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
LIST, FILE = "/organizations/", "/organizations.csv"


def cost(label: WhiteLabel, name: str, day: str, amount: int) -> None:
    quantities = {"requests": amount}
    at = f"{day}T11:00:00Z"
    usage = event(f"{name}-{day}", organization=name, timestamp=at)
    record(label, [usage | {"quantities": quantities}])


@pytest.fixture
@snapshot
def fleet(acme: WhiteLabel, org: Organization) -> WhiteLabel:
    """Make organizations that grow, shrink, idle, and use their entitlements."""
    make_rate(acme, "1")
    for name in ("grows", "falls", "new", "idle"):
        make_organization(acme, name)
    for name, before, now in (("grows", 10, 30), ("falls", 40, 20), ("new", 0, 5)):
        if before:
            cost(acme, name, "2026-10-10", before)
        cost(acme, name, "2026-11-20", now)
    rows = Organization.objects.filter(white_label=acme)
    growing = rows.get(external_id="grows")
    set_entitlements(growing, {"users": 1, "projects": 5})
    Subscription.objects.create(
        organization=growing,
        stripe_id="sub_1",
        kind="platform",
        tier="scale",
        stripe_price_id="p",
        status="unpaid",
        synced_at=NOW,
    )
    ids = list(rows.values_list("pk", flat=True))
    fill_rankings(ids)
    fill_usage_reasons(ids, now=NOW)
    LimitRanking.objects.filter(organization=growing).update(entitlement_use="0.5")
    return acme


@pytest.fixture
def staff(acme: WhiteLabel) -> Client:
    client = Client()
    client.force_login(make_user("bea", "support", white_label=acme, is_staff=False))
    return client


def names(client: Client, query: str) -> list[str]:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [row.organization.external_id for row in response.context["rows"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("reason=refused", ["grows"]),
        ("reason=payments&tier=scale", ["grows"]),
        ("reason=limits", []),
        ("tier=scale", ["grows"]),
        ("tier=growth", []),
        ("status=unpaid", ["grows"]),
        ("activity=growing", ["grows"]),
        ("white_label=acme&q=fall", ["falls"]),
        ("reason=refused&q=gro", ["grows"]),
    ],
)
def test_filters_select_and_the_file_has_the_same_rows(
    staff: Client, fleet: WhiteLabel, query: str, expected: list[str]
) -> None:
    assert names(staff, query) == expected
    text = staff.get(f"{FILE}?{query}").getvalue().decode()
    rows = csv.DictReader(io.StringIO(text))
    assert [row["external_id"] for row in rows] == expected


def test_idle_organizations_have_no_usage_in_30_days(
    staff: Client, fleet: WhiteLabel
) -> None:
    assert {"idle", "org-7"} <= set(names(staff, "activity=idle"))
    assert not {"grows", "new"} & set(names(staff, "activity=idle"))


def test_sorts_follow_growth_and_the_use_of_entitlements(
    staff: Client, fleet: WhiteLabel
) -> None:
    assert names(staff, "sort=growth")[:2] == ["grows", "falls"]
    assert names(staff, "sort=-growth")[-2:] == ["falls", "grows"]
    assert names(staff, "sort=entitlement")[0] == "grows"
    growth = Organization.objects.get(external_id="grows").ranking.growth
    assert growth == 2
    assert len(names(staff, "sort=growth")) == len(names(staff, "sort=name"))


def test_the_sort_key_of_entitlements_is_prepared(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0", meter="cpu_seconds")
    record(acme, [event(quantities={"cpu_seconds": 30})])
    for limit, use in ((40, "0.75"), (None, "-1"), (0, "1")):
        set_entitlements(org, {"compute_seconds_per_year": limit})
        fill_usage_reasons([org.pk], now=NOW)
        row = LimitRanking.objects.get(organization=org)
        assert str(row.entitlement_use.normalize()) == use


def test_amounts_of_two_currencies_are_grouped(acme: WhiteLabel) -> None:
    euro = make_white_label("euro", currency="eur")
    for label in (acme, euro):
        make_rate(label, "1")
    for label, name, amount in (
        (acme, "small", 10),
        (euro, "large", 1_000),
        (acme, "middle", 100),
        (euro, "tiny", 1),
    ):
        make_organization(label, name)
        cost(label, name, "2026-11-20", amount)
    fill_rankings(list(Organization.objects.values_list("pk", flat=True)))
    client = Client()
    client.force_login(make_user("root", "operator"))
    order = [n for n in names(client, "") if n in ("small", "large", "middle", "tiny")]

    assert order == ["middle", "small", "large", "tiny"]
    text = client.get(LIST).content.decode()
    assert text.index('data-currency="usd"') < text.index('data-currency="eur"')
    reverse = [n for n in names(client, "sort=-cost") if n in order]
    assert reverse == ["tiny", "large", "small", "middle"]
    assert (
        "data-currency" not in client.get(f"{LIST}?white_label=euro").content.decode()
    )


def test_pages_continue_across_currencies(
    acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    euro = make_white_label("euro", currency="eur")
    for label in (acme, euro):
        for n in range(3):
            make_organization(label, f"{label.slug}-{n}")
    fill_rankings(list(Organization.objects.values_list("pk", flat=True)))
    client = Client()
    client.force_login(make_user("root", "operator"))
    for query in ("", "?q=e"):
        whole = names(client, query.removeprefix("?"))
        with monkeypatch.context() as patch:
            patch.setitem(fleet_page.__kwdefaults__ or {}, "size", 2)
            url, read = f"{LIST}{query}", list[str]()
            while url:
                response = client.get(url)
                rows = response.context["rows"]
                read += [row.organization.external_id for row in rows]
                url = response.context["next_url"]
        assert read == whole


def test_a_frequent_reason_is_selected_while_the_list_is_read(
    staff: Client, fleet: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "reason=refused,payments&sort=name"
    for name in ("falls", "idle", "new", "org-7"):
        organization = Organization.objects.get(external_id=name, white_label=fleet)
        organization.is_active = name == "new"
        organization.save()
    whole = names(staff, query)
    assert whole == ["falls", "grows", "idle", "org-7"]

    monkeypatch.setattr(scores, "MAX_COUNT", 1)  # more than are counted
    monkeypatch.setitem(fleet_page.__kwdefaults__ or {}, "size", 2)
    for at_once, most_steps in ((2, 8), (2, 1), (100, 8)):
        monkeypatch.setattr(walks, "_AT_ONCE", at_once)
        monkeypatch.setattr(walks, "_MOST_STEPS", most_steps)
        first = staff.get(f"{LIST}?{query}")
        second = staff.get(first.context["next_url"])
        back = staff.get(second.context["previous_url"])
        pages = [
            [row.organization.external_id for row in page.context["rows"]]
            for page in (first, second, back)
        ]
        assert pages == [whole[:2], whole[2:], whole[:2]]
        assert not second.context["next_url"]


def test_columns_are_chosen_on_page_and_in_the_file(
    staff: Client, fleet: WhiteLabel
) -> None:
    page = staff.get(f"{LIST}?columns=cost&columns=entitlement").content.decode()
    head = page[page.index("<thead>") : page.index("</thead>")]
    assert head.count("<th ") == 3
    assert 'class="number fleet__entitlement" data-use="0.5' in page
    header = staff.get(f"{FILE}?columns=cost,entitlement").getvalue().decode()
    assert header.splitlines()[0] == (
        "id,external_id,name,white_label,currency,cost_30_days,entitlement_use"
    )
    assert "next_limit" in staff.get(FILE).getvalue().decode().splitlines()[0]


@pytest.mark.parametrize(
    "query", ["reason=x", "status=x", "activity=x", "columns=x", "sort=x", "tier=%00"]
)
def test_a_bad_filter_is_refused(staff: Client, query: str) -> None:
    assert staff.get(f"{LIST}?{query}").status_code == 400
    assert staff.get(f"{FILE}?{query}").status_code == 400
    assert staff.get(f"{LIST}?white_label=decoy").status_code == 404


def test_views_are_saved_shared_and_deleted_by_their_owner(
    staff: Client, acme: WhiteLabel
) -> None:
    query = "reason=refused&sort=-growth&columns=cost"
    data = {"name": "Refused", "query": query, "is_shared": "on"}
    saved = staff.post("/organizations/views/", data)
    view = SavedView.objects.get()
    assert saved["Location"] == f"{LIST}?{view.query}"
    assert set(view.query.split("&")) == set(query.split("&"))
    assert staff.post("/organizations/views/", {**data, "name": ""}).status_code == 400
    bad = {**data, "query": "sort=x"}
    assert staff.post("/organizations/views/", bad).status_code == 400

    decoy = WhiteLabel.objects.get(slug="decoy")
    shown = []
    for name, label in (("col", acme), ("str", decoy)):
        other = Client()
        other.force_login(make_user(name, "support", white_label=label))
        shown.append(f'data-view="{view.pk}"' in other.get(LIST).content.decode())
        deleted = other.post(f"/organizations/views/{view.pk}/delete/")
        assert deleted.status_code == 404
    assert shown == [True, False]
    assert staff.post(f"/organizations/views/{view.pk}/delete/").status_code == 302
    assert not SavedView.objects.exists()


def test_the_list_counts_reasons_as_needs_action_does(
    staff: Client, fleet: WhiteLabel
) -> None:
    reasons = staff.get(LIST).context["reasons"]
    counts = {tab["label"]: tab["count"] for tab in reasons}
    assert (counts["Refused"], counts["Payments"], counts["Limits"]) == ("1", "1", "")
