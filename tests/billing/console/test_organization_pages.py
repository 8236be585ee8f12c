"""Figures and queries of the pages: page = fragment = API, without counting rows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.alerts.commands.evaluation import evaluate
from billing.console.queries.badges import list_badges
from billing.ledger.commands.limits import change_limits
from billing.models import BillingAccount, ReasonSnooze
from billing.needs_action.commands.usage_reasons import fill_usage_reasons
from orgs.models import Organization, WhiteLabel
from orgs.web.charts import Series, build_chart
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_organizations,
    make_rate,
    make_user,
    record,
)
from tests.support.organization_api import subscribe
from tests.support.snapshots import snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]
LIST = "/organizations/"


@pytest.fixture
def staff(client: Client, acme: WhiteLabel) -> Client:
    client.force_login(make_user("ann", "viewer", white_label=acme, is_staff=False))
    return client


@pytest.fixture
def fleet(acme: WhiteLabel) -> WhiteLabel:
    """120 organizations in addition to org-7 and the owner."""
    lines = [
        {
            "external_id": f"ext-{number}",
            "name": f"Company {number:03}",
            "billing_email": f"pay{number}@example.com",
        }
        for number in range(120)
    ]
    make_organizations(acme, lines)
    return acme


def names(response: Any) -> list[str]:
    assert response.status_code == 200
    return [row.organization.name for row in response.context["rows"]]


def test_the_list_is_paginated_both_ways_without_counting(
    staff: Client, fleet: WhiteLabel
) -> None:
    url, pages, back = f"{LIST}?sort=name", [], []
    with CaptureQueriesContext(
        connection,
    ) as captured:
        while url:
            response = staff.get(url)
            pages.append(names(response))
            last, url = response, response.context["next_url"]
        url = last.context["previous_url"]
        while url:
            response = staff.get(url)
            back.append(names(response))
            url = response.context["previous_url"]

    assert [len(page) for page in pages] == [50, 50, 22]
    shown = [name for page in pages for name in page]
    assert shown == sorted(set(shown), key=str.lower)
    assert back == pages[:-1][::-1]
    statements = [query["sql"].upper() for query in captured.captured_queries]
    counts = [sql for sql in statements if "COUNT(" in sql]
    assert all("LIMIT" in sql for sql in counts)  # of the tabs, up to a maximum
    assert not [sql for sql in statements if " OFFSET " in sql]


@pytest.mark.parametrize("sort", ["cost", "-cost", "name", "-name", "created"])
def test_every_sort_order_shows_each_organization_once(
    staff: Client, fleet: WhiteLabel, sort: str
) -> None:
    listed, url = [], f"{LIST}?sort={sort}"
    while url:
        response = staff.get(url)
        listed += names(response)
        url = response.context["next_url"]

    assert len(listed) == len(set(listed)) == 122


@pytest.mark.parametrize("near", [5, 2_000])
@pytest.mark.parametrize(
    "sort", ["cost", "name", "created", "limit", "-name", "-cost", "-limit"]
)
def test_a_search_is_paginated_through_all_matches(
    staff: Client, fleet: WhiteLabel, sort: str, near: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The first match may be anywhere in the list."""
    monkeypatch.setattr("orgs.queries.searching._SCAN_ROWS", near)
    make_organization(fleet, r"100%_\odd", name=r"Company 055 100%_\odd")
    matches, url = [], f"{LIST}?q=company&sort={sort}"
    while url:
        response = staff.get(url)
        matches += names(response)
        last, url = response, response.context["next_url"]

    odd = r"Company 055 100%_\odd"
    assert sorted(matches) == sorted([*(f"Company {n:03}" for n in range(120)), odd])
    assert len(names(staff.get(last.context["previous_url"]))) == 50
    if "name" in sort:
        assert matches == sorted(matches, reverse=sort == "-name")
    for text, expected in {"%_": [odd], r"_\o": [odd], "0_5": [], "%": [odd]}.items():
        assert names(staff.get(LIST, {"q": text, "sort": sort})) == expected


@pytest.mark.parametrize(
    ("query", "count"), [("", 16), ("?q=company", 17), ("?q=company+007", 18)]
)
def test_the_number_of_queries_of_the_list_does_not_depend_on_rows(
    staff: Client,
    fleet: WhiteLabel,
    django_assert_num_queries: DjangoAssertNumQueries,
    query: str,
    count: int,
) -> None:
    with django_assert_num_queries(count):
        staff.get(LIST + query)


