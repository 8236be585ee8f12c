"""The fleet page: sums of all organizations, and those that need action."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from time_machine import Traveller

from billing.models import Discrepancy, Invoice, Subscription
from billing.needs_action.queries.texts import reason_text
from metrics.commands.roll_up import roll_up_usage
from orgs.models import Organization, WhiteLabel
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
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]

HTMX = {"hx-request": "true"}
Sums = dict[tuple[date, str], Decimal]


@pytest.fixture
def staff(client: Client) -> Client:
    """Log in a user who sees every white label: acme and decoy, both in USD."""
    client.force_login(make_user("ann", "finance"))
    return client


@pytest.fixture
def bound(acme: WhiteLabel) -> Client:
    client = Client()
    client.force_login(make_user("bea", "viewer", white_label=acme, is_staff=False))
    return client


@pytest.fixture
def decoy(acme: WhiteLabel) -> WhiteLabel:
    return WhiteLabel.objects.get(slug="decoy")


def used(id_: str, day: str, requests: int, **changes: Any) -> dict[str, Any]:
    return event(
        id_, timestamp=f"{day}T11:00:00Z", quantities={"requests": requests}, **changes
    )


def tile_notes(page: str) -> list[str]:
    """Return the text below the value of each tile."""
    notes = re.findall(r'<p class="tile__note">(.*?)</p>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", note).split()) for note in notes]


def sums_of(response: Any) -> Sums:
    """Return the costs by day and product."""
    assert response.status_code == 200
    lines = response.context["series"].lines
    return {
        (day, line.id): amounts.cost
        for line in lines
        for day, amounts in line.by_bucket.items()
    }


def sums_of_organizations(client: Client, label: WhiteLabel, query: str) -> Sums:
    """Return the sums of the pages of all organizations, including deleted ones."""
    total: Sums = {}
    for organization in Organization.objects.filter(white_label=label):
        url = reverse("billing:costs", args=[organization.pk])
        for key, cost in sums_of(client.get(f"{url}?{query}")).items():
            total[key] = total.get(key, Decimal(0)) + cost
    return total


@pytest.mark.parametrize("query", ["", "range=12m", "range=7d&grain=monthly"])
def test_the_fleet_is_the_sum_of_its_organizations_at_every_instant(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel, query: str
) -> None:
    make_rate(acme, "0.31")
    make_rate(acme, "0.000000000007", product="claude")
    make_rate(decoy, "1000")
    deleted = make_organization(acme, "org-9")
    record(acme, [used("a", "2026-11-21", 11), used("b", "2026-10-31", 7)])
    record(acme, [used("c", "2026-11-20", 5, organization="org-9", product="claude")])
    record(decoy, [used("d", "2026-11-20", 13)])
    delete(deleted)

    seen = [sums_of(bound.get(f"/?{query}"))]
    roll_up_usage()
    seen.append(sums_of(bound.get(f"/?{query}")))
    record(acme, [used("e", "2026-11-20", 3, organization="org-7", product="claude")])
    record(acme, [used("f", "2026-11-21", 2)])
    half = sums_of(bound.get(f"/?{query}"))
    expected = sums_of_organizations(bound, acme, query)
    roll_up_usage()

    assert half == expected == sums_of(bound.get(f"/?{query}"))
    assert seen[0] == seen[1] != half
    if not query:
        assert half == {
            (date(2026, 10, 31), "gpt"): Decimal("2.17"),
            (date(2026, 11, 20), "claude"): Decimal("0.000000000056"),
            (date(2026, 11, 21), "gpt"): Decimal("4.03"),
        }


def test_a_change_compares_thirty_complete_days_with_the_thirty_before(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel
) -> None:
    make_rate(acme, "0.5")
    make_rate(decoy, "0.5")
    record(
        acme,
        [
            used("today", "2026-11-21", 1_000),  # not over
            used("last", "2026-11-20", 3),
            used("first", "2026-10-22", 4),
            used("before", "2026-10-21", 2),
            used("start", "2026-09-22", 3),
            used("older", "2026-09-21", 2_000),
        ],
    )
    record(decoy, [used("decoy", "2026-11-19", 9_000)])
    response = bound.get("/")
    totals, text = response.context["totals"], response.content.decode()

    assert (totals.cost.now, totals.cost.before) == (Decimal("3.5"), Decimal("2.5"))
    assert totals.cost.growth == Decimal("0.4")
    assert "Oct 22 \N{EN DASH} Nov 20" in text
    cost, requests, *_ = tile_notes(text)
    assert "↑ 40%" in cost
    assert "$2.50" in cost
    assert "↑ 40%" in requests
    assert requests.split()[-1] == "5"


def test_without_previous_usage_no_change_is_shown(
    bound: Client, acme: WhiteLabel
) -> None:
    make_rate(acme, "0.5")
    record(acme, [used("a", "2026-11-20", 3)])
    response = bound.get("/")

    assert response.context["totals"].cost.growth is None
    assert "%" not in tile_notes(response.content.decode())[0]


def test_quantities_add_up_within_a_unit_and_show_what_has_no_price(
    bound: Client, acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "1", meter="prompt_tokens")
    day = "2026-11-20T11:00:00Z"
    tokens = {"prompt_tokens": 7, "completion_tokens": 5}
    record(acme, [event("a", timestamp=day, quantities={**tokens, "cpu_seconds": 90})])
    record(acme, [event("b", timestamp=day, product="new", quantities=tokens)])
    response = bound.get("/")
    tiles = response.content.decode()
    meters = {meter.slug: meter for meter in response.context["totals"].meters}

    assert re.search(r'<data value="24" title="24"[^>]*>24</data>', tiles)
    assert "1.5 min" in tiles
    assert all(meters[slug].is_unpriced for slug in (*tokens, "cpu_seconds"))
    assert set(re.findall(r'data-unpriced="(\w+)"', tiles)) == {
        *tokens,
        "cpu_seconds",
    }


def test_many_products_are_shown_as_five_series(
    bound: Client, acme: WhiteLabel
) -> None:
    for number in range(9):
        make_rate(acme, str(number + 1), product=f"p-{number}")
        record(acme, [used(f"e-{number}", "2026-11-20", 1, product=f"p-{number}")])
    names = bound.get("/").context["chart"].columns

    assert names == ["p-8", "p-7", "p-6", "p-5", "5 more"]


@pytest.fixture
@snapshot
def europe(acme: WhiteLabel) -> WhiteLabel:
    """Create a white label in euros; yesterday costs $3, $5 (decoy) and €11."""
    europe = make_white_label("europe", currency="eur")
    make_organization(europe, "org-7")
    decoy = WhiteLabel.objects.get(slug="decoy")
    for label, requests in ((acme, 3), (decoy, 5), (europe, 11)):
        make_rate(label, "1")
        record(label, [used("a", "2026-11-20", requests)])
    roll_up_usage()
    return europe


@pytest.mark.parametrize(
    ("query", "total", "labels"),
    [
        ("", 8, ["acme", "decoy"]),
        ("?currency=usd", 8, ["acme", "decoy"]),
        ("?currency=eur", 11, ["europe"]),
        ("?white_label=europe", 11, ["europe"]),
        ("?white_label=acme", 3, ["acme"]),
    ],
)
def test_amounts_in_different_currencies_are_never_added_up(
    staff: Client, europe: WhiteLabel, query: str, total: int, labels: list[str]
) -> None:
    response = staff.get(f"/{query}")
    context = response.context

    assert context["series"].total.cost == total
    assert context["totals"].cost.now == total
    assert sum(entry["recent"].cost for entry in context["largest"]) == total
    assert [label.slug for label in context["scope"].white_labels] == labels
    assert context["scope"].name in response.content.decode()


def test_every_view_has_one_address_and_the_chart_keeps_it(
    staff: Client, europe: WhiteLabel
) -> None:
    response = staff.get("/?currency=eur&range=7d")
    choices = [
        (choice["label"], choice["url"], choice["current"])
        for choice in response.context["choices"]
    ]

    assert "USD" in choices[0][0]
    assert choices[0][1:] == ("/", False)
    assert choices[1:] == [
        ("Acme", "/?white_label=acme", False),
        ("Decoy", "/?white_label=decoy", False),
        ("Europe", "/?currency=eur", True),
    ]
    urls = [option["url"] for option in response.context["ranges"]]
    assert urls[:2] == ["/?currency=eur&range=7d", "/?currency=eur"]
    assert b'<input type="hidden" name="currency" value="eur">' in response.content


@pytest.mark.parametrize(
    "query", ["white_label=decoy", "white_label=nobody", "currency=eur"]
)
def test_a_user_of_one_white_label_sees_no_other(
    bound: Client, europe: WhiteLabel, query: str
) -> None:
    own = bound.get("/")

    assert bound.get(f"/?{query}").status_code == 404
    assert own.context["series"].total.cost == 3
    assert b"Decoy" not in own.content
    assert b"Europe" not in own.content


def test_days_are_in_the_time_zone_of_each_white_label(
    staff: Client, acme: WhiteLabel
) -> None:
    """Noon in UTC is 1 a.m. of the next day in Auckland."""
    south = make_white_label("south", time_zone="Pacific/Auckland")
    make_organization(south, "org-7")
    make_rate(south, "1")
    record(south, [used("a", "2026-11-21", 7)])
    alone = staff.get("/?white_label=south").context
    together = staff.get("/").context

    assert alone["query"].through == date(2026, 11, 22)
    assert alone["totals"].last == date(2026, 11, 21)
    assert together["query"].through == date(2026, 11, 22)
    assert together["totals"].last == date(2026, 11, 20)  # over in all of them
    assert together["zone"] == ""


def test_users_without_billing_access_are_sent_to_the_list(acme: WhiteLabel) -> None:
    client, user = Client(), make_user("eve", white_label=acme)
    client.force_login(user)
    roleless = client.get("/")
    permission = Permission.objects.get(codename="view_organization")
    user.user_permissions.add(permission)

    assert roleless.status_code == 403
    assert client.get("/")["Location"] == "/organizations/"
    assert Client().get("/")["Location"] == "/accounts/login/?next=/"


def test_a_user_without_a_white_label_sees_an_explanation(
    client: Client, acme: WhiteLabel
) -> None:
    client.force_login(make_user("nobody", "viewer", is_staff=False))
    response = client.get("/")

    assert response.status_code == 200
    assert b'data-empty="white-labels"' in response.content
    assert b"Acme" not in response.content


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def subscribe(organization: Organization, status: str, **facts: Any) -> None:
    Subscription.objects.create(
        organization=organization,
        stripe_id=f"sub_{organization.pk}_{status}_{len(facts)}",
        status=status,
        tier="growth",
        stripe_price_id="price_7",
        **facts,
    )


AUTOMATIC = {"collection_method": "charge_automatically", "due_at": None}


def bill(organization: Organization, id_: str, amount: int, **facts: Any) -> None:
    shape = {"status": "open", "currency": "usd", "due_at": ago(9), **facts}
    shape = {"collection_method": "send_invoice", **shape}
    shape.setdefault("amount_remaining", amount - facts.get("amount_paid", 0))
    Invoice.objects.create(
        organization=organization,
        stripe_id=f"in_{id_}",
        total=amount,
        amount_due=amount,
        issued_at=ago(20),
        **shape,
    )


@pytest.fixture
@snapshot
def stranger(decoy: WhiteLabel) -> Organization:
    """Make an organization of another white label need action for two reasons."""
    organization = Organization.objects.get(white_label=decoy, external_id="org-7")
    bill(organization, "decoy", 7_000)
    subscribe(organization, "unpaid")
    return organization


def reasons(response: Any) -> list[tuple[str, list[tuple[str, int | None]]]]:
    """Return kind and age in days of each reason; the page shows each as a badge."""
    page, concerns = response.content.decode(), []
    for concern in response.context["needs_action"].organizations:
        kinds: list[tuple[str, int | None]] = []
        for reason in concern.reasons:
            days = (NOW - reason.at).days if reason.at else None
            if days and days < 0 and reason.kind != "trial_ending":
                days = None  # `status_since` is set by the database's clock
            label = WhiteLabel.objects.get(pk=concern.white_label_id)
            text = reason_text(reason, label, NOW)
            assert text in page
            assert not days or str(abs(days)) in text
            kinds.append((reason.kind, days))
        concerns.append((concern.external_id, kinds))
    return concerns


@pytest.mark.parametrize(
    ("status", "facts", "reason"),
    [
        ("unpaid", {}, ("unpaid", None)),
        ("past_due", {}, ("past_due", None)),
        ("paused", {"paused_at": ago(6)}, ("paused", 6)),
        ("paused", {}, ("paused", None)),
        ("active", {"paused_at": ago(6)}, ("paused", 6)),
        ("trialing", {"trial_ends_at": ago(3)}, ("trial_over", 3)),
        ("canceled", {"trial_ends_at": ago(5)}, ("trial_lost", 5)),
        ("canceled", {"trial_ends_at": ago(31)}, ("former_trial", 31)),
        ("canceled", {"trial_ends_at": ago(5), "period_ends_at": ago(1)}, None),
        ("trialing", {"trial_ends_at": ago(-3)}, ("trial_ending", -3)),
        ("trialing", {"trial_ends_at": ago(-15)}, None),
        ("trialing", {}, None),
        ("active", {}, None),
        ("active", {"trial_ends_at": ago(3)}, None),
        ("canceled", {}, None),
    ],
)
@pytest.mark.usefixtures("stranger")
def test_a_subscription_needs_action_for_a_reason(
    bound: Client,
    org: Organization,
    status: str,
    facts: dict[str, Any],
    reason: tuple[str, int | None] | None,
) -> None:
    subscribe(org, status, **facts)
    response = bound.get("/")

    assert reasons(response) == ([("org-7", [reason])] if reason else [])
    is_empty = 'data-empty="needs-action"' in response.content.decode()
    assert is_empty is (reason is None)


def test_an_expired_trial_before_a_subscription_needs_no_action(
    bound: Client, org: Organization
) -> None:
    subscribe(org, "canceled", trial_ends_at=ago(5))
    subscribe(org, "active")

    assert reasons(bound.get("/")) == []


def test_overdue_invoices_have_an_age_and_an_amount_in_their_currency(
    bound: Client, acme: WhiteLabel, org: Organization, stranger: Organization
) -> None:
    other = make_organization(acme, "org-8")
    third, deleted = (make_organization(acme, id_) for id_ in ("org-3", "org-9"))
    bill(org, "a", 70, due_at=ago(9), amount_paid=30)
    bill(org, "b", 5, due_at=ago(21))
    bill(other, "c", 11, due_at=ago(2), currency="eur")
    subscribe(other, "unpaid")
    bill(third, "d", 13, **AUTOMATIC, attempt_count=1, next_attempt_at=ago(-3))
    for id_, facts in (
        ("paid", {"status": "paid"}),
        ("early", {"due_at": ago(-1)}),
        ("planned", {**AUTOMATIC, "next_attempt_at": ago(-1)}),
        ("void", {"status": "void"}),
        ("settled", {"amount_paid": 1_000}),
    ):
        bill(org, id_, 1_000, **facts)
    bill(deleted, "deleted", 3_000)
    delete(deleted)
    response = bound.get("/")
    needs_action = response.context["needs_action"]
    overdue = needs_action.overdue

    assert reasons(response) == [
        ("org-8", [("unpaid", None), ("overdue", 2)]),
        ("org-7", [("overdue", 21)]),
        ("org-3", [("overdue", 20)]),  # due since it was issued
    ]
    assert needs_action.organizations[1].reasons[0].count == 2
    assert overdue.owed == {"usd": Decimal(58), "eur": Decimal(11)}
    text = response.content.decode()
    assert ">$58.00</data> + <data" in text
    assert (overdue.count, (NOW - overdue.at).days) == (4, 21)
    assert any("4 " in note and "21 " in note for note in tile_notes(text))
    assert "7,000" not in text


def test_what_an_invoice_lacks_is_not_due(
    bound: Client, acme: WhiteLabel, org: Organization
) -> None:
    bill(org, "a", 58, due_at=ago(9))
    Discrepancy.objects.create(
        kind="charges",
        white_label=acme,
        organization=org,
        stripe_id="in_b",
        amount=Decimal(-15),
        currency="usd",
        stripe_read_at=NOW,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )
    response = bound.get("/")
    text = response.content.decode()

    overdue, unbilled = response.context["needs_action"].organizations[0].reasons
    assert (overdue.owed, overdue.differences) == ({"usd": Decimal(58)}, {})
    assert (unbilled.owed, unbilled.differences) == ({}, {"usd": Decimal(-15)})
    [due] = re.findall(r"data-due>(.*?)</td>", text)
    assert "58" in due
    assert "15" not in due
    [difference] = re.findall(r"data-difference>(.*?)</span>", text)
    assert "15" in difference


def test_more_than_fifty_organizations_are_counted_and_not_shown(
    bound: Client, acme: WhiteLabel
) -> None:
    make_organizations(acme, [{"external_id": f"o-{n}"} for n in range(60)])
    rows = Organization.objects.filter(white_label=acme, external_id__startswith="o-")
    for organization in rows:
        bill(organization, organization.external_id, 10)
    response = bound.get("/")
    needs_action = response.context["needs_action"]

    assert (len(needs_action.organizations), str(needs_action.count)) == (50, "60")
    assert needs_action.overdue.owed == {
        "usd": Decimal(600)
    }  # money is added up further
    assert 'data-count="60"' in response.content.decode()


def test_every_write_sets_the_white_label_of_a_row(
    acme: WhiteLabel, decoy: WhiteLabel, org: Organization
) -> None:
    bill(org, "a", 7)
    invoice = Invoice.objects.get()
    theirs = Organization.objects.get(white_label=decoy, external_id="org-7")
    copy = Invoice(
        organization=theirs, stripe_id="in_b", status="paid", currency="usd",
        total=5, amount_due=5, issued_at=NOW,
    )  # fmt: skip
    Invoice.objects.bulk_create([copy])
    before = list(Invoice.objects.order_by("id").values_list("white_label", flat=True))
    Invoice.objects.filter(pk=invoice.pk).update(organization=theirs)
    invoice.refresh_from_db()

    assert before == [acme.pk, decoy.pk]
    assert invoice.white_label_id == decoy.pk


def test_trials_that_end_within_14_days_are_sorted_with_their_cost(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel, org: Organization
) -> None:
    for external_id, days in (("soon", 3), ("late", 15), ("next", 0), ("end", 14)):
        one = make_organization(acme, external_id)
        subscribe(one, "trialing", trial_ends_at=ago(-days) + timedelta(minutes=-1))
    subscribe(org, "trialing", trial_ends_at=ago(-1))
    theirs = Organization.objects.get(white_label=decoy, external_id="org-7")
    subscribe(theirs, "trialing", trial_ends_at=ago(-2))
    make_rate(acme, "0.5")
    record(acme, [used("a", "2026-11-21", 7, organization="soon")])
    response = bound.get("/")
    trials = response.context["trials"]

    shown = [(e["row"].external_id, e["recent"].cost) for e in trials]
    assert shown == [("org-7", 0), ("soon", Decimal("3.5")), ("end", 0)]
    text = response.content.decode()
    assert "Nov 22</td>" in text
    assert "Nov 24</td>" in text
    assert len(response.context["needs_action"].trials) == 3


def test_the_largest_organizations_have_the_highest_cost_in_30_days(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel, org: Organization
) -> None:
    lines = [{"external_id": f"o-{n}"} for n in range(9)]
    make_organizations(acme, lines)
    make_rate(acme, "0.5")
    make_rate(decoy, "500")
    record(
        acme,
        [used(f"e-{n}", "2026-11-21", n + 1, organization=f"o-{n}") for n in range(9)],
    )
    record(acme, [used("old", "2026-10-01", 9_000, organization="o-0")])
    record(decoy, [used("x", "2026-11-21", 9_000)])
    delete(Organization.objects.get(white_label=acme, external_id="o-8"))
    roll_up_usage()
    entries = bound.get("/").context["largest"]

    costs = [(e["row"].external_id, e["recent"].cost) for e in entries]
    assert costs == [(f"o-{n}", Decimal(n + 1) / 2) for n in range(7, -1, -1)]


def test_htmx_gets_the_chart_and_nothing_else(
    bound: Client, acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5")
    record(acme, [used("a", "2026-11-20", 7)])
    page, part = bound.get("/?range=7d"), bound.get("/?range=7d", headers=HTMX)
    boosted = bound.get("/", headers={**HTMX, "hx-boosted": "true"})

    assert part.context["series"].total == page.context["series"].total
    assert b"<html" not in part.content
    assert b'id="costs-panel"' in part.content
    assert b'id="needs-action-title"' not in part.content
    assert b'id="needs-action-title"' in boosted.content
    assert "HX-Request" in page["Vary"]
    assert "no-store" in page["Cache-Control"]


@pytest.mark.parametrize("query", ["range=period", "grain=hourly", "from=2026-11-01"])
def test_an_invalid_range_is_a_400_that_still_shows_the_fleet(
    bound: Client, org: Organization, query: str
) -> None:
    response = bound.get(f"/?{query}")

    assert response.status_code == 400
    assert response.context["query"].problem
    assert b'id="needs-action-title"' in response.content


def queries(client: Client) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/").status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_sixty_organizations_take_no_more_queries_than_three(
    bound: Client, acme: WhiteLabel, org: Organization
) -> None:
    def fill(numbers: range) -> None:
        make_organizations(acme, [{"external_id": f"o-{n}"} for n in numbers])
        record(
            acme,
            [used(f"e-{n}", "2026-11-20", 3, organization=f"o-{n}") for n in numbers],
        )
        roll_up_usage()
        for n in numbers:
            one = Organization.objects.get(white_label=acme, external_id=f"o-{n}")
            bill(one, f"o-{n}", 7)
            subscribe(one, "trialing", trial_ends_at=ago(-n % 14))

    make_rate(acme, "0.5")
    fill(range(3))
    first = queries(bound)
    fill(range(3, 60))
    many = queries(bound)

    assert len(first) == len(many) <= 14
    assert not [sql for sql in many if "metrics_usageevent" in sql]


def test_the_fleet_page_is_first_in_the_navigation(bound: Client) -> None:
    nav = bound.get("/").context["nav"]

    assert [item.url for item in nav][:2] == ["/", "/needs-action/"]


def test_a_new_installation_explains_the_next_steps(client: Client, db: None) -> None:
    client.force_login(make_user("ann", "viewer"))
    nothing = client.get("/").content.decode()
    label = make_white_label("acme")
    no_organizations = client.get("/").content.decode()
    make_organization(label, "org-7")
    no_usage = client.get("/").content.decode()
    make_rate(label, "0.5")
    record(label, [used("a", "2026-11-20", 7)])
    roll_up_usage()
    used_already = client.get("/").content.decode()

    assert "No white label yet" in nothing
    assert 'data-step="organizations"' in no_organizations
    assert 'id="needs-action-title"' not in no_organizations
    assert 'data-step="usage"' in no_usage
    assert 'data-empty="needs-action"' in no_usage
    assert "steps-title" not in used_already


def test_data_as_of_shows_pending_usage_and_the_age_of_the_ranking(
    bound: Client, acme: WhiteLabel, org: Organization, frozen: Traveller
) -> None:
    make_rate(acme, "0.5")
    record(acme, [used("a", "2026-11-20", 7)])
    roll_up_usage()
    record(acme, [used("b", "2026-11-20", 7)])
    waiting = bound.get("/").content.decode()
    roll_up_usage()
    fresh = bound.get("/").content.decode()
    frozen.move_to(NOW + timedelta(days=3))
    bound.force_login(make_user("cyd", "viewer", white_label=acme))
    stale = bound.get("/").content.decode()

    assert 'data-pending="1"' in waiting
    assert 'data-pending="0"' in fresh
    assert 'data-aggregation="behind"' not in fresh
    assert 'data-aggregation="behind"' in stale


def test_the_page_shows_its_time_zone(bound: Client, org: Organization) -> None:
    assert NOW.tzinfo is UTC
    page = bound.get("/").content.decode()
    panel = page[page.index('id="costs-panel"') :]
    assert "Nov 21, 2026, 12:00 UTC" in panel
