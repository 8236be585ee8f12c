"""The day a limit is reached is the same on pages, in emails and in the list."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.forecast import tasks
from billing.forecast.commands.limit_rankings import fill_limit_rankings
from billing.forecast.queries.forecasts import get_forecast
from billing.ledger.commands.periods import close_period
from billing.models import Alert, LimitRanking, SpendingLimit
from metrics.commands.roll_up import roll_up_usage
from orgs.days import day_of
from orgs.models import Organization, WhiteLabel
from orgs.web.templatetags.display import UNKNOWN, day_year
from tests.factories import (
    NOW,
    delete,
    event,
    make_organization,
    make_organizations,
    make_rate,
    make_user,
    make_white_label,
    record,
)
from tests.support.alerts import evaluate, give, limit, subscribe
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
LIST = "/organizations/"


def spend(
    organization: Organization, costs: dict[int, int], *, batch: str = "a"
) -> None:
    """Record a cost some days ago, at this hour."""
    events = [
        event(
            f"{organization.external_id}-{batch}-{days}",
            organization=organization.external_id,
            timestamp=(NOW - timedelta(days=days)).isoformat(),
            quantities={"requests": cost},
        )
        for days, cost in costs.items()
    ]
    record(organization.white_label, events)


def week(cost: int, today: int = 0) -> dict[int, int]:
    return {0: today, **dict.fromkeys(range(1, 8), cost)}


def pace_email(organization: Organization, now: datetime) -> str | None:
    evaluate(organization, now=now, daily=True)
    alert = Alert.objects.get(organization=organization, kind="pace")
    projected_on: str | None = alert.facts["projected_on"]
    return projected_on


@pytest.mark.parametrize(
    ("at", "counts_down"),
    [
        # 7 days of 10 and 30 today are 100; the limit is 50 further. No more than the
        # 30 is expected of today.
        (datetime(2026, 11, 21, 12, tzinfo=UTC), "2026-11-26"),
        # Usage of that day may still arrive: it is not complete.
        (datetime(2026, 11, 22, 2, tzinfo=UTC), "2026-11-26"),
        # It is, with its 30: the level has risen.
        (datetime(2026, 11, 22, 3, tzinfo=UTC), "2026-11-25"),
    ],
)
def test_page_and_email_show_the_same_day_at_every_hour(
    acme: WhiteLabel, org: Organization, at: datetime, counts_down: str
) -> None:
    make_rate(acme, "1")
    spend(org, week(10, today=30))
    limit(org, "soft", "150")

    with time_machine.travel(at, tick=False):
        today = day_of(at, org.white_label.zone)
        [soft] = get_forecast(org, today=today).limits
        emailed_on = pace_email(org, at)

    assert (str(soft.projected_on), emailed_on) == (counts_down, counts_down)


# --- the list -------------------------------------------------------------------------


@pytest.fixture
def staff(client: Client, acme: WhiteLabel) -> Client:
    client.force_login(make_user("ann", "viewer", white_label=acme, is_staff=False))
    return client


@pytest.fixture(autouse=True)
def enqueued_ids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the organizations whose rankings are enqueued."""
    enqueued: list[int] = []

    def enqueue_debounced(task: Any, ids: Iterable[int]) -> None:
        enqueued.extend(ids if task is tasks.prepare_limits else ())

    monkeypatch.setattr("orgs.queue.debounce.enqueue_debounced", enqueue_debounced)
    return enqueued