def test_an_organization_is_found_in_four_ways(
    staff: Client, fleet: WhiteLabel
) -> None:
    organization = Organization.objects.get(external_id="ext-77")
    BillingAccount.objects.create(organization=organization, stripe_id="cus_Ab77")
    response = staff.get(f"{LIST}?q={organization.id}")

    assert organization.name in names(response)
    for text in ("COMPANY 077", "ext-77", "pay77@example.com", "cus_Ab77"):
        assert names(staff.get(LIST, {"q": text})) == ["Company 077"]
    for text in ("077 078", "cus_A", "100%", "nothing"):
        assert names(staff.get(LIST, {"q": text})) == []


@pytest.mark.parametrize(
    "query",
    [
        *("sort=price", "sort=ranking__cost_30_days", "state=x", "cursor=x", "q=%00"),
        *("q=" + "x" * 201, "cursor=" + "x" * 5000),
    ],
)
def test_invalid_list_parameters_are_a_400_page(staff: Client, query: str) -> None:
    response = staff.get(f"{LIST}?{query}")

    assert response.status_code == 400
    assert b"<h1" in response.content


def test_a_cursor_of_another_list_is_refused(staff: Client, fleet: WhiteLabel) -> None:
    url = staff.get(f"{LIST}?sort=name").context["next_url"]

    assert staff.get(url.replace("sort=name", "sort=created")).status_code == 400


# --- one organization -------------------------------------------------------------


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    make_organization(acme, "org-9")
    make_rate(acme, "0.31")
    make_rate(acme, "0.0000017", product="claude")
    record(
        acme,
        [
            event("a", timestamp="2026-11-02T05:00:00Z", quantities={"requests": 11}),
            event("b", product="claude", quantities={"requests": 700}),
            event("c", quantities={"requests": 3}),
            event("decoy", organization="org-9", quantities={"requests": 9000}),
        ],
    )
    return org


def test_page_fragment_and_api_show_the_same(
    staff: Client, acme: WhiteLabel, used: Organization
) -> None:
    url = reverse("billing:costs", args=[used.id])
    query = {"from": "2026-11-01", "through": "2026-11-21"}
    page = staff.get(url, query)
    fragment = staff.get(url, query, headers={"hx-request": "true"})
    overview = staff.get(reverse("billing:overview", args=[used.id]), query)
    key = make_key(acme, "billing:read")
    api = staff.get(
        f"/api/v1/billing/costs/{used.id}/charts?from=2026-11-01&to=2026-11-22",
        headers={"x-api-key": key},
    ).json()

    totals = {r.context["series"].total.cost for r in (page, fragment, overview)}
    assert totals == {Decimal("4.34119")}
    values = [v["value"] for point in api["data"] for v in point["values"]]
    assert sum(map(Decimal, map(str, values))) == Decimal("4.34119")
    chart = page.context["chart"]
    assert [sum(map(Decimal, filter(None, row.cells))) for row in chart.rows] == [
        sum(Decimal(str(v["value"])) for v in point["values"]) for point in api["data"]
    ]
    assert b"<html" not in fragment.content
    assert b'id="costs-panel"' in fragment.content
    assert "HX-Request" in fragment["Vary"]


@pytest.mark.parametrize(
    ("tab", "queries"),
    [
        ("billing:overview", 17),
        ("metrics:usage", 10),
        ("billing:costs", 17),
        ("billing:billing", 35),
        ("orgs:people", 11),
        ("orgs:history", 35),
    ],
)
def test_the_number_of_queries_of_a_page_is_bounded(
    staff: Client,
    used: Organization,
    tab: str,
    queries: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    staff.get(reverse("orgs:people", args=[used.id]))  # the session keeps the visit

    with django_assert_max_num_queries(queries):
        staff.get(reverse(tab, args=[used.id]))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", (date(2026, 11, 21), date(2026, 10, 23), 30)),
        ("range=7d", (date(2026, 11, 21), date(2026, 11, 15), 7)),
        ("range=12m", (date(2026, 11, 21), date(2025, 11, 22), 365)),
        (
            "from=2026-11-19&through=2026-11-20",
            (date(2026, 11, 20), date(2026, 11, 19), 2),
        ),
        # Days that have not begun have no row; long ranges show their last 365 days.
        (
            "from=2026-11-21&through=2026-12-24",
            (date(2026, 11, 21), date(2026, 11, 21), 1),
        ),
        (
            "from=2022-01-01&through=2026-11-21&grain=monthly",
            (date(2026, 11, 21), date(2025, 11, 22), 365),
        ),
    ],
)
def test_daily_metrics_are_of_the_days_of_the_range(
    staff: Client, used: Organization, query: str, shown: tuple[date, date, int]
) -> None:
    url = f"{reverse('metrics:usage', args=[used.id])}?{query}"
    for headers in ({}, {"HX-Request": "true"}):
        response = staff.get(url, headers=headers)
        text = response.content.decode()

        days = [row.day for row in response.context["days"]]
        assert (days[0], days[-1], len(days)) == shown
        is_open = days[0] == date(2026, 11, 21)
        assert text.count('<tr><th scope="row">Nov 21, 2026 <small>') == is_open


