"""Pages: why costs differ, the lines of a cost, and the events of a day."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.ledger.queries.difference_texts import shown_terms
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import NOW, event, make_rate, make_user, record
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
RANGES = (
    "diff_from=2026-11-01&diff_through=2026-11-21"
    "&compare_from=2026-10-01&compare_through=2026-10-21"
)


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    make_rate(acme, "2.0049")
    make_rate(acme, "3.0049", effective_from=NOW.replace(day=3, hour=0))
    make_rate(acme, "1", product="old")
    record(
        acme,
        [
            event("a", timestamp="2026-10-05T00:00:00Z"),
            event("b", timestamp="2026-10-06T00:00:00Z", product="old"),
            event("c", timestamp="2026-11-04T00:00:00Z", quantities={"requests": 11}),
            event("d", project="vision", quantities={"requests": 2}),
            event("e", project="vision", quantities={"requests": 3}),
            event("f", product="secret"),
        ],
    )
    return org


@pytest.fixture
def finance(client: Client) -> Client:
    client.force_login(make_user("fin", "finance"))
    return client


def page(client: Client, name: str, organization: Organization, query: str) -> Any:
    return client.get(f"{reverse(f'billing:{name}', args=[organization.pk])}?{query}")


def cells(content: str, attribute: str) -> list[str]:
    return re.findall(rf'data-{attribute}="([^"]+)"', content)


def test_the_costs_page_explains_a_difference(
    used: Organization,
    finance: Client,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_max_num_queries(40):
        response = page(finance, "costs", used, RANGES)
    content = response.content.decode()

    assert response.status_code == 200
    assert cells(content, "term") == ["volume", "price", "ended", "rounding"]
    assert cells(content, "row") == ["gpt", "old", "secret"]
    assert "data-difference-unpriced" in content
    secret = content.split('data-row="secret"')[1].split("</tr>")[0]
    assert secret.count("data-no-price") == 1
    difference = response.context["difference"]
    shown = sum(shown_terms(difference).values())
    assert shown == response.context["shown_difference"] == Decimal("33.06")


def test_the_csv_of_a_difference_has_its_ranges_and_a_manifest(
    used: Organization, finance: Client
) -> None:
    content = page(finance, "costs", used, f"{RANGES}&diff_by=project").content.decode()
    [link] = re.findall(r'href="([^"]+cost-difference[^"]+)"', content)
    url = link.replace("&amp;", "&")
    rows = finance.get(url).getvalue().decode("utf-8-sig").splitlines()
    assert rows[0].startswith("line,product,meter,project_id,project,quantity")
    assert len(rows) == 5
    assert rows[-1].startswith("usage,secret,requests,,No project,0,0,,0,0")
    manifest = json.loads(finance.get(f"{url}&format=manifest").content)
    assert manifest["rows"] == 4
    assert manifest["range"]["from"].startswith("2026-11-01")
    assert manifest["compared_range"]["to"].startswith("2026-10-22")
    assert finance.get(f"{url}&diff_by=project").status_code == 400
    assert finance.get(url.replace("2026-11-01", "soon")).status_code == 400


def test_shown_terms_add_up_where_each_is_rounded(
    used: Organization, finance: Client
) -> None:
    record(used.white_label, [event("g", timestamp="2026-11-01T00:00:00Z")])
    context = page(finance, "costs", used, RANGES).context
    shown = shown_terms(context["difference"])
    assert sum(shown.values()) == context["shown_difference"]
    assert all(amount == round(amount, 2) for amount in shown.values())


def test_htmx_gets_the_panel_alone_and_the_chart_keeps_its_ranges(
    used: Organization, finance: Client
) -> None:
    url = (
        f"{reverse('billing:costs', args=[used.pk])}?range=7d&diff_by=project&{RANGES}"
    )
    headers = {"HX-Request": "true", "HX-Target": "difference-panel"}
    panel = finance.get(url, headers=headers).content.decode()
    assert panel.lstrip().startswith("<section")
    assert "costs-panel" not in panel
    assert cells(panel, "row") == ["No project", "vision"]
    assert "range=7d" in panel
    chart = finance.get(
        url, headers={"HX-Request": "true", "HX-Target": "costs-panel"}
    ).content.decode()
    assert "difference-panel" not in chart
    assert "diff_from=2026-11-01" in chart


@pytest.mark.parametrize(
    "query",
    [
        "diff_from=soon",
        "diff_by=color",
        "diff_from=2026-11-02&diff_through=2026-11-01",
        "period=99",
        "period=x",
        "diff_through=9999-12-31",
    ],
)
def test_invalid_ranges_show_the_default_with_the_reason(
    used: Organization, finance: Client, query: str
) -> None:
    context = page(finance, "costs", used, query).context
    assert context["difference_problem"]
    assert context["difference"].span.days.end.isoformat() == "2026-11-22"


def test_the_lines_of_a_cost(used: Organization, finance: Client) -> None:
    query = "from=2026-11-01&through=2026-11-21&product=gpt"
    response = page(finance, "cost_lines", used, query)
    lines = [line["row"] for line in response.context["lines"]]
    assert [(line.quantity, line.cost) for line in lines] == [
        (5, Decimal("15.0245")),
        (11, Decimal("33.0539")),
    ]
    assert [line.unit_price for line in lines] == [Decimal("3004.9")] * 2
    assert response.context["cost"] == Decimal("48.0784")
    vision = Project.objects.get(name="vision")
    for project, count in ((vision.pk, 1), ("none", 1)):
        narrowed = page(finance, "cost_lines", used, f"{query}&project={project}")
        assert narrowed.context["count"] == count
    period = page(finance, "cost_lines", used, "period=1")
    assert period.context["count"] == 5
    assert "data-no-price" in period.content.decode()
    for bad in (
        "from=x",
        "project=-1",
        "page=0",
        "period=9999999999",
        "from=2026-11-01",
    ):
        assert page(finance, "cost_lines", used, bad).status_code == 400


def test_the_events_of_a_day_can_be_searched_and_voided(
    used: Organization, finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "day=2026-11-21&product=gpt"
    response = page(finance, "day_events", used, query)
    content = response.content.decode()
    assert cells(content, "event") == ["d", "e"]
    assert f"{reverse('billing:void', args=[used.pk])}?event=d" in content
    void = page(finance, "void", used, "event=d")
    assert void.context["form"]["event"].value() == "d"
    searched = page(finance, "day_events", used, "day=2026-11-21&q=e")
    assert cells(searched.content.decode(), "event") == ["e"]
    monkeypatch.setattr("billing.console.views.cost_lines.EVENTS_PER_PAGE", 1)
    monkeypatch.setattr("metrics.queries.day_events.EVENTS_PER_PAGE", 1)
    first = page(finance, "day_events", used, query)
    assert cells(first.content.decode(), "event") == ["d"]
    second = finance.get(first.context["next_url"])
    assert cells(second.content.decode(), "event") == ["e"]
    assert page(finance, "day_events", used, "day=x").status_code == 400
    assert page(finance, "day_events", used, f"{query}&after=x").status_code == 400


def test_lines_and_events_lead_to_other_days_and_fewer_filters(
    used: Organization, finance: Client
) -> None:
    vision = Project.objects.get(name="vision")
    day = "from=2026-11-04&through=2026-11-04"
    query = f"{day}&product=gpt&meter=requests&project=none&page=1"
    context = page(finance, "cost_lines", used, query).context
    links = {link["label"]: link["url"] for link in context["filter_links"]}
    assert list(links) == ["Product: gpt", "Meter: Requests", "Project: No project"]
    assert links["Meter: Requests"].endswith(f"{day}&product=gpt&project=none")
    [before, after] = context["days"]
    assert "from=2026-11-03&through=2026-11-03&product=gpt" in before["url"]
    assert after["rel"] == "next"
    events = page(
        finance, "day_events", used, f"day=2026-11-21&project={vision.pk}&q=d"
    )
    assert [link["label"] for link in events.context["filter_links"]] == [
        "Project: vision"
    ]
    assert [link["rel"] for link in events.context["days"]] == ["prev"]  # today
    assert events.context["lines_url"].endswith(f"&project={vision.pk}")
    assert finance.get(events.context["lines_url"]).context["count"] == 1
    assert page(finance, "day_events", used, "day=2000-01-01").status_code == 200
    bad = page(finance, "cost_lines", used, "from=x&product=gpt")
    assert (bad.status_code, bad.context["filter_links"]) == (400, [])


@pytest.mark.parametrize("name", ["cost_lines", "day_events", "costs"])
def test_strangers_and_other_roles(
    used: Organization, client: Client, name: str
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    client.force_login(make_user("eve", "finance", white_label=decoy, is_staff=False))
    assert page(client, name, used, "").status_code == 404
    client.force_login(make_user("none"))
    assert page(client, name, used, "").status_code == 403


def test_costs_by_project_and_meter_against_the_range_before(
    used: Organization, finance: Client
) -> None:
    vision = Project.objects.get(name="vision")
    query = "from=2026-11-01&through=2026-11-21&by=project&compare=previous"
    response = page(finance, "costs", used, query)
    content = response.content.decode()
    shares = {
        s.line.name: (s.total.cost, s.previous) for s in response.context["shares"]
    }
    assert shares == {
        "No project": (Decimal("33.0539"), Decimal(0)),
        "vision": (Decimal("15.0245"), Decimal(0)),
    }
    assert content.count("data-change") == 3
    assert f"project={vision.pk}" in content
    assert "project=none" in content
    assert (
        response.context["chart"]
        .links[3]
        .endswith("from=2026-11-04&through=2026-11-04")
    )
    assert "by=project&amp;compare=previous" in content
    october = page(finance, "costs", used, "range=last-month&by=meter&grain=monthly")
    assert [s.line.name for s in october.context["shares"]] == ["Requests"]
    assert october.context["series"].total.cost == Decimal("15.0245")
    assert (
        october.context["chart"].links[0].endswith("from=2026-10-01&through=2026-10-31")
    )
    ended = page(
        finance, "costs", used, "from=2026-11-01&through=2026-11-27&compare=previous"
    )
    assert ("old", Decimal(0), Decimal(5)) in [
        (s.line.id, s.total.cost, s.previous) for s in ended.context["shares"]
    ]


def test_lines_can_be_hidden_and_the_range_before_is_drawn(
    used: Organization,
    finance: Client,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    query = "from=2026-11-01&through=2026-11-21&compare=previous&hide=gpt&hide=a%26b"
    headers = {"HX-Request": "true", "HX-Target": "costs-panel"}
    with django_assert_max_num_queries(16):
        response = finance.get(
            f"{reverse('billing:costs', args=[used.pk])}?{query}", headers=headers
        )
    content = response.content.decode()
    chart = response.context["chart"]
    assert chart.columns == ["secret"]
    assert cells(content, "line") == ["hidden", "shown"]
    assert 'href="/organizations/' in content
    assert "compare=previous&amp;hide=a%26b" in content  # shows gpt again
    assert 'name="hide" value="a&amp;b"' in content
    assert "by=project&amp;compare=previous" in content
    assert "by=project&amp;compare=previous&amp;hide" not in content
    # 5 of product "old" on Oct 6, and 5 of gpt, which is hidden.
    assert chart.comparison.total is None
    assert chart.comparison.label == "Oct 11 \N{EN DASH} Oct 31"
    october = page(finance, "costs", used, query.replace("11-21", "11-30"))
    assert october.context["chart"].comparison.values[5 - 1] == Decimal(5)


def test_the_range_before_has_the_months_of_the_range(
    used: Organization, finance: Client
) -> None:
    """33 days from Oct 20; the usage of Oct 5 and 6 was 33 days before November."""
    query = "from=2026-10-20&through=2026-11-21&grain=monthly&compare=previous"
    context = page(finance, "costs", used, query).context
    comparison = context["chart"].comparison
    assert [day.month for day in context["series"].buckets] == [10, 11]
    assert list(comparison.values) == [None, Decimal("15.0245")]
    assert comparison.total == context["previous"].total.cost


def test_the_csv_of_the_chart_has_the_lines_of_the_chart(
    used: Organization, finance: Client
) -> None:
    query = "from=2026-11-01&through=2026-11-21"
    vision = Project.objects.get(name="vision")
    for by, start, row in (
        ("project", "bucket,project_id,project,cost", f"2026-11-21,{vision.pk},vision"),
        ("meter", "bucket,meter,cost", "2026-11-21,requests,15.0245"),
        ("product", "bucket,product,cost", "2026-11-21,gpt,15.0245"),
    ):
        url = f"/organizations/{used.pk}/tables/costs.csv?{query}&by={by}"
        text = finance.get(url).getvalue().decode()
        assert text.startswith(start)
        assert row in text
    shares = f"/organizations/{used.pk}/tables/cost-shares.csv?{query}"
    text = finance.get(f"{shares}&by=project&compare=previous").getvalue().decode()
    assert text.splitlines()[0] == (
        "project_id,name,cost,share,benchmark_cost,savings,previous_cost,change,"
        "currency,unpriced_quantity"
    )
    assert f"{vision.pk},vision,15.0245" in text
    assert finance.get(f"{shares}&by=color").status_code == 400


def test_recent_days_without_a_record_or_a_price_have_no_amount(
    used: Organization, finance: Client
) -> None:
    secret = event("s", product="secret", timestamp="2026-11-19T00:00:00Z")
    record(used.white_label, [secret])
    rows = page(finance, "overview", used, "").context["recent_days"]
    assert [row["mark"] and row["mark"].kind for row in rows] == [
        *("partial", "missing", None, "missing", "missing", "missing", "missing"),
    ]
    assert [row["cost"] for row in rows[:2]] == [Decimal("15.0245"), None]
    assert [cell[0] for cell in rows[1]["cells"]] == [None]
    assert [row["has_no_price"] for row in rows[:3]] == [False, False, True]


@pytest.mark.parametrize(
    "query",
    [
        *("by=color", "compare=next", "range=century", "lines=few"),
        *(f"hide={'x' * 201}", "&".join(f"hide={n}" for n in range(101))),
        "from=2000-01-01&through=2000-01-31&compare=previous",
    ],
)
def test_invalid_parameters_of_the_chart(
    used: Organization, finance: Client, query: str
) -> None:
    response = page(finance, "costs", used, query)
    assert response.status_code == 400
    assert response.context["query"].problem


def test_the_fleet_has_no_lines_by_project(used: Organization, finance: Client) -> None:
    assert finance.get("/?by=project").status_code == 200