@pytest.fixture
@snapshot
def fleet(acme: WhiteLabel) -> dict[str, Organization]:
    """Create organizations that cost 10 a day and 70 so far, and a decoy that is first.

    The decoy belongs to another white label. Nothing was used today yet: a limit that
    is 20 away is reached tomorrow, 75 away in a week, and one that is thousands away is
    not reached in a year.
    """
    decoy = make_organization(WhiteLabel.objects.get(slug="decoy"), "d-1")
    amounts = {
        "soon": {"soft": "90", "hard": "100"},
        "later": {"hard": "145"},
        "both": {"soft": "60", "hard": "95"},
        "over": {"soft": "50", "hard": "60"},
        "far": {"soft": "5000"},
        "none": {"soft": "0"},
    }
    organizations = {name: make_organization(acme, name, name=name) for name in amounts}
    for label in (decoy.white_label, acme):
        make_rate(label, "1")
    for organization in (decoy, *organizations.values()):
        spend(organization, week(10))
    limit(decoy, "soft", "80")
    for name, limits in amounts.items():
        for kind, amount in limits.items():
            limit(organizations[name], kind, amount)
    evaluate(*organizations.values())
    roll_up_usage()
    fill_limit_rankings(
        [decoy.pk, *(organization.pk for organization in organizations.values())]
    )
    return organizations


def listed(client: Client, query: str) -> list[tuple[str, str]]:
    """Return name and limit of each row of the page; only those with a limit."""
    page = client.get(f"{LIST}?{query}")
    assert page.status_code == 200
    rows = re.findall(r"<tr><th.*?</tr>", page.content.decode(), re.DOTALL)
    return [(_text(row, "a"), limit) for row in rows if (limit := _limit_of(row))]


def _text(row: str, tag: str) -> str:
    match = re.search(rf"<{tag}[^>]*>(.*?)</{tag}>", row, re.DOTALL)
    return match.group(1) if match else ""


def _limit_of(row: str) -> str:
    """Return `hard reached 2026-11-21 $60.00`; empty without a limit."""
    [(hooks, cell)] = re.findall(
        r'<td class="fleet__limit([^>]*)>(.*?)</td>', row, re.DOTALL
    )
    if cell == UNKNOWN:
        return ""
    [(kind, state, day)] = re.findall(r'data-limit="(\w+)" data-(\w+)="(.*?)"', hooks)
    if day:
        assert day_year(date.fromisoformat(day)) in cell
    amount = cell.removesuffix("</span>").split()[-1]
    return f"{kind} {state} {day} {amount}"


ROWS = [
    ("over", "hard reached 2026-11-21 $60.00"),
    ("soon", "soft projected 2026-11-22 $90.00"),
    ("both", "hard projected 2026-11-23 $95.00"),
    ("later", "hard projected 2026-11-28 $145.00"),
]


def test_the_list_shows_the_next_limit_soonest_first(
    staff: Client, fleet: dict[str, Organization]
) -> None:
    assert listed(staff, "sort=limit") == ROWS
    assert listed(staff, "sort=-limit") == ROWS[::-1]
    assert sorted(listed(staff, "")) == sorted(ROWS)
    assert listed(staff, "sort=limit&q=ver") == ROWS[:1]


@pytest.mark.parametrize("sort", ["limit", "-limit"])
def test_organizations_without_a_day_are_last_in_both_orders(
    staff: Client, fleet: dict[str, Organization], sort: str
) -> None:
    make_organizations(
        WhiteLabel.objects.get(slug="acme"),
        [{"external_id": f"e-{n}", "name": f"Company {n:03}"} for n in range(100)],
    )
    names, url = list[str](), f"{LIST}?sort={sort}"
    while url:
        page = staff.get(url)
        names += [row.organization.name for row in page.context["rows"]]
        last, url = page, page.context["next_url"]
    back = staff.get(last.context["previous_url"]).context["rows"]

    dated = [name for name, _ in ROWS]
    assert names[:4] == (dated if sort == "limit" else dated[::-1])
    assert len(names) == len(set(names)) == 108  # with org-7 and the owner
    assert [row.organization.name for row in back] == names[50:100]


def test_the_header_is_a_link_without_javascript(
    staff: Client, fleet: dict[str, Organization]
) -> None:
    plain = staff.get(LIST).content.decode()
    up = staff.get(f"{LIST}?sort=limit").content.decode()
    down = staff.get(f"{LIST}?sort=-limit").content.decode()

    assert 'href="/organizations/?sort=limit">' in plain
    assert 'href="/organizations/?sort=-limit" aria-current' in up
    assert 'class="fleet__limit" aria-sort="ascending"' in up
    assert 'class="fleet__limit" aria-sort="descending"' in down


