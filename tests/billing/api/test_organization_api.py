"""Contract B: one flat organization, computed from real rows, and what changes it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from billing.ledger.commands.limits import change_limit
from billing.models import BillingAccount, Invoice
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_rate,
    make_user,
    record,
)
from tests.support.organization_api import FIELDS, Ask, faults, subscribe
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
TRIAL_END = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def ask(acme: WhiteLabel, org: Organization, client: Client) -> Ask:
    scopes = ("integrations:write", "organizations:read", "billing:write")
    return Ask(client, make_key(acme, *scopes, organization=org))


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Record 700 prompt and 11 completion tokens and 5 requests.

    Another organization has usage, too.
    """
    make_organization(acme, "org-9")
    make_rate(acme, "0.002", meter="prompt_tokens", benchmark="0.005")
    make_rate(acme, "0.03", meter="completion_tokens", benchmark="0.01")
    quantities = {"prompt_tokens": 700, "completion_tokens": 11, "requests": 5}
    record(
        acme,
        [
            event("a", quantities=quantities, project="p-1"),
            event("decoy", organization="org-9", quantities={"requests": 900}),
        ],
    )
    return org


def test_an_empty_change_returns_the_organization_unchanged(
    ask: Ask, org: Organization
) -> None:
    body = ask.put("orgs/integrations", {}).json()

    assert faults(body) == []
    assert set(body) == set(FIELDS)
    assert (body["id"], body["org_name"]) == (str(org.id), "org-7")
    assert body == ask.get("orgs/current").json()


def test_an_organization_without_data_has_the_empty_values_of_the_contract(
    ask: Ask,
) -> None:
    body = ask.get("orgs/current").json()

    assert body["subscription_tier"] == "_NONE_"
    assert body["subscription_pause_reason"] is None
    assert (body["org_stripe_id"], body["last_invoice_date"]) == ("", 0)
    assert (body["spending_limit_soft"], body["spending_limit_hard"]) == (0, 0)
    assert (body["currency"], body["rate_limit"], body["num_apps"]) == ("usd", 200, 0)
    assert set(body["alert_emails"].values()) == {None}
    assert body["added_on"] == "2026-01-05T09:00:00+00:00"


@pytest.mark.usefixtures("used")
def test_usage_of_the_open_period_is_summed(ask: Ask) -> None:
    body = ask.get("orgs/current").json()

    assert faults(body) == []
    tokens = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [body[name] for name in tokens] == [700, 11, 711]
    assert [body[f"{name}_cost"] for name in tokens] == [1.4, 0.33, 1.73]
    savings = [body[f"{name}_cost_savings"] for name in tokens]
    assert savings == [2.1, -0.22, 1.88]
    assert (body["num_requests"], body["num_apps"]) == (5, 1)


def test_money_and_subscriptions_are_those_of_their_rows(
    ask: Ask, org: Organization
) -> None:
    synced = datetime(2026, 11, 2, tzinfo=UTC)
    BillingAccount.objects.create(
        organization=org,
        stripe_id="cus_7",
        free_balance=Decimal("12.5"),
        last_invoice_at=synced,
    )
    subscribe(org, cycle_interval="month", cycle_count=12, trial_ends_at=TRIAL_END)
    subscribe(org, stripe_id="sub_8", kind="spaces", tier="team", seats=3)
    change_limit(org.id, kind="soft", amount=Decimal("0.1"))

    body = ask.get("orgs/current").json()

    assert faults(body) == []
    assert (body["org_stripe_id"], body["last_invoice_date"]) == ("cus_7", 1793577600)
    assert (body["subscription_tier"], body["subscription_cycle"]) == (
        "GROWTH",
        "yearly",
    )
    assert (body["subscription_price_id"], body["trial_end"]) == ("price_7", 1796083200)
    assert (body["free_balance"], body["spending_limit_soft"]) == (12.5, 0.1)
    spaces = ("tier", "seats", "status", "cancel_at")
    values = [body[f"spaces_subscription_{name}"] for name in spaces]
    assert values == ["TEAM", 3, "active", None]


