"""`GET /api/v1/organizations/{id}/access`: served or not, why, and since when."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from billing.ledger.commands.limits import change_limits
from billing.ledger.commands.periods import close_period
from billing.models import Subscription
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_key,
    make_organization,
    make_rate,
    make_white_label,
    record,
)
from tests.support.alerts import evaluate, give, limit, subscribe, use
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
READ = "organizations:read"


def ask(organization: Organization, key: str) -> Any:
    path = f"/api/v1/organizations/{organization.pk}/access"
    return Client().get(path, headers={"x-api-key": key})


@pytest.fixture
def key(acme: WhiteLabel) -> str:
    return make_key(acme, READ)


def codes(organization: Organization, key: str) -> list[str]:
    answer = ask(organization, key)
    assert answer.status_code == 200
    body = answer.json()
    assert body["allowed"] is not bool(body["reasons"])
    return [reason["code"] for reason in body["reasons"]]


def test_an_active_organization_is_served(org: Organization, key: str) -> None:
    assert ask(org, key).json() == {"allowed": True, "reasons": [], "rate_limit": 200}


def test_the_rate_limit_of_the_organization_is_returned(
    org: Organization, key: str
) -> None:
    Organization.objects.filter(pk=org.pk).update(rate_limit=77)

    assert ask(org, key).json()["rate_limit"] == 77


def test_a_stranger_gets_404(org: Organization) -> None:
    other = make_key(make_white_label("other"), READ)

    assert ask(org, other).status_code == 404


def test_a_key_of_another_organization_gets_404(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, "other")

    assert ask(org, make_key(acme, READ, organization=other)).status_code == 404
    assert ask(org, make_key(acme, READ, organization=org)).status_code == 200


def test_a_key_without_the_scope_gets_403(acme: WhiteLabel, org: Organization) -> None:
    assert ask(org, make_key(acme, "usage:write")).status_code == 403


def test_a_call_without_a_key_gets_401(org: Organization) -> None:
    assert ask(org, "").status_code == 401


def test_a_deleted_organization_is_refused_as_deleted(
    org: Organization, key: str
) -> None:
    delete(org)

    assert ask(org, key).json() == {
        "allowed": False,
        "reasons": [
            {
                "code": "deleted",
                "message": "The organization was deleted.",
                "since": "2026-11-21T12:00:00Z",
            }
        ],
        "rate_limit": 200,
    }


def test_an_inactive_organization_is_refused_since_its_deactivation(
    org: Organization, key: str
) -> None:
    Organization.objects.filter(pk=org.pk).update(is_active=False)
    [first] = ask(org, key).json()["reasons"]
    Organization.objects.filter(pk=org.pk).update(name="Another name")
    [then] = ask(org, key).json()["reasons"]
    Organization.objects.filter(pk=org.pk).update(is_active=True)

    assert (first["code"], then["since"]) == ("inactive", first["since"])
    assert codes(org, key) == []


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        ("active", {}, []),
        ("past_due", {}, []),  # Stripe still tries
        ("unpaid", {}, ["unpaid"]),
        ("paused", {}, ["paused"]),
        ("active", {"paused_at": NOW - timedelta(days=2)}, ["paused"]),
        ("trialing", {}, []),
        ("trialing", {"trial_ends_at": NOW + timedelta(seconds=1)}, []),
        ("trialing", {"trial_ends_at": NOW}, ["trial_over"]),
        ("canceled", {"trial_ends_at": NOW}, ["trial_over"]),
        ("canceled", {"trial_ends_at": NOW, "period_ends_at": NOW}, ["trial_over"]),
        (
            "canceled",  # paid after its trial
            {"trial_ends_at": NOW - timedelta(days=31), "period_ends_at": NOW},
            [],
        ),
        ("canceled", {}, []),
    ],
)
def test_the_status_of_a_subscription_decides(
    org: Organization, key: str, status: str, more: dict[str, Any], expected: list[str]
) -> None:
    subscribe(org, status, **more)

    assert codes(org, key) == expected


def test_a_new_subscription_after_a_lost_trial(org: Organization, key: str) -> None:
    subscribe(org, "canceled", trial_ends_at=NOW - timedelta(days=3))
    Subscription.objects.create(
        organization=org, stripe_id="sub_2", status="active", tier="scale",
        stripe_price_id="price_1",
    )  # fmt: skip

    assert codes(org, key) == []


def test_a_spaces_subscription_does_not_decide(org: Organization, key: str) -> None:
    subscribe(org, "unpaid", kind="spaces", seats=5)

    assert codes(org, key) == []


def test_a_trial_is_over_at_its_exact_end(org: Organization, key: str) -> None:
    ends_at = NOW + timedelta(hours=1)
    subscribe(org, "trialing", trial_ends_at=ends_at)

    assert codes(org, key) == []
    with time_machine.travel(ends_at - timedelta(microseconds=1), tick=False):
        assert codes(org, key) == []
    with time_machine.travel(ends_at, tick=False):
        [reason] = ask(org, key).json()["reasons"]

    assert (reason["code"], reason["since"]) == ("trial_over", "2026-11-21T13:00:00Z")


# --- the hard limit -----------------------------------------------------------------


@pytest.fixture
@snapshot
def over(acme: WhiteLabel, org: Organization) -> Organization:
    make_rate(acme, "2")
    limit(org, "hard", "10")
    use(acme, 5)
    evaluate(org)
    return org


def test_a_hard_limit_refuses_access_since_it_was_reached(
    acme: WhiteLabel, over: Organization, key: str
) -> None:
    decoy = make_organization(acme, "decoy")
    limit(decoy, "hard", "10")
    use(acme, 1, "e-2")
    evaluate(over, decoy, now=NOW + timedelta(minutes=5))

    [reason] = ask(over, key).json()["reasons"]
    assert (reason["code"], reason["since"]) == ("hard_limit", "2026-11-21T12:00:00Z")
    assert codes(decoy, key) == []


def test_a_soft_limit_does_not_refuse_access(
    acme: WhiteLabel, org: Organization, key: str
) -> None:
    make_rate(acme, "2")
    limit(org, "soft", "10")
    use(acme, 50)
    evaluate(org)

    assert codes(org, key) == []


@pytest.mark.parametrize("amount", ["11", "0", None])
def test_a_raised_limit_restores_access_at_once(
    over: Organization, key: str, amount: str | None
) -> None:
    limit(over, "hard", amount)

    assert codes(over, key) == []
    evaluate(over)
    assert codes(over, key) == []


def test_a_raised_limit_that_is_reached_refuses_access_again(
    acme: WhiteLabel, over: Organization, key: str
) -> None:
    limit(over, "hard", "12")
    use(acme, 1, "e-2")
    evaluate(over, now=NOW + timedelta(minutes=5))

    [reason] = ask(over, key).json()["reasons"]
    assert reason["since"] == "2026-11-21T12:05:00Z"


def test_a_new_period_restores_access_at_once(over: Organization, key: str) -> None:
    close_period(over.pk, ends_at=NOW)

    assert codes(over, key) == []


def test_a_balance_granted_in_the_trial_restores_access(
    over: Organization, key: str
) -> None:
    subscribe(over, "trialing", trial_ends_at=NOW + timedelta(days=20))
    give(over, "1")
    evaluate(over)

    assert codes(over, key) == []


def test_all_reasons_are_returned(over: Organization, key: str) -> None:
    subscribe(over, "unpaid")
    Organization.objects.filter(pk=over.pk).update(is_active=False)

    assert codes(over, key) == ["inactive", "unpaid", "hard_limit"]


def test_a_limit_set_below_the_cost_refuses_access_at_once(
    acme: WhiteLabel, org: Organization, key: str
) -> None:
    """Set the hard limit by contract B, which evaluates it before it answers."""
    make_rate(acme, "2")
    use(acme, 5)
    writer = make_key(acme, "billing:write", organization=org)
    body = {"spending_limit_soft": 4, "spending_limit_hard": 9}

    answer = Client().put(
        "/v1/billing/limits", body, "application/json", headers={"x-api-key": writer}
    )

    assert [one["kind"] for one in answer.json()["alerts"]] == [
        "hard_limit",
        "soft_limit",
    ]
    assert codes(org, key) == ["hard_limit"]


def test_the_number_of_statements_does_not_depend_on_usage(
    acme: WhiteLabel,
    over: Organization,
    key: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    ask(over, key)  # stores the key's last use
    record(acme, [event(f"x-{n}", product=f"p-{n}") for n in range(50)])

    with django_assert_num_queries(2):
        ask(over, key)


def test_limits_of_the_page_are_those_of_the_api(over: Organization, key: str) -> None:
    change_limits(over.pk, soft=Decimal(1), hard=Decimal(9))
    evaluate(over, now=datetime.fromisoformat("2026-11-21T12:01:00Z"))

    [reason] = ask(over, key).json()["reasons"]
    assert reason["since"] == "2026-11-21T12:00:00Z"  # refused all the time