def test_the_day_in_the_list_is_that_of_every_tab(
    staff: Client, fleet: dict[str, Organization]
) -> None:
    both = fleet["both"]
    pages = [
        staff.get(reverse(f"billing:{tab}", args=[both.pk])).content.decode()
        for tab in ("overview", "billing", "alerts")
    ]

    for page in pages:
        assert "Nov 23" in re.sub(r"<[^>]+>", "", page)


def test_a_reached_limit_has_the_day_of_the_ledger(
    staff: Client, fleet: dict[str, Organization]
) -> None:
    Alert.objects.filter(organization=fleet["over"], kind="hard_limit").update(
        reached_at=datetime(2026, 11, 19, 23, tzinfo=UTC)
    )
    Alert.objects.filter(organization=fleet["both"]).delete()

    assert listed(staff, "q=over") == [("over", "hard reached 2026-11-19 $60.00")]
    limit(fleet["both"], "hard", None)  # the ledger has no alert of the soft limit yet
    assert listed(staff, "q=both") == [("both", "soft reached  $60.00")]


def test_the_list_takes_no_more_queries_for_more_limits(
    staff: Client,
    fleet: dict[str, Organization],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for sort in ("limit", "-limit", "cost"):
        with django_assert_num_queries(17):
            staff.get(f"{LIST}?sort={sort}")


# --- what moves it --------------------------------------------------------------------


def day(organization: Organization) -> date | None:
    return LimitRanking.objects.get(organization=organization).reached_on


def test_each_event_that_moves_a_limit_moves_the_order(
    acme: WhiteLabel, org: Organization, enqueued_ids: list[int]
) -> None:
    def moved() -> str:
        """Return the day in the list after the enqueued rankings are refreshed."""
        assert set(enqueued_ids) == {org.pk}
        fill_limit_rankings(enqueued_ids)
        enqueued_ids.clear()
        return str(day(org))

    make_rate(acme, "1")
    spend(org, week(10))
    roll_up_usage()
    assert moved() == "None"
    limit(org, "soft", "100")
    assert moved() == "2026-11-23"
    spend(org, {0: 25, 8: 1}, batch="b")
    roll_up_usage()
    assert moved() == "2026-11-22"
    limit(org, "soft", "80")
    assert moved() == "2026-11-21"
    close_period(org.pk, ends_at=NOW)
    assert moved() == "2026-11-29"  # no more is expected of today
    limit(org, "soft", None)
    assert moved() == "None"


def test_the_free_balance_of_a_trial_postpones_the_day(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "1")
    spend(org, week(10))
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=40))
    give(org, "50")
    limit(org, "soft", "100")
    fill_limit_rankings([org.pk])

    assert day(org) == date(2026, 11, 28)


def test_a_limit_reached_after_the_period_has_no_day(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "1")
    spend(org, week(10))
    subscribe(org, period_ends_at=NOW + timedelta(days=3))
    # The rest of today, two days, and half of the 24th: 105 in all.
    for amount, counts_down in (("105", date(2026, 11, 24)), ("106", None)):
        limit(org, "soft", amount)
        fill_limit_rankings([org.pk])
        assert day(org) == counts_down


def test_a_limit_that_was_just_reached_has_the_day_of_the_white_label() -> None:
    """Noon in UTC is tomorrow where the white label is; its alert is not recorded."""
    label = make_white_label(time_zone="Pacific/Kiritimati")
    org = make_organization(label)
    make_rate(label, "1")
    spend(org, {0: 100})
    limit(org, "soft", "100")

    fill_limit_rankings([org.pk])

    assert day(org) == date(2026, 11, 22)


def test_the_sweep_updates_days_and_repairs_missed_changes(
    fleet: dict[str, Organization], acme: WhiteLabel
) -> None:
    SpendingLimit.objects.filter(organization=fleet["later"]).delete()
    LimitRanking.objects.filter(organization=fleet["none"]).delete()
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        tasks.sweep_limits()
        tasks.sweep_limits()

    days = {name: day(organization) for name, organization in fleet.items()}
    assert days == {
        "over": date(2026, 11, 21),
        # A single Saturday without usage is missing data: 10 a day are still expected.
        "soon": date(2026, 11, 23),
        "both": date(2026, 11, 24),
        "later": None,
        "far": None,
        "none": None,
    }