def test_days_to_come_have_no_daily_metrics(staff: Client, used: Organization) -> None:
    url = reverse("metrics:usage", args=[used.id])
    result = staff.get(f"{url}?from=2026-12-01&through=2026-12-02")

    assert result.status_code == 200
    assert "Daily metrics" not in result.content.decode()


@pytest.mark.parametrize("tab", ["billing:overview", "metrics:usage", "billing:costs"])
@pytest.mark.parametrize(
    "query",
    [
        *("range=1d", "grain=hourly", "from=2026-11-21"),
        *("from=x&through=2026-11-21", "from=2026-11-22&through=2026-11-20"),
        *("from=2020-01-01&through=2026-11-21", "from=0001-01-01&through=0001-01-02"),
        "from=9999-12-31&through=9999-12-31",
    ],
)
def test_an_invalid_range_is_a_400_that_still_shows_a_chart(
    staff: Client, used: Organization, tab: str, query: str
) -> None:
    response = staff.get(f"{reverse(tab, args=[used.id])}?{query}")

    assert response.status_code == 400
    assert response.context["query"].problem
    assert used.name.encode() in response.content


@pytest.mark.parametrize(
    "tab",
    [
        *("billing:overview", "metrics:usage", "billing:costs", "billing:billing"),
        *("orgs:people", "orgs:history"),
    ],
)
def test_an_organization_without_data_has_its_pages(
    staff: Client, org: Organization, tab: str
) -> None:
    response = staff.get(reverse(tab, args=[org.id]))

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("page", ["list", "billing:overview", "orgs:people"])
def test_user_input_is_escaped(staff: Client, acme: WhiteLabel, page: str) -> None:
    organization = make_organization(acme, "<i>7", name="<b title='x\">&")
    url = LIST if page == "list" else reverse(page, args=[organization.id])
    text = staff.get(url).content.decode()

    assert "&lt;b title=&#x27;x&quot;&gt;&amp;" in text
    assert "&lt;i&gt;7" in text
    assert "<b title" not in text
    assert "<i>7" not in text


def test_a_chart_escapes_its_names() -> None:
    chart = build_chart(
        id="c",
        title="Cost",
        days=[date(2026, 11, 1)],
        series=[Series("<b>&", [Decimal(3)])],
        unit="usd",
        currency="<i>",
    )
    text = render_to_string("components/chart.html", {"chart": chart})

    assert "&lt;b&gt;&amp;" in text
    assert "&lt;I&gt; 3" in text
    assert not [tag for tag in ("<b>&", "<i>", "<I>") if tag in text]


@pytest.mark.parametrize(
    ("status", "free", "badge"),
    [("trialing", "10", None), ("trialing", "4", "soft"), ("active", "10", "hard")],
)
def test_limits_apply_to_the_cost_after_the_free_balance(
    staff: Client, acme: WhiteLabel, org: Organization, *, status: str, free: str,
    badge: str | None,
) -> None:  # fmt: skip
    make_rate(acme, "1")
    record(acme, [event("a", quantities={"requests": 9})])
    BillingAccount.objects.create(organization=org, free_balance=Decimal(free))
    subscribe(org, status=status, trial_ends_at=datetime(2026, 12, 24, tzinfo=UTC))
    change_limits(org.id, soft=Decimal(5), hard=Decimal(9))

    evaluate([org.id], now=NOW)
    fill_usage_reasons([org.id], now=NOW)

    [row] = staff.get(f"{LIST}?q=org-7").context["rows"]
    page = staff.get(f"{LIST}{org.id}/").content.decode()
    header = page.partition("page-header__badges")[2].partition("</header>")[0]
    for kind, label in (("soft", "Soft limit"), ("hard", "Hard limit")):
        is_shown = kind == badge
        assert any(shown.label.startswith(label) for shown in row.badges) is is_shown
        assert (f">{label}" in header) is is_shown


def test_badges_are_the_open_reasons_and_then_the_snoozed_ones(
    acme: WhiteLabel, org: Organization
) -> None:
    subscribe(org, status="paused", paused_at=NOW)
    Organization.objects.filter(pk=org.pk).update(is_active=False)
    ReasonSnooze.objects.create(
        organization=org, reason="paused", until=NOW + timedelta(days=3), note="n",
        by="fay", created_at=NOW, level=1,
    )  # fmt: skip
    org.refresh_from_db()
    badges = [(badge.label, badge.tone) for badge in list_badges(org, now=NOW)]

    assert badges[1:] == [("Inactive", ""), ("Subscription paused, snoozed", "")]
