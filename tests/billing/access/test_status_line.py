"""The status line on every tab: refused or allowed, why, and what would lift it."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing.access.queries.explanations import AccessExplanation, explain_access
from billing.access.queries.facts import list_refusals
from billing.ledger.commands.credits import grant_credit
from billing.ledger.commands.limits import change_limit
from billing.ledger.commands.periods import close_period
from billing.models import Discrepancy, Invoice
from orgs.models import Organization
from tests.factories import NOW, delete, make_rate, make_user, make_white_label
from tests.support.alerts import evaluate, give, limit, subscribe, use

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
TABS = (
    "billing:overview",
    "metrics:usage",
    "billing:costs",
    "billing:billing",
    "billing:alerts",
    "orgs:people",
    "orgs:history",
)


def explain(organization: Organization) -> AccessExplanation:
    return explain_access(_read(organization), now=timezone.now())


def _read(organization: Organization) -> Organization:
    return Organization.objects.select_related("white_label").get(pk=organization.pk)


def line(organization: Organization, role: str = "operator") -> str:
    """Return the HTML of the status line on the people tab."""
    return section(organization, "orgs:people", role)


def section(organization: Organization, name: str, role: str) -> str:
    client = Client()
    label = organization.white_label
    client.force_login(make_user(f"{role}-{name}", role, white_label=label))
    html = client.get(reverse(name, args=[organization.pk])).content.decode()
    _, _, rest = html.partition("data-access=")
    assert rest.count("data-access=") == 0
    return rest.partition("</section>")[0]


def invoice(organization: Organization, id_: str, owed: str, **more: Any) -> None:
    amounts = dict.fromkeys(("total", "amount_due", "amount_remaining"), Decimal(owed))
    Invoice.objects.create(
        organization=organization,
        stripe_id=id_,
        status="open",
        currency="usd",
        issued_at=NOW - timedelta(days=30),
        **{"attempt_count": 4, **amounts, **more},
    )


# --- the twelve states ----------------------------------------------------------------


def over_hard(org: Organization) -> None:
    make_rate(org.white_label, "136.758")
    limit(org, "hard", "650")
    use(org.white_label, 5)  # $683.79
    evaluate(org)


def over_soft(org: Organization) -> None:
    make_rate(org.white_label, "136.758")
    limit(org, "soft", "500")
    use(org.white_label, 5)


def unpaid(org: Organization) -> None:
    subscribe(org, "unpaid")
    invoice(org, "in_1", "6000.61")
    invoice(org, "in_2", "405")


def past_due(org: Organization) -> None:
    subscribe(org, "past_due")
    invoice(org, "in_1", "10")


def trial_over(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW - timedelta(days=1))


def trial_lost(org: Organization) -> None:
    subscribe(org, "canceled", trial_ends_at=NOW - timedelta(days=1))


def paused(org: Organization) -> None:
    subscribe(org, "paused", paused_at=NOW, pause_reason="Asked by phone.")


def inactive(org: Organization) -> None:
    Organization.objects.filter(pk=org.pk).update(is_active=False)


def limit_raised(org: Organization) -> None:
    over_hard(org)
    limit(org, "hard", "684")


def period_reset(org: Organization) -> None:
    over_hard(org)
    close_period(org.pk, ends_at=NOW)


def two_reasons(org: Organization) -> None:
    over_hard(org)
    unpaid(org)


STATES: list[tuple[Callable[[Organization], None], dict[str, list[str]], list[str]]] = [
    (lambda org: None, {}, []),
    (over_soft, {}, ["soft_limit"]),
    (over_hard, {"hard_limit": ["raise_hard_limit", "close_period"]}, []),
    (unpaid, {"unpaid": ["payment_link"]}, []),
    (past_due, {}, ["past_due"]),
    (trial_over, {"trial_over": ["extend_trial", "sync"]}, []),
    (trial_lost, {"trial_over": ["start_subscription"]}, []),
    (paused, {"paused": ["resume_subscription"]}, []),
    (inactive, {"inactive": ["activate"]}, []),
    (delete, {"deleted": ["restore"]}, []),
    (
        two_reasons,
        {
            "unpaid": ["payment_link"],
            "hard_limit": ["raise_hard_limit", "close_period"],
        },
        [],
    ),
    (limit_raised, {}, []),
    (period_reset, {}, []),
]


@pytest.mark.parametrize(("arrange", "reasons", "warnings"), STATES)
def test_reasons_actions_and_warnings_of_a_state(
    org: Organization,
    arrange: Callable[[Organization], None],
    reasons: dict[str, list[str]],
    warnings: list[str],
) -> None:
    arrange(org)

    explained = explain(org)
    html = line(org)

    assert {
        row.code: [action.kind.value for action in row.actions]
        for row in explained.reasons
    } == reasons
    assert [row.code for row in explained.warnings] == warnings
    assert [(row.code, row.since) for row in explained.reasons] == [
        (row.code, row.since) for row in list_refusals(org.pk, now=timezone.now())
    ]
    assert html.startswith('"refused"' if reasons else '"allowed"')
    assert [f'data-reason="{code}"' in html for code in reasons] == [True] * len(
        reasons
    )
    assert [f'data-warning="{code}"' in html for code in warnings] == [True] * len(
        warnings
    )


@pytest.mark.parametrize("name", TABS)
def test_every_tab_has_the_line(org: Organization, name: str) -> None:
    over_hard(org)

    html = section(org, name, "operator")

    assert html.startswith('"refused"')
    assert "Hard limit $650.00 reached ($683.79 used)." in html
    assert "Raise hard limit to at least $684" in html


def test_all_reasons_have_to_be_lifted(org: Organization) -> None:
    two_reasons(org)

    explained = explain(org)

    assert not any(
        action.restores_access for row in explained.reasons for action in row.actions
    )
    assert "Both reasons must be resolved" in line(org)


def test_the_line_has_the_time_zone_of_the_organization() -> None:
    label = make_white_label("zurich", time_zone="Europe/Zurich")
    org = label.owner
    assert org
    delete(org)

    assert "Nov 21, 13:00 CET" in line(org)


# --- the smallest actions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "expected"), [("136.758", "684"), ("136.8", "685"), ("130", "651")]
)
def test_a_limit_is_raised_to_the_least_whole_amount_that_allows(
    org: Organization, price: str, expected: str
) -> None:
    make_rate(org.white_label, price)
    limit(org, "hard", "650")
    use(org.white_label, 5)
    evaluate(org)

    [reason] = explain(org).reasons
    action = reason.actions[0]

    assert (action.kind, action.amount) == ("raise_hard_limit", Decimal(expected))
    assert action.restores_access
    limit(org, "hard", str(Decimal(expected) - 1))
    evaluate(org)
    assert not explain(org).is_allowed
    limit(org, "hard", expected)
    evaluate(org)
    assert explain(org).is_allowed


def test_a_raised_limit_is_not_below_the_soft_limit(org: Organization) -> None:
    over_hard(org)
    limit(org, "soft", "900.50")

    [reason] = explain(org).reasons

    assert reason.actions[0].amount == 901


def test_an_unpaid_subscription_without_invoices_is_synced(org: Organization) -> None:
    subscribe(org, "unpaid")

    [reason] = explain(org).reasons

    assert [action.kind.value for action in reason.actions] == ["sync"]


def test_the_button_fills_in_the_form_of_limits(org: Organization) -> None:
    over_hard(org)
    [reason] = explain(org).reasons

    url = reason.actions[0].url
    client = Client()
    client.force_login(make_user("fin", "finance", white_label=org.white_label))
    form = client.get(url).context["limits_form"]

    assert urlsplit(url).fragment == "limits"
    assert form["hard"].value() == "684"


def test_free_balance_is_offered_in_a_trial_only_and_truly_lifts(
    org: Organization,
) -> None:
    ends_at = NOW + timedelta(days=20)
    subscribe(org, "trialing", trial_ends_at=ends_at, period_ends_at=ends_at)
    give(org, "100")
    make_rate(org.white_label, "156.758")
    limit(org, "hard", "650")
    use(org.white_label, 5)  # $783.79, of which $100 are free
    evaluate(org)

    [reason] = explain(org).reasons
    balance = reason.actions[1]

    assert [action.kind.value for action in reason.actions] == [
        "raise_hard_limit",
        "add_free_balance",
        "period_reset",
    ]
    assert balance.amount == Decimal("33.80")  # with 33.79 the limit is equaled
    assert "after free balance" in reason.message
    grant_credit(
        org.pk, kind="free_balance", amount=Decimal("33.79"), note="n", by="ann"
    )
    evaluate(org)
    assert not explain(org).is_allowed
    grant_credit(
        org.pk, kind="free_balance", amount=Decimal("0.01"), note="n", by="ann"
    )
    evaluate(org)
    assert explain(org).is_allowed


def add_balance(organization: Organization, amount: str, kind: str = "") -> None:
    kind, id_ = kind or "free_balance", organization.pk
    grant_credit(id_, kind=kind, amount=Decimal(amount), note="asked", by="ann")


def test_credit_is_not_offered_as_it_does_not_count_against_limits(
    org: Organization,
) -> None:
    subscribe(org, "active", period_ends_at=NOW + timedelta(days=10))
    over_hard(org)

    [reason] = explain(org).reasons

    assert [action.kind.value for action in reason.actions] == [
        "raise_hard_limit",
        "period_reset",
    ]
    assert reason.actions[1].label == "Resolves Dec 1, when the period resets"
    add_balance(org, "1000", "credit")
    evaluate(org)
    assert not explain(org).is_allowed


def test_the_credit_form_is_filled_in(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=20))
    over_hard(org)
    [reason] = explain(org).reasons
    client = Client()
    client.force_login(make_user("fin", "finance", white_label=org.white_label))

    form = client.get(reason.actions[1].url).context["form"]

    assert form["kind"].value() == "free_balance"
    assert form["amount"].value() == "33.80"
    data = {**form.initial, "correction": "grant", "note": "asked", "step": "preview"}
    url = reverse("billing:credits", args=[org.pk])
    enough, little = (
        client.post(url, data | {"amount": amount}).content.decode()
        for amount in ("33.80", "33.79")
    )
    assert 'data-access-after="allowed"' in enough
    assert 'data-access-after="refused"' in little


def test_an_amount_without_minor_unit() -> None:
    label = make_white_label("tokyo", currency="jpy")
    org = label.owner
    assert org
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=20))
    make_rate(label, "100.5")
    limit(org, "hard", "500")
    use(label, 5, organization=org.external_id)  # ¥502.5
    evaluate(org)

    [reason] = explain(org).reasons

    assert [action.amount for action in reason.actions[:2]] == [503, 3]


def test_payment_links_of_what_is_overdue(org: Organization) -> None:
    unpaid(org)
    invoice(org, "in_3", "7", attempt_count=0, next_attempt_at=NOW)  # is tried today

    [reason] = explain(org).reasons
    [action] = reason.actions

    assert action.label == "Send payment link for 2 invoices, $6,405.61"
    assert parse_qs(urlsplit(action.url).query) == {"invoice": ["in_1", "in_2"]}
    assert reason.message == (
        "2 invoices are unpaid and no longer tried ($6,405.61 owed)."
    )


def test_a_discrepancy_is_resolved_where_stripe_says_otherwise(
    org: Organization,
) -> None:
    unpaid(org)
    Discrepancy.objects.create(
        organization=org,
        kind="amount",
        stripe_id="in_1",
        stripe_read_at=NOW,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )

    [reason] = explain(org).reasons

    assert [action.kind.value for action in reason.actions] == [
        "payment_link",
        "resolve_discrepancies",
    ]


def test_the_pause_reason_is_shown(org: Organization) -> None:
    paused(org)

    assert "The subscription is paused: Asked by phone." in line(org)


def test_a_cost_below_the_limit_is_evaluated_soon(org: Organization) -> None:
    over_hard(org)
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=20))
    give(org, "100")  # before the next evaluation

    [reason] = explain(org).reasons

    assert [action.kind.value for action in reason.actions] == ["evaluation"]


def test_a_limit_below_the_cost_warns_until_it_is_evaluated(org: Organization) -> None:
    over_hard(org)
    change_limit(org.pk, kind="hard", amount=Decimal(600))

    explained = explain(org)

    assert explained.is_allowed
    assert [row.code for row in explained.warnings] == ["hard_limit"]


def test_a_trial_that_ends_soon_is_a_warning(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=3))

    assert [row.code for row in explain(org).warnings] == ["trial_ending"]


# --- roles and cost -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "arrange", "is_enabled"),
    [
        ("viewer", over_hard, False),
        ("support", over_hard, False),
        ("finance", over_hard, True),
        ("viewer", inactive, False),
        ("support", inactive, True),
        ("finance", inactive, False),
    ],
)
def test_an_action_is_for_the_roles_that_may_do_it(
    org: Organization,
    role: str,
    arrange: Callable[[Organization], None],
    is_enabled: bool,
) -> None:
    arrange(org)

    html = line(org, role)

    assert ("<a " in html.split("access__actions")[1]) is is_enabled
    assert (" disabled " in html) is not is_enabled


def test_the_number_of_statements_is_bounded(
    org: Organization, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    organization = _read(org)
    with django_assert_max_num_queries(1):
        explain_access(organization, now=NOW)
    two_reasons(org)
    with django_assert_max_num_queries(8):
        explain_access(organization, now=NOW)


def test_deleting_is_no_reason_to_hide_the_line(org: Organization) -> None:
    delete(org)

    assert 'data-lift="restore"' in line(org)