def test_a_new_organization_is_in_the_list_at_once(
    staff: Client, acme: WhiteLabel
) -> None:
    made = make_organization(acme, "new", name="New")
    deleted = make_organization(acme, "gone", name="Gone")
    delete(deleted)

    names = [
        row.organization.name for row in staff.get(f"{LIST}?sort=limit").context["rows"]
    ]
    assert made.name in names
    assert deleted.name not in names


# --- the chart ------------------------------------------------------------------------

TABS = ("billing:overview", "billing:costs")


def words_of(page: Any) -> str:
    assert page.status_code == 200
    text = re.sub(r"<[^>]+>", " ", page.content.decode().split("<main")[-1])
    return " ".join(text.split())


def figures(caption: str) -> list[str]:
    """Return the amounts and dates of a sentence, in order."""
    return re.findall(r"\$[\d,.]+\d|[A-Z][a-z]{2} \d+, \d{4}", caption)


def amount_of(line: Any) -> str:
    """Return the amount at the end of a limit's label."""
    return str(line.label.split()[-1])


@pytest.fixture
@snapshot
def going(acme: WhiteLabel) -> Organization:
    """Create an organization, and a decoy, that costs 10 a day and 25 today."""
    decoy = make_organization(WhiteLabel.objects.get(slug="decoy"), "going")
    made = make_organization(acme, "going", contract_started_on="2026-11-14")
    for organization in (decoy, made):
        make_rate(organization.white_label, "1")
        spend(organization, week(10, today=25))
    limit(decoy, "soft", "96")
    limit(made, "soft", "100")
    limit(made, "hard", "150")
    subscribe(made, period_ends_at=datetime(2026, 12, 1, tzinfo=UTC))
    return made


@pytest.mark.parametrize("tab", TABS)
def test_the_cumulative_cost_is_shown_with_both_limits(
    staff: Client, going: Organization, tab: str
) -> None:
    """95 so far, 25 of them today, and 10 a day: 5 more take a day, 55 take six."""
    page = staff.get(reverse(tab, args=[going.pk]), {"view": "cumulative"})
    chart, text = page.context["chart"], words_of(page)

    rows = [
        (
            f"{row.day:%m-%d}",
            *(None if c is None else int(c) for c in row.cells),
            row.note.split(" ")[0].lower(),
        )
        for row in chart.rows
    ]
    assert rows[0] == ("11-14", 10, None, "")
    assert rows[6:9] == [
        ("11-20", 70, None, ""),
        ("11-21", 95, 95, ""),
        ("11-22", None, 105, "soft"),
    ]
    assert rows[13] == ("11-27", None, 155, "hard")
    assert rows[-1] == ("11-30", None, 185, "")  # the period ends at its midnight
    assert [
        (amount_of(line), line.tone, line.reached_label) for line in chart.limits
    ] == [
        ("$100.00", "warn", "Nov 22"),
        ("$150.00", "bad", "Nov 27"),
    ]
    # Today is the eighth slot: half a day on, and five and a half.
    assert [row["reached_at"] for row in chart.data["limits"]] == [8.0, 13.0]
    assert figures(chart.caption) == [
        "$100.00", "Nov 22, 2026", "$150.00", "Nov 27, 2026"
    ]  # fmt: skip
    assert chart.caption in text
    assert "$95.00" in text
    assert "Nov 30 $185.00" in text


def test_a_reached_limit_and_one_out_of_reach_are_shown(
    staff: Client, going: Organization
) -> None:
    limit(going, "soft", "90")
    limit(going, "hard", "9000")
    evaluate(going)
    url = reverse("billing:costs", args=[going.pk])
    page = staff.get(url, {"view": "cumulative"})

    chart = page.context["chart"]
    assert figures(chart.caption) == ["$90.00", "Nov 21, 2026", "$9,000.00"]
    assert chart.caption in words_of(page)
    assert [(amount_of(line), line.reached_at) for line in chart.limits] == [
        ("$90.00", None)
    ]
    assert [row.day for row in chart.rows if row.note] == [date(2026, 11, 21)]


