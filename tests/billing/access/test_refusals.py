"""The history of refused access: one row per change, with causes and what lifted it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pghistory
import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing.access.commands.refusals import record_refusals
from billing.access.queries.explanations import explain_access
from billing.access.queries.facts import get_access_facts
from billing.ledger.commands.credits import grant_credit
from billing.ledger.commands.periods import close_period
from billing.models import AccessRefusal, RefusalReason, Subscription
from billing.signals import terms_changed
from orgs.commands.editing import (
    change_organization,
    delete_organization,
    restore_organization,
)
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    make_key,
    make_organization,
    make_rate,
    make_user,
    make_white_label,
)
from tests.support.alerts import evaluate, limit, subscribe, use

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
READ = "billing:read"
LATER = NOW + timedelta(hours=1)


def history(organization: Organization) -> list[tuple[str, str, str]]:
    """Return code, lifting and actor of each reason, the oldest first."""
    rows = RefusalReason.objects.filter(refusal__organization=organization)
    return list(rows.order_by("id").values_list("code", "lifting", "lifted_by"))


def spans(organization: Organization) -> list[tuple[Any, Any]]:
    rows = AccessRefusal.objects.filter(organization=organization).order_by("id")
    return list(rows.values_list("started_at", "ended_at"))


def mirror(organization: Organization, status: str, **changes: Any) -> None:
    """Change the subscription as mirroring does, and signal it."""
    rows = Subscription.objects.filter(organization=organization)
    rows.update(status=status, **changes)
    terms_changed.send(Subscription, organization_ids=[organization.pk])


@pytest.fixture
def over(org: Organization) -> Organization:
    """Return an organization that has used $10 of its hard limit of $10."""
    make_rate(org.white_label, "2")
    limit(org, "hard", "10")
    use(org.white_label, 5)
    evaluate(org)
    return org


def test_a_reached_limit_opens_a_refusal_once(over: Organization) -> None:
    for _ in range(3):
        evaluate(over, now=LATER)

    assert spans(over) == [(NOW, None)]
    [reason] = RefusalReason.objects.all()
    assert (reason.code, reason.started_at, reason.lifting) == ("hard_limit", NOW, "")
    assert (reason.facts["limit"], reason.facts["used"]) == ("10", "10")


def test_an_organization_that_is_served_has_no_history(org: Organization) -> None:
    limit(org, "hard", "10")
    evaluate(org)
    subscribe(org, "active")
    mirror(org, "past_due")

    assert spans(org) == []


def raise_limit(org: Organization) -> None:
    with pghistory.context(username="ann", note="asked by phone"):
        limit(org, "hard", "11")


def remove_limit(org: Organization) -> None:
    with pghistory.context(username="ann"):
        limit(org, "hard", None)


def reset(org: Organization) -> None:
    with pghistory.context(username="Stripe"):
        close_period(org.pk, ends_at=LATER)


@pytest.mark.parametrize(
    ("lift", "lifting", "actor"),
    [
        (raise_limit, "limit_raised", "ann"),
        (remove_limit, "limit_removed", "ann"),
        (reset, "period_reset", "Stripe"),
    ],
)
def test_what_lifts_a_hard_limit_is_recorded_at_once(
    over: Organization, lift: Callable[[Organization], None], lifting: str, actor: str
) -> None:
    with time_machine.travel(LATER, tick=False):
        lift(over)
        evaluate(over, now=LATER)

    assert history(over) == [("hard_limit", lifting, actor)]
    assert spans(over) == [(NOW, LATER)]


def test_an_api_key_that_lifts_a_reason_is_named(over: Organization) -> None:
    key = make_key(over.white_label, "billing:write", organization=over)
    body = {"spending_limit_hard": 11}

    Client(headers={"x-api-key": key}).put(
        "/v1/billing/limits", body, "application/json"
    )

    by = f"API key test ({key[:10]}…)"
    assert history(over) == [("hard_limit", "limit_raised", by)]


def test_the_note_of_a_change_is_stored(over: Organization) -> None:
    raise_limit(over)

    assert RefusalReason.objects.get().note == "asked by phone"


def test_free_balance_lifts_a_hard_limit_in_a_trial(over: Organization) -> None:
    subscribe(over, "trialing", trial_ends_at=NOW + timedelta(days=9))
    grant_credit(
        over.pk, kind="free_balance", amount=Decimal(1), note="sorry", by="bob"
    )
    assert history(over) == [("hard_limit", "", "")]
    evaluate(over, now=LATER)

    assert history(over) == [("hard_limit", "balance_added", "bob")]


def test_a_raised_limit_that_is_still_reached_ends_no_refusal(
    over: Organization,
) -> None:
    limit(over, "hard", "9")
    evaluate(over, now=LATER)

    assert history(over) == [("hard_limit", "", "")]
    assert spans(over) == [(NOW, None)]


def test_two_reasons_are_one_refusal_until_both_are_lifted(over: Organization) -> None:
    subscribe(over, "active")
    mirror(over, "unpaid")
    with time_machine.travel(LATER, tick=False):
        raise_limit(over)
        assert spans(over) == [(NOW, None)]
        with pghistory.context(username="Stripe"):
            mirror(over, "active")

    assert history(over) == [
        ("hard_limit", "limit_raised", "ann"),
        ("unpaid", "paid", "Stripe"),
    ]
    assert spans(over) == [(NOW, LATER)]


@pytest.mark.parametrize(
    ("status", "then", "code", "lifting"),
    [
        ("unpaid", "active", "unpaid", "paid"),
        ("unpaid", "canceled", "unpaid", "subscription_ended"),
        ("paused", "active", "paused", "resumed"),
    ],
)
def test_what_lifts_a_reason_of_the_subscription(
    org: Organization, status: str, then: str, code: str, lifting: str
) -> None:
    subscribe(org, "active")
    mirror(org, status)
    mirror(org, then)

    assert history(org) == [(code, lifting, "")]


def test_the_end_of_a_trial_is_recorded_with_its_time(org: Organization) -> None:
    ends_at = NOW + timedelta(minutes=5)
    subscribe(org, "trialing", trial_ends_at=ends_at)
    evaluate(org)
    assert spans(org) == []
    evaluate(org, now=LATER)
    assert spans(org) == [(ends_at, None)]
    mirror(org, "active")

    assert history(org) == [("trial_over", "subscribed", "")]


def test_changes_of_the_organization_are_recorded(org: Organization) -> None:
    with pghistory.context(username="eve"):
        change_organization(org, {"is_active": False})
        change_organization(org, {"is_active": True})
        delete_organization(org)
        restore_organization(org)

    assert history(org) == [
        ("inactive", "activated", "eve"),
        ("deleted", "restored", "eve"),
    ]
    assert len(spans(org)) == 2


def test_refusals_do_not_overlap(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW - timedelta(hours=2))
    evaluate(org)
    mirror(org, "active")
    mirror(org, "trialing")  # Stripe's answers came in another order

    (_, first_end), (second_start, _) = spans(org)
    assert first_end == second_start == NOW


@pytest.mark.parametrize("number", [1, 30])
def test_many_changes_cost_few_statements(
    acme: WhiteLabel, number: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [make_organization(acme, f"o-{n}") for n in range(number)]
    ids = [row.pk for row in rows]
    record_refusals(ids, now=NOW)
    Organization.objects.filter(pk__in=ids).update(is_active=False)
    with django_assert_max_num_queries(12):
        record_refusals(ids, now=NOW)
    Organization.objects.filter(pk__in=ids).update(is_active=True)
    with django_assert_max_num_queries(12):
        record_refusals(ids, now=LATER)

    assert AccessRefusal.objects.exclude(ended_at=None).count() == number
    with django_assert_max_num_queries(1):
        record_refusals(ids, now=LATER)


# --- one beginning --------------------------------------------------------------------


def since_everywhere(org: Organization) -> tuple[set[Any], dict[str, Any]]:
    """Return since when access is refused, and since when each reason applies.

    As the history, the status line with and without figures, and the API have it.
    """
    org = Organization.objects.select_related("white_label").get(pk=org.pk)
    shown = explain_access(org, now=timezone.now())
    facts = get_access_facts(org.pk, now=timezone.now())
    key = {"x-api-key": make_key(org.white_label, READ, "organizations:read")}
    path = f"/api/v1/organizations/{org.pk}/access"
    body = Client(headers=key).get(path).json()
    refusal = AccessRefusal.objects.get(organization=org, ended_at=None)
    reasons = {
        row.code: row.started_at for row in refusal.reasons.filter(ended_at=None)
    }
    assert {row.code: row.since for row in shown.reasons} == reasons
    assert {row.code: row.since for row in facts.refusals(timezone.now())} == reasons
    assert {
        row["code"]: datetime.fromisoformat(row["since"]) for row in body["reasons"]
    } == reasons
    return {refusal.started_at, shown.since, facts.refused_since}, reasons


def test_the_status_line_begins_where_the_history_does(over: Organization) -> None:
    assert since_everywhere(over) == ({NOW}, {"hard_limit": NOW})

    with time_machine.travel(LATER, tick=False):
        change_organization(over, {"is_active": False})
        remove_limit(over)

        # Refused since the limit was reached, although another reason is left.
        assert since_everywhere(over) == ({NOW}, {"inactive": LATER})


def test_a_fact_that_is_older_than_the_history_counts_from_the_history(
    org: Organization,
) -> None:
    """A pause that Stripe reports after another refusal had ended."""
    subscribe(org, "active")
    change_organization(org, {"is_active": False})
    with time_machine.travel(LATER, tick=False):
        change_organization(org, {"is_active": True})
        mirror(org, "active", paused_at=NOW - timedelta(days=3))

        assert since_everywhere(org) == ({LATER}, {"paused": LATER})


def test_what_is_not_recorded_yet_applies_since_its_fact(org: Organization) -> None:
    Organization.objects.filter(pk=org.pk).update(deleted_at=NOW)

    [refusal] = get_access_facts(org.pk, now=LATER).refusals(LATER)

    assert refusal.since == NOW


@pytest.mark.parametrize("scopes", [("organizations:write",)])
def test_an_api_key_that_restores_an_organization_is_named(
    acme: WhiteLabel, scopes: tuple[str, ...]
) -> None:
    owner, org = make_organization(acme, "owner"), make_organization(acme, "gone")
    acme.owner = owner
    acme.save()
    key = make_key(acme, *scopes)
    headers = {"x-api-key": key}
    inner = f"/v1/api/organizations/{owner.pk}/whitelabel/organizations/{org.pk}"
    own = f"/api/v1/organizations/{org.pk}"

    delete_organization(org)
    assert Client(headers=headers).get(f"{inner}/restore").status_code == 200
    delete_organization(org)
    assert Client(headers=headers).post(f"{own}/restore").status_code == 200

    by = f"API key test ({key[:10]}…)"
    assert history(org) == [("deleted", "restored", by)] * 2


# --- two workers ----------------------------------------------------------------------


@pytest.mark.usefixtures("committed")
def test_two_workers_write_a_change_once() -> None:
    org = make_organization(make_white_label("two"), "org-two")
    ids = [org.pk]

    def work(at: Any) -> None:
        try:
            record_refusals(ids, now=at)
        finally:
            connection.close()

    Organization.objects.filter(pk=org.pk).update(is_active=False)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [LATER] * 8))
    assert history(org) == [("inactive", "", "")]
    Organization.objects.filter(pk=org.pk).update(is_active=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [LATER] * 8))
    assert history(org) == [("inactive", "activated", "")]
    assert len(spans(org)) == 1


# --- the page and the API -------------------------------------------------------------


def test_the_alerts_tab_shows_the_history(over: Organization) -> None:
    raise_limit(over)
    client = Client()
    client.force_login(make_user("vi", "viewer", white_label=over.white_label))

    html = client.get(reverse("billing:alerts", args=[over.pk])).content.decode()

    assert 'data-cause="hard_limit" data-lifting="limit_raised"' in html
    assert "by ann" in html
    assert "asked by phone" in html


def test_the_tab_and_the_api_are_paged(org: Organization) -> None:
    for _ in range(12):
        change_organization(org, {"is_active": False})
        change_organization(org, {"is_active": True})
    client = Client()
    client.force_login(make_user("vi", "viewer", white_label=org.white_label))
    first = client.get(reverse("billing:alerts", args=[org.pk])).context
    second = client.get(first["refusals_next_url"].split("#")[0]).context
    key = {"x-api-key": make_key(org.white_label, READ)}
    path = f"/api/v1/organizations/{org.pk}/access/history"
    page = Client(headers=key).get(path, {"limit": 10}).json()
    rest = Client(headers=key).get(path, {"cursor": page["next_cursor"]}).json()

    assert (len(first["refusals"]), len(second["refusals"])) == (10, 2)
    shown = [row.pk for row in (*first["refusals"], *second["refusals"])]
    assert [row["id"] for row in (*page["refusals"], *rest["refusals"])] == shown
    assert rest["next_cursor"] is None
    assert Client(headers=key).get(path, {"cursor": "x"}).status_code == 400
    assert Client(headers=key).get(path, {"limit": "0"}).status_code == 400


def test_the_api_has_the_history_with_numbers(over: Organization) -> None:
    raise_limit(over)
    key = {"x-api-key": make_key(over.white_label, READ)}
    path = f"/api/v1/organizations/{over.pk}/access/history"

    [refusal] = Client(headers=key).get(path).json()["refusals"]
    [reason] = refusal["reasons"]

    assert refusal["started_at"] == "2026-11-21T12:00:00Z"
    assert (reason["facts"]["limit"], reason["facts"]["used"]) == (10, 10)
    assert reason["lifted"] == {
        "kind": "limit_raised",
        "message": "Hard limit raised",
        "by": "ann",
        "note": "asked by phone",
    }


def test_the_api_explains_what_the_page_shows(over: Organization) -> None:
    key = {"x-api-key": make_key(over.white_label, READ)}
    path = f"/api/v1/organizations/{over.pk}/access/actions"

    body = Client(headers=key).get(path).json()
    [reason] = body["reasons"]

    assert (body["allowed"], body["since"]) == (False, "2026-11-21T12:00:00Z")
    assert reason["message"] == "Hard limit $10.00 reached ($10.00 used)."
    assert (reason["actions"][0]["kind"], reason["actions"][0]["amount"]) == (
        "raise_hard_limit",
        11,
    )
    assert reason["actions"][0]["restores_access"] is True
