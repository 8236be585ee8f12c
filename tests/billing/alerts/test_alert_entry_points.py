"""Changing a limit, an entitlement, a balance or a plan evaluates the organization.

Each entry point is used as people and API clients use it; the worker's part is
`evaluate_all_measures`.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from billing.alerts.commands.evaluation import evaluate_all_measures
from billing.ledger.commands.credits import grant_credit
from billing.ledger.commands.limits import change_limit
from billing.ledger.commands.periods import close_period
from billing.models import BillingAccount, SpendingLimit
from billing.stripe.commands.mirror.refetches import refetch_subscription
from orgs.models import Entitlements, Organization, WhiteLabel
from tests.factories import NOW, make_key, make_rate, make_user
from tests.support.admin import fields
from tests.support.alerts import (
    evaluate,
    give,
    limit,
    proof,
    recorded_kinds,
    subscribe,
    use,
)
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import customer_of
from tests.support.stripe_mirror import subscribe as subscribe_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
Evaluations = dict[str, set[int]]


# The order of the list, the reasons for action, and what is pushed are refreshed, too.
_PREPARATIONS = {
    "metrics.tasks.mark_pushes",
    "billing.forecast.tasks.prepare_limits",
    "billing.needs_action.tasks.prepare_usage_reasons",
}


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> Evaluations:
    """Collect, by task, the organizations that it will evaluate."""
    evaluations: Evaluations = {}

    def enqueue_debounced(task: Any, ids: Iterable[int]) -> None:
        if task.name not in _PREPARATIONS:
            evaluations.setdefault(task.name.rpartition(".")[2], set()).update(ids)

    monkeypatch.setattr("orgs.queue.debounce.enqueue_debounced", enqueue_debounced)
    return evaluations


@pytest.fixture
def spent(
    acme: WhiteLabel, org: Organization, evaluations: Evaluations
) -> Organization:
    """Spend 10 and use 60 GPU seconds; the decoy of the same ID uses nothing."""
    make_rate(acme, "2")
    make_rate(acme, "0", meter="gpu_seconds")
    use(acme, 5, quantities={"requests": 5, "gpu_seconds": 60})
    assert evaluations == {"evaluate_limited": {org.pk}}
    evaluations.clear()
    return org


def admin(model: str, *args: int) -> str:
    return reverse(f"admin:{model}_{'change' if args else 'add'}", args=args)


def staff(role: str) -> Client:
    client = Client()
    client.force_login(make_user(role, role))
    return client


def add_limit_in_admin(org: Organization) -> None:
    data = {"organization": org.pk, "kind": "soft", "amount": "9"}
    staff("finance").post(admin("billing_spendinglimit"), data)


def change_limit_in_admin(org: Organization) -> None:
    change_limit(org.pk, kind="soft", amount=Decimal(99))
    [row] = SpendingLimit.objects.all()
    client, url = staff("finance"), admin("billing_spendinglimit", row.pk)
    client.post(url, fields(client.get(url)) | {"amount": "9"})


def put_limits(org: Organization) -> None:
    key = make_key(org.white_label, "billing:write", organization=org)
    Client().put(
        "/v1/billing/limits",
        {"spending_limit_soft": 9},
        "application/json",
        headers={"x-api-key": key},
    )


def save_limits_on_the_page(org: Organization) -> None:
    url = f"/organizations/{org.pk}/alerts/limits/"
    client = staff("finance")
    data = {"soft": "9", "hard": "", "step": "save", "note": "n"}
    client.post(url, data | proof(client, org, "limits"))


def entitle_in_admin(org: Organization) -> None:
    client = staff("operator")
    url = admin("orgs_organization", org.pk)
    data = fields(client.get(url)) | {"entitlements-0-gpu_seconds_per_year": "100 s"}
    answer = client.post(url, data)
    assert answer.status_code == 302, answer.context["errors"]
    assert Entitlements.objects.get(organization=org).gpu_seconds_per_year == 100


def entitle_by_api(org: Organization) -> None:
    key = make_key(org.white_label, "organizations:write")
    answer = Client().patch(
        f"/api/v1/organizations/{org.pk}",
        {"entitlements": {"gpu_seconds_per_year": 100}},
        "application/json",
        headers={"x-api-key": key},
    )
    assert answer.status_code == 200


def move_the_contract(org: Organization) -> None:
    """Move the start date, which puts the usage into another contract year."""
    key = make_key(org.white_label, "organizations:write")
    Client().patch(
        f"/api/v1/organizations/{org.pk}",
        {"contract_started_on": "2025-11-20"},
        "application/json",
        headers={"x-api-key": key},
    )


def give_balance_in_admin(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=20))
    BillingAccount.objects.create(organization=org)
    client = staff("operator")
    url = admin("billing_billingaccount", org.pk)
    client.post(url, fields(client.get(url)) | {"free_balance": "10"})


def grant(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=20))
    kind = "free_balance"
    grant_credit(org.pk, kind=kind, amount=Decimal(10), note="a gift", by="ann")


def close(org: Organization) -> None:
    change_limit(org.pk, kind="soft", amount=Decimal(99))
    close_period(org.pk, ends_at=NOW)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (add_limit_in_admin, "soft_limit"),
        (change_limit_in_admin, "soft_limit"),
        (put_limits, "soft_limit"),
        (save_limits_on_the_page, "soft_limit"),
        (entitle_in_admin, "usage_50"),
        (entitle_by_api, "usage_50"),
        (give_balance_in_admin, "balance_used"),
        (grant, "balance_used"),
        (close, "usage_reset"),
    ],
)
def test_a_change_is_evaluated_at_once(
    change: Callable[[Organization], None],
    kind: str,
    spent: Organization,
    evaluations: Evaluations,
) -> None:
    change(spent)

    assert evaluations["evaluate_changed"] == {spent.pk}
    evaluate_all_measures([spent.pk])
    covered = ["balance_80"] if kind == "balance_used" else []
    assert recorded_kinds(spent) == [*covered, kind]


def test_another_contract_year_is_evaluated(
    spent: Organization, evaluations: Evaluations
) -> None:
    move_the_contract(spent)

    assert evaluations["evaluate_changed"] == {spent.pk}


# --- changes from Stripe ------------------------------------------------------------


def test_a_change_in_stripe_is_evaluated(
    spent: Organization, evaluations: Evaluations, fake_stripe: FakeStripe
) -> None:
    """The limit includes cost that the free balance covered, once the trial ended."""
    price, customer = make_price(fake_stripe).id, customer_of(fake_stripe, spent)
    trial_end = int((NOW + timedelta(days=20)).timestamp())
    stripe_id = subscribe_in(fake_stripe, customer, price, trial_end=trial_end)
    refetch_subscription(stripe_id, by="")
    assert evaluations == {"evaluate_changed": {spent.pk}}
    use(spent.white_label, 5, "in-trial", timestamp=NOW.isoformat())
    give(spent, "50")
    limit(spent, "soft", "9")
    evaluate(spent)
    assert recorded_kinds(spent) == ["usage_reset"]

    evaluations.clear()
    refetch_subscription(stripe_id, by="")
    assert evaluations == {}  # nothing differs
    fake_stripe.client().v1.subscriptions.update(stripe_id, {"trial_end": "now"})
    refetch_subscription(stripe_id, by="")

    assert evaluations == {"evaluate_changed": {spent.pk}}
    evaluate_all_measures([spent.pk])
    assert recorded_kinds(spent) == ["soft_limit", "usage_reset"]


def test_a_deletion_in_stripe_is_evaluated(
    spent: Organization,
    evaluations: Evaluations,
    fake_stripe: FakeStripe,
    settings: Settings,
) -> None:
    subscribe(spent, "trialing", trial_ends_at=NOW + timedelta(days=20))
    refetch_subscription(f"sub_{spent.pk}", by="")

    assert evaluations == {"evaluate_changed": {spent.pk}}