def test_late_usage_is_named_by_its_day(staff: Client, going: Organization) -> None:
    limit(going, "soft", "60")
    limit(going, "hard", "5")
    evaluate(going)
    page = staff.get(reverse("billing:costs", args=[going.pk]), {"view": "cumulative"})

    caption = page.context["chart"].caption
    assert figures(caption) == [
        "$5.00", "Nov 21, 2026", "Nov 14, 2026",
        "$60.00", "Nov 21, 2026", "Nov 19, 2026",
    ]  # fmt: skip
    assert caption in words_of(page)


def test_the_cumulative_cost_is_shown_without_limits(
    staff: Client, going: Organization
) -> None:
    limit(going, "soft", None)
    limit(going, "hard", None)
    page = staff.get(f"/organizations/{going.pk}/costs/?view=cumulative")

    assert figures(page.context["chart"].caption) == []
    assert page.context["chart"].limits == []


def test_bar_charts_show_both_limits_too(staff: Client, going: Organization) -> None:
    """The period has 17 days: 100 and 150 are 5.88 and 8.82 a day, whole for months."""
    url = reverse("billing:costs", args=[going.pk])
    daily = staff.get(url).context["chart"]
    monthly = staff.get(url, {"grain": "monthly"}).context["chart"]

    values = [
        [row["value"] for row in chart.data["limits"]] for chart in (daily, monthly)
    ]
    assert [round(value, 2) for value in values[0]] == [5.88, 8.82]
    assert values[1] == [100.0, 150.0]
    for chart in (daily, monthly):
        kinds = [line.label.split()[0].lower() for line in chart.limits]
        assert kinds == ["soft", "hard"]


def test_a_fragment_has_the_same_chart_and_each_view_has_its_url(
    staff: Client, going: Organization
) -> None:
    url = reverse("billing:costs", args=[going.pk])
    page = staff.get(url, {"view": "cumulative"})
    part = staff.get(url, {"view": "cumulative"}, headers={"hx-request": "true"})
    plain = staff.get(url)

    assert part.context["chart"].data == page.context["chart"].data
    assert b"<html" not in part.content
    for one, current in ((page, "Cumulative"), (plain, "Daily")):
        grains = {g["label"]: (g["url"], g["current"]) for g in one.context["grains"]}
        assert grains["Cumulative"][0] == f"{url}?view=cumulative"
        assert [label for label, (_, is_on) in grains.items() if is_on] == [current]
    assert staff.get(url, {"view": "x"}).status_code == 400


@pytest.mark.parametrize(("tab", "queries"), zip(TABS, (22, 19), strict=True))
def test_the_cumulative_view_takes_no_more_queries(
    staff: Client,
    going: Organization,
    tab: str,
    queries: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_max_num_queries(queries):
        staff.get(reverse(tab, args=[going.pk]), {"view": "cumulative"})


def test_a_stranger_sees_neither_chart_nor_row(going: Organization) -> None:
    stranger = Client()
    decoy = WhiteLabel.objects.get(slug="decoy")
    stranger.force_login(make_user("eve", "viewer", white_label=decoy, is_staff=False))

    page = stranger.get(f"/organizations/{going.pk}/costs/?view=cumulative")
    assert page.status_code == 404
    assert listed(stranger, "sort=limit") == [
        ("Going", "soft projected 2026-11-22 $96.00")
    ]


def test_the_remaining_free_balance_postpones_the_limits(
    acme: WhiteLabel, going: Organization
) -> None:
    """A balance of 115 paid 95: 20 more, then 50, take seven days at 10 a day."""
    going.subscriptions.update(
        status="trialing", trial_ends_at=NOW + timedelta(days=20)
    )
    give(going, "115")
    limit(going, "soft", "50")
    [soft, _] = get_forecast(going, today=NOW.date()).limits

    assert str(soft.projected_on) == "2026-11-28" == pace_email(going, NOW)
