"""Organizations that need action: reasons, score, filters, snoozes, CSV and API."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from billing.access.queries.facts import list_refusals
from billing.alerts.commands.evaluation import evaluate
from billing.models import (
    Alert,
    Discrepancy,
    Invoice,
    ReasonSnooze,
    SpendingLimit,
    Subscription,
    UsageReason,
)
from billing.needs_action.commands.snoozes import end_changed_snoozes
from billing.needs_action.commands.usage_reasons import fill_usage_reasons
from billing.needs_action.forms import need_filters
from billing.needs_action.kinds import (
    DEFINITIONS,
    GROUPS,
    ReasonGroup,
    ReasonKind,
    kinds_of,
)
from billing.needs_action.queries import scores
from billing.needs_action.queries.filters import filter_by_reasons
from billing.needs_action.queries.pages import needs_page
from billing.needs_action.queries.reasons import find_needs, list_reasons
from billing.needs_action.queries.scores import count_needs, read_scores
from orgs.commands.editing import set_entitlements
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_key,
    make_organization,
    make_rate,
    make_user,
    record,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PAGE, FILE, API = "/needs-action/", "/needs-action.csv", "/api/v1/needs-action"


@pytest.fixture
def finance(acme: WhiteLabel) -> Client:
    client = Client()
    client.force_login(make_user("fay", "finance", white_label=acme, is_staff=False))
    return client


def subscribe(organization: Organization, status: str, **facts: Any) -> Subscription:
    facts = {"kind": "platform", "tier": "growth", "stripe_price_id": "p"} | facts
    return Subscription.objects.create(
        organization=organization,
        stripe_id=f"sub_{organization.pk}_{facts['kind']}",
        status=status,
        synced_at=NOW,
        **facts,
    )


def bill(organization: Organization, id_: str, *, days: int = 2) -> Invoice:
    return Invoice.objects.create(
        organization=organization,
        stripe_id=f"in_{id_}",
        status="open",
        currency="usd",
        total=7,
        amount_due=7,
        amount_remaining=7,
        collection_method="send_invoice",
        issued_at=NOW - timedelta(days=60),
        due_at=NOW - timedelta(days=days),
    )


def differ(organization: Organization, kind: str) -> None:
    Discrepancy.objects.create(
        kind=kind,
        white_label=organization.white_label,
        organization=organization,
        stripe_id=f"x_{kind}_{organization.pk}",
        stripe_read_at=NOW,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )


def alert(organization: Organization, kind: str, state: str, **facts: Any) -> Alert:
    return Alert.objects.create(
        organization=organization,
        kind=kind,
        threshold=1,
        period="1",
        billing_period=1,
        facts=facts,
        reached_at=NOW - timedelta(days=1),
        state=state,
        sent_at=NOW if state == "sent" else None,
    )


def kinds(organization: Organization) -> list[str]:
    need = list_reasons([organization.pk], now=NOW).get(organization.pk)
    return [reason.kind.value for reason in need.reasons] if need else []


def in_fleet(label: WhiteLabel) -> dict[str, list[str]]:
    rows = find_needs([label.pk], now=NOW).organizations
    return {row.external_id: [str(r.kind.value) for r in row.reasons] for row in rows}


def use(label: WhiteLabel, requests: int, **changes: Any) -> None:
    record(label, [event(**{"quantities": {"requests": requests}, **changes})])


def test_every_kind_is_weighed_and_in_a_group() -> None:
    assert set(DEFINITIONS) == set(ReasonKind)
    assert set(GROUPS) == set(ReasonGroup)
    grouped = frozenset().union(*GROUPS.values())
    assert set(ReasonKind) - grouped == {ReasonKind.SEATS_PAUSED}
    weights = [DEFINITIONS[kind].weight for kind in ReasonKind]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        ("unpaid", {}),
        ("paused", {}),
        ("active", {"paused_at": NOW - timedelta(days=1)}),
        ("trialing", {"trial_ends_at": NOW - timedelta(days=1)}),
        ("canceled", {"trial_ends_at": NOW - timedelta(days=400)}),
        ("incomplete", {"trial_ends_at": NOW - timedelta(days=4)}),
        ("canceled", {"trial_ends_at": NOW - timedelta(days=9), "period_ends_at": NOW}),
        ("past_due", {}),
        ("active", {}),
        (None, {"is_active": False}),
    ],
)
def test_reasons_refuse_as_the_access_check_does(
    acme: WhiteLabel, org: Organization, status: str | None, facts: dict[str, Any]
) -> None:
    if status:
        subscribe(org, status, **facts)
    else:
        Organization.objects.filter(pk=org.pk).update(**facts)
    refused = {kind for kind in kinds(org) if kind in GROUPS[ReasonGroup.REFUSED]}

    assert bool(refused) is bool(list_refusals(org.pk, now=NOW))
    assert in_fleet(acme).get("org-7", []) == kinds(org)


def test_limits_are_reasons_until_they_are_raised(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "1")
    soft = SpendingLimit.objects.create(organization=org, kind="soft", amount=5)
    hard = SpendingLimit.objects.create(organization=org, kind="hard", amount=50)
    use(acme, 7)
    fill_usage_reasons([org.pk], now=NOW)
    assert kinds(org)[:1] == ["soft_limit"]
    [row] = UsageReason.objects.filter(kind="soft_limit")
    assert (row.value, row.base, row.white_label_id) == (7, 5, acme.pk)

    use(acme, 70, id="e-2")
    evaluate([org.pk], now=NOW)
    fill_usage_reasons([org.pk], now=NOW)
    assert kinds(org)[:1] == ["hard_limit"]  # the soft limit states the same
    assert "soft_limit" not in kinds(org)

    for limit in (soft, hard):
        limit.amount, limit.version = 5_000, 2
        limit.save()
    fill_usage_reasons([org.pk], now=NOW)
    assert kinds(org) == ["no_recipient"]
    assert not UsageReason.objects.exists()


def test_an_entitlement_is_a_reason_when_reached_nearly_used_or_soon(
    acme: WhiteLabel, org: Organization
) -> None:
    def entitlement_kinds(limit: int) -> list[str]:
        set_entitlements(org, {"compute_seconds_per_year": limit})
        fill_usage_reasons([org.pk], now=NOW)
        return kinds(org)

    make_rate(acme, "0", meter="cpu_seconds")
    day = "2026-11-20T11:00:00Z"
    record(acme, [event(timestamp=day, quantities={"cpu_seconds": 280})])

    assert entitlement_kinds(280) == ["entitlement"]
    assert entitlement_kinds(350) == ["entitlement_forecast"]  # 80% used
    assert entitlement_kinds(500) == ["entitlement_forecast"]  # 22 days ahead
    row = UsageReason.objects.get()
    assert row.reached_on == NOW.date() + timedelta(days=22)
    assert entitlement_kinds(2_800) == []


def test_usage_without_a_price_is_a_reason(acme: WhiteLabel, org: Organization) -> None:
    use(acme, 7)
    fill_usage_reasons([org.pk], now=NOW)
    assert kinds(org) == ["unpriced"]


def test_discrepancies_alerts_and_seats_are_reasons(
    acme: WhiteLabel, org: Organization
) -> None:
    for kind in ("charges", "two_live", "unknown_price", "tier"):
        differ(org, kind)
    subscribe(org, "unpaid", kind="spaces", seats=3)
    alert(org, "soft_limit", "failed")
    alert(org, "pace", "no_recipient")
    alert(org, "spike", "sent", value="9", base="2", day="2026-11-20")
    alert(org, "stale_data", "sent", value="1", base="1", last_used_on="2026-11-19")
    expected = ["unbilled", "duplicate_subscriptions", "seats_unpaid"]
    expected += ["unknown_subscription", "discrepancy", "spike", "no_usage"]
    expected += ["email_failed", "no_recipient"]

    assert kinds(org) == expected
    assert in_fleet(acme) == {"org-7": expected}
    use(acme, 1, timestamp="2026-11-20T11:00:00Z")
    assert "no_usage" not in kinds(org)  # usage arrives again
    delete(org)
    assert (in_fleet(acme), kinds(org)) == ({}, [])


def test_the_score_adds_up_its_parts_and_sorts(
    finance: Client, acme: WhiteLabel, org: Organization
) -> None:
    bill(org, "a", days=9)
    subscribe(org, "past_due")
    other = make_organization(acme, "org-8")
    subscribe(other, "unpaid")
    bill(other, "b", days=40)
    stranger = WhiteLabel.objects.get(slug="decoy")
    bill(make_organization(stranger, "org-9"), "c")
    response = finance.get(PAGE)
    rows = [entry["row"] for entry in response.context["rows"]]

    assert [(row.external_id, row.score) for row in rows] == [
        ("org-8", 100 + 60 + 30),  # at most 30 days count
        ("org-7", 60 + 9 + 45),
    ]
    text = response.content.decode()
    assert f'href="/organizations/{org.pk}/billing/"' in text
    assert text.count('data-reason="overdue"') == 2
    counts = {tab["label"]: tab["count"] for tab in response.context["tabs"]}
    assert (counts["All"], counts["Refused"], counts["Payments"]) == ("2", "1", "2")
    assert counts["Limits"] == ""


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["org-8", "org-7"]),
        ("reason=refused", ["org-8"]),
        ("reason=overdue", ["org-7"]),
        ("reason=overdue,unpaid", ["org-8", "org-7"]),
        ("severity=critical", ["org-8", "org-7"]),
        ("severity=notice", []),
        ("snoozed=1", []),
    ],
)
def test_page_api_and_file_have_the_same_filters(
    finance: Client, acme: WhiteLabel, org: Organization, query: str, names: list[str]
) -> None:
    bill(org, "a")
    subscribe(make_organization(acme, "org-8"), "unpaid")
    key = Client(headers={"x-api-key": make_key(acme, "billing:read")})
    page = finance.get(f"{PAGE}?{query}").context["rows"]
    answer = key.get(f"{API}?{query.replace('=1', '=true')}").json()
    file = io.StringIO(finance.get(f"{FILE}?{query}").getvalue().decode())

    assert [entry["row"].external_id for entry in page] == names
    assert [row["external_id"] for row in answer["organizations"]] == names
    assert [row["external_id"] for row in csv.DictReader(file)] == names
    assert answer["total"] == {"count": 2, "is_capped": False}


@pytest.mark.parametrize("query", ["reason=x", "severity=x", "snoozed=x", "cursor=x"])
def test_a_bad_filter_is_a_400(finance: Client, acme: WhiteLabel, query: str) -> None:
    assert finance.get(f"{PAGE}?{query}").status_code == 400
    key = Client(headers={"x-api-key": make_key(acme, "billing:read")})
    assert key.get(f"{API}?{query}").status_code == 400
    assert finance.get(f"{PAGE}?white_label=decoy").status_code == 404
    assert key.get(f"{API}?white_label=decoy").status_code == 404


def test_scores_and_counts_are_those_of_the_reasons(
    acme: WhiteLabel, org: Organization
) -> None:
    """PostgreSQL computes what `OrganizationInNeed.finish` does."""
    others = [make_organization(acme, f"o-{n}") for n in range(5)]
    for n, organization in enumerate((org, *others)):
        bill(organization, f"a{n}", days=n * 9)
    bill(others[0], "b")
    subscribe(others[1], "unpaid")
    differ(others[2], "tier")
    for organization, kind, value, base in (
        (others[3], "soft_limit", 7, 5),
        (others[3], "entitlement", 7, 0),
        (others[4], "entitlement", 9, 3),
        (org, "entitlement_forecast", 17, 20),
    ):
        UsageReason.objects.create(
            organization=organization,
            kind=kind,
            subject="users",
            value=value,
            base=base,
            since=NOW - timedelta(days=3),
        )
    for organization, kind, level, at in (
        (others[0], "overdue", 1, None),  # got worse: there are two invoices
        (others[1], "overdue", 1, NOW),
        (others[2], "overdue", 1, NOW - timedelta(days=50)),  # began again
        (others[2], "discrepancy", 1, None),
        (others[4], "entitlement", 31, None),
        (others[4], "overdue", 1, None),
        (org, "entitlement_forecast", 8, None),  # got worse
    ):
        ReasonSnooze.objects.create(
            organization=organization,
            reason=kind,
            level=level,
            reason_at=at,
            note="n",
            by="fay",
            created_at=NOW - timedelta(days=9),
            until=NOW + timedelta(days=9),
        )
    needs = find_needs([acme.pk], now=NOW)
    for text in ("", "payments", "limits,discrepancy", "entitlement"):
        for snoozed, severity in ((False, None), (True, None), (False, "warning")):
            filters = need_filters(text, severity or "", "1" if snoozed else "")
            result = read_scores([acme.pk], now=NOW, filters=filters, size=9)
            selected = needs.select(filters).organizations
            rows = [(row.score, row.organization_id) for row in selected]
            assert result.rows == rows, filters
            assert result.counts == count_needs(needs, filters)
    assert result.counts.snoozed == 4
    visible = Organization.objects.filter(white_label=acme)
    for name in (*ReasonGroup, "soft_limit"):
        listed = filter_by_reasons(visible, [name], [acme.pk])
        assert len(listed) == needs.count(kinds_of([name])).number


def test_scores_of_more_than_is_counted_are_stored_for_a_moment(
    acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def total() -> str:
        return str(read_scores([acme.pk], now=NOW).counts.total)

    invoices = [bill(make_organization(acme, f"o-{n}"), f"{n}") for n in range(3)]
    assert total() == "3"
    invoices.pop().delete()
    assert total() == "2"  # all are counted, so nothing is kept
    monkeypatch.setattr(scores, "MAX_COUNT", 1)
    assert total() == "2+"
    subscribe(make_organization(acme, "other"), "unpaid")
    assert total() == "2+"
    assert len(needs_page([acme.pk], now=NOW, size=9).organizations) == 3


def test_pages_follow_each_other_and_counts_are_capped(
    acme: WhiteLabel, org: Organization
) -> None:
    others = [make_organization(acme, f"o-{n}") for n in range(4)]
    for organization in others:
        bill(organization, organization.external_id)
    key = Client(headers={"x-api-key": make_key(acme, "billing:read")})
    first = key.get(f"{API}?limit=3").json()
    second = key.get(f"{API}?limit=3&cursor={first['next_cursor']}").json()
    ids = [row["id"] for page in (first, second) for row in page["organizations"]]
    assert ids == [organization.pk for organization in others]
    assert second["next_cursor"] is None

    needs = find_needs([acme.pk], now=NOW, cap=2)
    assert needs.capped == {ReasonKind.OVERDUE}
    assert needs.total.is_capped
    one = Client(
        headers={"x-api-key": make_key(acme, "billing:read", organization=others[1])}
    )
    assert [row["id"] for row in one.get(API).json()["organizations"]] == [others[1].pk]


def test_many_organizations_take_no_more_queries(
    finance: Client,
    acme: WhiteLabel,
    org: Organization,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for n in range(6):
        bill(make_organization(acme, f"o-{n}"), f"{n}")
    with django_assert_max_num_queries(8):
        assert len(finance.get(PAGE).context["rows"]) == 6


def snooze_url(organization: Organization, kind: str) -> str:
    return f"/organizations/{organization.pk}/needs-action/{kind}/snooze/"


def test_a_snooze_is_previewed_noted_and_undone(
    finance: Client, acme: WhiteLabel, org: Organization
) -> None:
    bill(org, "a")
    url = snooze_url(org, "overdue")
    data = {"until": "2026-12-01", "note": "Promised to pay"}
    assert finance.get(url).status_code == 200
    assert finance.post(url, {**data, "until": "2026-11-20"}).status_code == 422
    assert finance.post(url, {**data, "note": ""}).status_code == 422
    assert b"data-preview" in finance.post(url, data).content
    assert not ReasonSnooze.objects.exists()
    assert finance.post(url, {**data, "step": "apply"}).status_code == 302

    row = ReasonSnooze.objects.get()
    assert (row.by, row.note, row.level) == ("fay", "Promised to pay", 1)
    assert kinds(org) == []
    assert finance.get(PAGE).context["rows"] == []
    shown = finance.get(f"{PAGE}?snoozed=1").content.decode()
    assert "Promised to pay" in shown
    assert finance.post(url, {**data, "step": "apply"}).status_code == 409
    assert finance.post(f"/needs-action/snoozes/{row.pk}/end/").status_code == 302
    assert kinds(org) == ["overdue"]
    row.refresh_from_db()
    assert (row.ending, row.ended_by) == ("person", "fay")


def test_a_snooze_ends_when_the_reason_gets_worse_or_goes(
    finance: Client, org: Organization, frozen: time_machine.Traveller
) -> None:
    invoice = bill(org, "a")
    data = {"until": "2026-12-20", "note": "n", "step": "apply"}

    def snooze() -> ReasonSnooze:
        finance.post(snooze_url(org, "overdue"), data)
        assert kinds(org) == []
        return ReasonSnooze.objects.latest("pk")

    def ending(row: ReasonSnooze) -> str:
        end_changed_snoozes(now=NOW)
        row.refresh_from_db()
        return row.ending

    row = snooze()
    assert ending(row) == ""
    second = bill(org, "b")
    assert kinds(org) == ["overdue"]  # at once, before the task
    assert ending(row) == "worse"
    row = snooze()
    Invoice.objects.filter(pk__in=(invoice.pk, second.pk)).delete()
    assert ending(row) == "gone"
    bill(org, "c")
    assert kinds(org) == ["overdue"]  # it came back
    row = snooze()
    frozen.move_to(NOW + timedelta(days=40))
    assert end_changed_snoozes() == 1
    row.refresh_from_db()
    assert row.ending == "expired"


def test_a_snooze_needs_a_role_and_an_organization_of_the_white_label(
    acme: WhiteLabel, org: Organization
) -> None:
    bill(org, "a")
    url, data = snooze_url(org, "overdue"), {"until": "2026-12-01", "note": "n"}
    statuses = []
    for name, role, label in (
        ("viewer", "viewer", acme),
        ("roleless", "", acme),
        ("stranger", "finance", WhiteLabel.objects.get(slug="decoy")),
    ):
        client = Client()
        client.force_login(make_user(name, role, white_label=label))
        posted = client.post(url, {**data, "step": "apply"}).status_code
        statuses.append((client.get(url).status_code, posted))

    assert statuses == [(200, 403), (403, 403), (404, 404)]
    assert not ReasonSnooze.objects.exists()


def test_the_documented_weights_are_those_of_the_table() -> None:
    text = (settings.BASE_DIR / "docs" / "needs-action.md").read_text()
    lines = re.findall(r"^\| .* \(`(\w+)`\) \| (\w+) \| (\d+) \| (\S+) \|", text, re.M)
    documented = {kind: (severity, int(w), d) for kind, severity, w, d in lines}

    assert documented == {
        kind.value: (row.severity.value, row.weight, str(row.per_day or "–"))  # noqa: RUF001
        for kind, row in DEFINITIONS.items()
    }