@pytest.mark.parametrize(
    ("status", "tier", "expected"),
    [
        ("trialing", "growth", "_TRIAL_"),
        ("active", "internal", "_INTERNAL_"),
        ("active", "Scale", "SCALE"),
        ("active", "gold", None),
        ("canceled", "growth", "_NONE_"),
    ],
)
def test_tiers_use_the_terms_of_the_contract(
    ask: Ask, org: Organization, status: str, tier: str, expected: str | None
) -> None:
    subscribe(org, status=status, tier=tier)

    body = ask.get("orgs/current").json()

    assert faults(body) == []
    assert body["subscription_tier"] == expected


def test_a_paused_subscription_names_its_unpaid_invoices(
    ask: Ask, org: Organization
) -> None:
    subscribe(org, status="paused", pause_reason="card declined")
    due = datetime(2026, 11, 1, tzinfo=UTC)
    facts: dict[str, Any] = {"currency": "usd", "issued_at": due, "organization": org}
    owed: dict[str, Any] = {"total": 70, "amount_due": 70, "amount_remaining": 60}
    sent = {"collection_method": "send_invoice", "due_at": due}
    for id_, status, more in (
        ("in_3", "uncollectible", owed),
        ("in_4", "open", owed | {"attempt_count": 2}),
        ("in_5", "open", owed | {"next_attempt_at": NOW + timedelta(hours=1)}),
        ("in_6", "void", owed | sent),
        ("in_7", "open", owed | sent),
        ("in_8", "paid", owed | sent | {"amount_remaining": 0}),
        ("in_9", "open", owed | sent | {"due_at": NOW + timedelta(days=1)}),
    ):
        Invoice.objects.create(stripe_id=id_, status=status, **facts, **more)

    body = ask.get("orgs/current").json()

    assert faults(body) == []
    invoices = body["subscription_pause_reason"]["invoices"]
    assert {(row["invoice_id"], row["amount"]) for row in invoices} == {
        ("in_3", 60),
        ("in_4", 60),
        ("in_7", 60),
    }
    invoice = invoices[0]
    assert invoice["pause_reason"] == "card declined"
    assert invoice["timestamp"] == 1793491200


def test_a_pause_without_unpaid_invoices_has_its_reason(
    ask: Ask, org: Organization
) -> None:
    subscribe(org, paused_at=NOW, pause_reason="Requested by the customer")

    body = ask.get("orgs/current").json()

    assert faults(body) == []
    assert body["subscription_pause_reason"] == {
        "reason": "Requested by the customer",
        "invoices": [],
    }
    assert body["org_creator"] == "load_organizations"


def test_a_white_labels_key_acts_for_the_owner(
    acme: WhiteLabel, client: Client
) -> None:
    ask = Ask(client, make_key(acme, "organizations:read"))

    assert ask.get("orgs/current").json()["id"] == str(acme.owner_id)


def test_staff_of_every_white_label_have_no_current_organization(
    client: Client,
) -> None:
    client.force_login(make_user("op", "operator"))

    response = client.get("/v1/orgs/current")

    assert response.status_code == 403
    assert list(response.json()) == ["detail"]


def test_a_key_needs_the_scope_of_the_call(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    ask = Ask(client, make_key(acme, "billing:read", organization=org))

    for response in (
        ask.put("orgs/integrations", {}),
        ask.put("billing/limits", {}),
        ask.get("orgs/current"),
        ask.get("orgs/list"),
    ):
        assert response.status_code == 403
        assert isinstance(response.json()["detail"], str)


def test_a_call_without_a_credential_is_401(client: Client) -> None:
    response = client.put("/v1/orgs/integrations", {}, "application/json")

    assert response.status_code == 401
    assert set(response.json()) == {"detail"}
    assert isinstance(response.json()["detail"], str)


def test_an_organization_takes_a_bounded_number_of_queries(
    ask: Ask, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ask.get("orgs/current")

    with django_assert_max_num_queries(14):
        ask.get("orgs/current")
