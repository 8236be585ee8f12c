"""Contract B's neighbours: which organizations a key reaches, and spending limits."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import BillingAccount, SpendingLimit
from orgs.commands.editing import change_organization, set_entitlements
from orgs.models import Organization, WhiteLabel
from tests.factories import make_key
from tests.support.organization_api import Ask, subscribe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def ask(acme: WhiteLabel, org: Organization, client: Client) -> Ask:
    scopes = ("integrations:write", "organizations:read", "billing:write")
    return Ask(client, make_key(acme, *scopes, organization=org))


def test_the_list_has_the_organizations_that_the_credential_reaches(
    ask: Ask, acme: WhiteLabel, org: Organization, client: Client
) -> None:
    [row] = ask.get("orgs/list").json()
    assert (row["org_id"], row["org_name"]) == (str(org.id), "org-7")
    assert row["permissions"] == "billing:write integrations:write organizations:read"

    everything = Ask(client, make_key(acme, "organizations:read"))
    ids = [row["org_id"] for row in everything.get("orgs/list").json()]
    assert ids == [str(acme.owner_id), str(org.id)]
    [last] = everything.get(f"orgs/list?limit=1&after={acme.owner_id}").json()
    assert last["org_id"] == str(org.id)


def test_limits_are_set_together_and_zero_means_no_limit(
    ask: Ask, org: Organization
) -> None:
    BillingAccount.objects.create(organization=org, free_balance=Decimal(9))
    subscribe(org, status="trialing", trial_ends_at=datetime(2026, 11, 24, tzinfo=UTC))

    sent = {"spending_limit_soft": 70.5, "spending_limit_hard": 110}
    body = ask.put("billing/limits", sent).json()

    assert (body["spending_limit_soft"], body["spending_limit_hard"]) == (70.5, 110)
    assert (body["balance"], body["currency"]) == (9, "usd")
    assert body["trial_end"] == "2026-11-24T00:00:00+00:00"
    assert body["trial_ending_soon"] is True
    assert body["subscription"]["is_trial"] is True
    again = ask.put("billing/limits", {"spending_limit_soft": None}).json()
    assert (again["spending_limit_soft"], again["spending_limit_hard"]) == (0, 0)
    assert SpendingLimit.objects.filter(amount__gt=0).count() == 0


def test_limits_and_entitlements_move_the_last_change(
    ask: Ask, org: Organization
) -> None:
    def modified() -> str:
        text: str = ask.get("orgs/current").json()["modified_on"]
        return text

    instants = [modified()]
    for limits in ({"spending_limit_soft": 5}, {"spending_limit_soft": 6}, {}):
        ask.put("billing/limits", limits)
        instants.append(modified())
    for values in ({"users": 3}, {"users": None}):
        set_entitlements(org, values)
        instants.append(modified())
    for name in ("A", "B"):
        change_organization(org, {"name": name})
        instants.append(modified())

    assert instants == sorted(set(instants))
    ask.put("billing/limits", {})
    set_entitlements(org, {"users": None})
    assert modified() == instants[-1]


def test_the_last_change_does_not_follow_a_slow_clock(org: Organization) -> None:
    ahead = org.updated_at + timedelta(hours=1)
    Organization.objects.filter(pk=org.pk).update(updated_at=ahead)

    change_organization(org, {"name": "A"})

    org.refresh_from_db()
    assert org.updated_at > ahead


@pytest.mark.parametrize("field", ["limit_soft", "spending_limit", "currency"])
def test_unknown_fields_of_limits_are_refused(
    ask: Ask, org: Organization, field: str
) -> None:
    ask.put("billing/limits", {"spending_limit_hard": 9})

    response = ask.put("billing/limits", {"spending_limit_hard": 9, field: 1})

    [problem] = response.json()["detail"]
    assert (response.status_code, problem["type"]) == (422, "unknown_field")
    assert problem["loc"] == ["body", field]
    assert SpendingLimit.objects.get(organization=org, kind="hard").amount == 9


@pytest.mark.parametrize(
    "value", [-1, "7", True, "NaN", 10**12, 0.0000000000001, [], {}]
)
def test_an_invalid_amount_is_refused_with_its_field(ask: Ask, value: Any) -> None:
    response = ask.put("billing/limits", {"spending_limit_hard": value})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "spending_limit_hard"]
