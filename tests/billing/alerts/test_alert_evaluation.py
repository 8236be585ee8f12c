"""Which thresholds are reached, in which period, and what is inconclusive."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from billing.alerts.commands.evaluation import evaluate_next
from billing.alerts.kinds import AlertPercents, kinds_at
from billing.alerts.queries.candidates import list_due
from billing.alerts.queries.measurements import find_changes, measure
from billing.ledger.commands.periods import close_period
from billing.models import Alert, AlertEmail
from metrics.commands.roll_up import roll_up_usage
from orgs.models import Entitlements, Member, Organization, Project, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_organization,
    make_rate,
    make_white_label,
    record,
)
from tests.support.alerts import (
    evaluate,
    give,
    limit,
    recorded_alerts,
    recorded_kinds,
    subscribe,
    use,
    use_days,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NOON = NOW - timedelta(days=1)  # of the last complete day


@pytest.fixture(autouse=True)
def prices(acme: WhiteLabel) -> None:
    """Set the price of a request to 2; the decoy exceeds every limit."""
    make_rate(acme, "2")
    for meter in ("cpu_seconds", "gpu_seconds"):
        make_rate(acme, "0", meter=meter)
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    make_rate(decoy.white_label, "1000")
    limit(decoy, "soft", "1")
    limit(decoy, "hard", "1")
    record(decoy.white_label, [event("decoy")])


def test_nothing_is_reached_without_limits(acme: WhiteLabel, org: Organization) -> None:
    use(acme, 1_000_000)

    assert evaluate(org) == []
    assert recorded_alerts(org) == []


def test_a_limit_is_reached_at_equality(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "22")
    use(acme, 10)
    assert evaluate(org) == []

    use(acme, 1, "e-2")
    evaluate(org)

    assert recorded_alerts(org) == [("soft_limit", "", "no_recipient", "1")]
    facts = Alert.objects.get().facts
    assert {name: facts[name] for name in ("value", "base", "per_cent", "unit")} == {
        "value": "22", "base": "22", "per_cent": "100", "unit": "money",
    }  # fmt: skip
    assert facts["days"][-1] == {"day": "2026-11-21", "cost": "22"}
    assert (len(facts["days"]), facts["currency"]) == (30, "usd")


def test_soft_and_hard_at_once_are_two_alerts(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "5")
    limit(org, "hard", "10")
    use(acme, 5)

    evaluate(org)

    assert recorded_kinds(org) == ["hard_limit", "soft_limit"]


def test_a_limit_of_0_or_none_is_no_limit(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "0")
    limit(org, "hard", None)
    use(acme, 5)

    evaluate(org)

    assert recorded_kinds(org) == []


def test_rolled_up_usage_counts_once(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "21")
    use(acme, 10)
    roll_up_usage()

    assert evaluate(org) == []
    assert recorded_kinds(org) == []


def test_a_changed_limit_re_arms_its_alert_once(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    evaluate(org)
    limit(org, "soft", "20")
    evaluate(org)
    assert len(recorded_alerts(org)) == 1

    use(acme, 5, "e-2")
    evaluate(org)
    use(acme, 5, "e-3")
    evaluate(org)

    rows = Alert.objects.filter(organization=org).order_by("limit_version")
    assert [(row.limit_version, row.threshold) for row in rows] == [
        (1, Decimal(10)),
        (2, Decimal(20)),
    ]


def test_a_restored_limit_is_a_new_version(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    evaluate(org)
    limit(org, "soft", "99")
    limit(org, "soft", "10")

    evaluate(org)

    assert recorded_kinds(org) == ["soft_limit", "soft_limit"]


def test_free_balance_pays_before_limits_in_the_trial(
    acme: WhiteLabel, org: Organization
) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=20))
    give(org, "7")
    limit(org, "soft", "4")
    use(acme, 5)  # 10, of which 7 are paid

    evaluate(org)
    assert recorded_kinds(org) == ["balance_80", "balance_used"]

    evaluate(org, now=NOW + timedelta(days=20))  # the trial is over: nothing pays
    assert recorded_kinds(org) == ["balance_80", "balance_used", "soft_limit"]


def test_a_new_period_re_arms_the_alert(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    evaluate(org)
    close_period(org.pk, ends_at=NOW - timedelta(minutes=30))
    evaluate(org)
    assert [row[3] for row in recorded_alerts(org)] == ["1", "2"]  # and the reset

    use(acme, 5, "e-2")
    evaluate(org)

    assert recorded_alerts(org) == [
        ("soft_limit", "", "no_recipient", "1"),
        ("soft_limit", "", "no_recipient", "2"),
        ("usage_reset", "billing_period", "no_recipient", "2"),
    ]


def test_the_last_usage_of_a_closing_period_triggers_alerts(
    acme: WhiteLabel, org: Organization
) -> None:
    """The invoice arrives before any evaluation of the usage."""
    Organization.objects.filter(pk=org.pk).update(billing_email="pay@example.com")
    limit(org, "soft", "10")
    use(acme, 5)
    close_period(org.pk, ends_at=NOW)
    evaluate(org)

    assert recorded_alerts(org) == [
        ("soft_limit", "", "pending", "1"),
        ("usage_reset", "billing_period", "pending", "2"),
    ]
    assert AlertEmail.objects.count() == 2


def test_a_period_that_is_closed_late_triggers_nothing(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    close_period(org.pk, ends_at=NOW - timedelta(days=3))

    assert recorded_kinds(org) == []


def test_the_reset_of_an_old_period_triggers_nothing(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    close_period(org.pk, ends_at=NOW - timedelta(days=3))

    assert evaluate(org, now=NOW) == []
    assert recorded_kinds(org) == []


def test_a_deleted_organization_is_not_evaluated(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    delete(org)

    evaluate(org)

    assert recorded_kinds(org) == []


# --- entitlements -------------------------------------------------------------------


def entitle(organization: Organization, **limits: int | None) -> None:
    Entitlements.objects.update_or_create(organization=organization, defaults=limits)


def test_only_the_highest_usage_threshold_is_sent(
    acme: WhiteLabel, org: Organization
) -> None:
    entitle(org, compute_seconds_per_year=1000, gpu_seconds_per_year=1000)
    Organization.objects.filter(pk=org.pk).update(billing_email="pay@example.com")
    use(acme, 1, quantities={"cpu_seconds": 600, "gpu_seconds": 320})

    assert len(evaluate(org)) == 1

    assert recorded_alerts(org) == [
        ("usage_50", "compute_seconds", "suppressed", "2026-01-05"),
        ("usage_80", "compute_seconds", "suppressed", "2026-01-05"),
        ("usage_90", "compute_seconds", "pending", "2026-01-05"),
    ]


def test_storage_projects_and_users_are_entitlements_too(
    acme: WhiteLabel, org: Organization
) -> None:
    entitle(org, storage_bytes=1000, projects=2, users=2)
    use(acme, 1, project="web", quantities={"storage_bytes_added": 500})
    deleted = NOW - timedelta(hours=1)
    Member.objects.create(organization=org, external_id="m", added_at=deleted)
    Member.objects.create(
        organization=org, external_id="n", added_at=deleted, deleted_at=deleted
    )
    assert Project.objects.filter(organization=org).count() == 1

    evaluate(org)

    assert [(kind, subject) for kind, subject, *_ in recorded_alerts(org)] == [
        ("usage_50", "projects"),
        ("usage_50", "storage_bytes"),
        ("usage_50", "users"),
    ]


def test_each_entitlement_has_a_separate_version(
    acme: WhiteLabel, org: Organization
) -> None:
    entitle(org, compute_seconds_per_year=100, gpu_seconds_per_year=100)
    use(acme, 1, quantities={"gpu_seconds": 60})
    evaluate(org)
    entitle(org, gpu_seconds_per_year=110)  # as full as before, in another way

    evaluate(org)

    assert [(kind, subject) for kind, subject, *_ in recorded_alerts(org)] == [
        ("usage_50", "compute_seconds"),
        ("usage_50", "gpu_seconds"),
        ("usage_50", "gpu_seconds"),
    ]


def test_an_entitlement_of_0_is_reached_by_any_usage(
    acme: WhiteLabel, org: Organization
) -> None:
    entitle(org, gpu_seconds_per_year=0, compute_seconds_per_year=None)
    evaluate(org)
    assert recorded_kinds(org) == []

    use(acme, 1, quantities={"gpu_seconds": 1})
    evaluate(org)

    assert recorded_kinds(org) == ["usage_100", "usage_50", "usage_80", "usage_90"]


def test_a_contract_year_ends_on_its_anniversary(acme: WhiteLabel) -> None:
    """A contract that started on February 29 is renewed on the 28th in most years."""
    leap = make_organization(acme, "leap", contract_started_on="2024-02-29")
    entitle(leap, gpu_seconds_per_year=100)
    for id_, at in (("a", "2026-02-27T12:00:00Z"), ("b", "2026-02-28T00:00:00Z")):
        use(acme, 1, id_, organization="leap", timestamp=at,
            quantities={"gpu_seconds": 60})  # fmt: skip

    evaluate(leap, now=datetime(2026, 2, 27, 23, 59, tzinfo=UTC))
    evaluate(leap, now=datetime(2026, 2, 28, 0, 0, tzinfo=UTC))

    assert {row[:2] + row[3:] for row in recorded_alerts(leap)} == {
        ("usage_50", "gpu_seconds", "2025-02-28"),
        ("usage_80", "gpu_seconds", "2025-02-28"),
        ("usage_90", "gpu_seconds", "2025-02-28"),
        ("usage_100", "gpu_seconds", "2025-02-28"),
        ("usage_50", "gpu_seconds", "2026-02-28"),
        ("usage_reset", "contract_year", "2026-02-28"),
    }


# --- alerts that only time triggers -------------------------------------------------


@pytest.mark.parametrize(
    ("left", "kinds"),
    [
        (timedelta(days=7, seconds=1), []),
        (timedelta(days=7), ["trial_7"]),
        (timedelta(days=1), ["trial_1", "trial_7"]),
        (timedelta(seconds=1), ["trial_1", "trial_7"]),
        (timedelta(0), []),
    ],
)
def test_a_trial_ends_in_7_days_and_in_1(
    org: Organization, left: timedelta, kinds: list[str]
) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + left)

    evaluate(org)

    assert recorded_kinds(org) == kinds


def test_an_extended_trial_re_arms_its_alerts(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=5))
    evaluate(org)
    org.subscriptions.update(trial_ends_at=NOW + timedelta(days=30))

    evaluate(org)
    evaluate(org, now=NOW + timedelta(days=25))

    assert recorded_kinds(org) == ["trial_7", "trial_7"]


@pytest.mark.parametrize("status", ["past_due", "unpaid"])
def test_a_failed_payment_triggers_once_per_period(
    org: Organization, status: str
) -> None:
    subscribe(org, status)
    evaluate(org)
    evaluate(org, now=NOW + timedelta(days=1))

    assert recorded_alerts(org) == [
        ("payment_failed", f"sub_{org.pk}", "no_recipient", "1")
    ]


# --- complete days ------------------------------------------------------------------

STEADY = [5] * 21


def test_a_day_three_times_the_median_is_a_spike(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY[:-1], 15], last=NOON)

    evaluate(org, daily=True)

    assert recorded_alerts(org) == [("spike", "", "no_recipient", "2026-11-20")]
    facts = Alert.objects.get().facts
    assert (facts["value"], facts["base"], facts["per_cent"]) == ("30", "10", "300")
    assert facts["causes"] == ["$20.00 more gpt requests"]
    assert facts["causes_compared"] == "Nov 19, 2026"
    assert facts["causes_days"] == {
        "diff_from": "2026-11-20",
        "diff_through": "2026-11-20",
        "compare_from": "2026-11-19",
        "compare_through": "2026-11-19",
    }
    assert facts["days"][-2:] == [
        {"day": "2026-11-20", "cost": "30"},
        {"day": "2026-11-21", "cost": None},  # nothing was recorded yet
    ]


def test_an_incomplete_day_is_not_evaluated(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY[:-1], 15], last=NOON)

    evaluate(org, daily=True, now=datetime(2026, 11, 21, 2, 59, tzinfo=UTC))
    assert recorded_kinds(org) == []

    evaluate(org, daily=True, now=datetime(2026, 11, 21, 3, 0, tzinfo=UTC))
    assert recorded_kinds(org) == ["spike"]


def test_without_enough_days_a_spike_is_inconclusive(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [5] * 6 + [500], last=NOON)

    evaluate(org, daily=True)

    assert recorded_kinds(org) == []
    [spike] = [row for row in measure(org.pk, now=NOW) if row.measure == "spike"]
    assert (spike.is_conclusive, spike.context["days_with_usage"]) == (False, 6)


def test_a_missing_day_is_inconclusive_for_a_spike_and_a_silence(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY, 0], last=NOON)

    evaluate(org, daily=True)

    assert recorded_alerts(org) == [("stale_data", "", "no_recipient", "2026-11-19")]
    [spike] = [row for row in measure(org.pk, now=NOW) if row.measure == "spike"]
    assert not spike.is_conclusive


def test_usage_that_arrives_again_ends_the_silence(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY, 0], last=NOON)
    use(acme, 1, "today")

    evaluate(org, daily=True)

    assert recorded_kinds(org) == []


def test_irregular_usage_never_counts_as_a_silence(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [5] * 12 + [0] + [5] * 8 + [0], last=NOON)

    evaluate(org, daily=True)

    assert recorded_kinds(org) == []


def test_a_long_silence_triggers_nothing(acme: WhiteLabel, org: Organization) -> None:
    use_days(acme, [*STEADY, *[0] * 8], last=NOON)

    evaluate(org, daily=True)

    assert recorded_kinds(org) == []


def test_the_run_rate_projects_when_the_soft_limit_is_reached(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "270")
    use_days(acme, STEADY, last=NOON)  # 210, and 10 a day

    evaluate(org, daily=True)

    assert recorded_alerts(org) == [("pace", "", "no_recipient", "1")]
    facts = Alert.objects.get().facts
    assert (facts["projected_on"], facts["run_rate_per_day"]) == ("2026-11-26", "10")
    assert facts["causes"] == ["$210.00 from new gpt requests"]

    limit(org, "soft", "280")
    evaluate(org, daily=True)
    evaluate(org, daily=True)
    assert recorded_kinds(org) == ["pace", "pace"]


def test_the_run_rate_is_projected_to_the_end_of_the_period(
    acme: WhiteLabel, org: Organization
) -> None:
    subscribe(org, period_starts_at=NOW - timedelta(days=30),
              period_ends_at=NOW + timedelta(days=5))  # fmt: skip
    limit(org, "soft", "266")
    use_days(acme, STEADY, last=NOON)  # 210, 5 days of 10, and half of the 26th

    evaluate(org, daily=True)
    assert recorded_kinds(org) == []

    limit(org, "soft", "265")
    evaluate(org, daily=True)
    assert recorded_kinds(org) == ["pace"]


@pytest.mark.parametrize(
    ("zone", "instant", "today"),
    [
        ("Europe/Zurich", "2026-03-29T21:59:59Z", "2026-03-29"),  # a day of 23 hours
        ("Europe/Zurich", "2026-03-29T22:00:00Z", "2026-03-30"),
        ("Europe/Zurich", "2026-10-25T22:59:59Z", "2026-10-25"),  # of 25
        ("Europe/Zurich", "2026-10-25T23:00:00Z", "2026-10-26"),
        ("Australia/Lord_Howe", "2026-04-04T13:30:00Z", "2026-04-05"),
    ],
)
def test_days_are_those_of_the_white_label(zone: str, instant: str, today: str) -> None:
    label = make_white_label("zoned", time_zone=zone)
    own = make_organization(label, "own")
    limit(own, "soft", "1")
    now = datetime.fromisoformat(instant)

    [soft] = [row for row in measure(own.pk, now=now) if row.measure == "soft"]

    assert soft.context["today"] == today


def test_a_contract_year_begins_at_midnight_of_the_white_label() -> None:
    """The clocks change on this day."""
    label = make_white_label("zoned", time_zone="Europe/Zurich")
    own = make_organization(label, "own", contract_started_on="2025-03-29")
    entitle(own, gpu_seconds_per_year=100)

    evaluate(own, now=datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC))
    assert recorded_kinds(own) == []

    evaluate(own, now=datetime(2026, 3, 28, 23, 0, tzinfo=UTC))
    assert recorded_alerts(own) == [
        ("usage_reset", "contract_year", "no_recipient", "2026-03-29")
    ]


# --- the statement and the declaration ----------------------------------------------


def test_the_sql_decides_like_the_declarations(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    limit(org, "hard", "11")
    entitle(org, projects=1, gpu_seconds_per_year=100, compute_seconds_per_year=126)
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=6, hours=23))
    use(acme, 5, project="web", quantities={"requests": 5, "gpu_seconds": 100})

    thresholds = {
        (threshold.kind.slug, threshold.measurement.subject)
        for threshold in find_changes([org.pk], now=NOW).thresholds
    }

    assert thresholds == {
        (kind.slug, row.subject)
        for row in measure(org.pk, now=NOW)
        for kind in kinds_at(AlertPercents())
        if kind.measure == row.measure and row.is_reached(kind)
    }
    assert ("usage_80", "compute_seconds") not in thresholds  # 100 of 126
    assert ("usage_50", "compute_seconds") in thresholds


def test_many_organizations_cost_as_many_statements_as_one(
    acme: WhiteLabel, org: Organization, django_assert_num_queries: object
) -> None:
    many = [make_organization(acme, f"o-{number}") for number in range(7)]
    for organization in many:
        limit(organization, "soft", "4")
        record(acme, [event("e", organization=organization.external_id)])

    with django_assert_num_queries(1):  # type: ignore[operator]
        thresholds = find_changes(
            [organization.pk for organization in [org, *many]], now=NOW
        ).thresholds

    assert [threshold.measurement.organization_id for threshold in thresholds] == [
        organization.pk for organization in many
    ]


def test_batches_continue_by_id_until_all_are_evaluated(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "4")
    use(acme, 5)
    after: int | None = 0
    rounds = 0
    while after is not None:
        _, after = evaluate_next(after, limit=2, now=NOW)
        rounds += 1

    assert rounds == 3  # two white labels: their owners, org-7 of both
    assert recorded_kinds(org) == ["soft_limit"]


def test_ending_trials_and_unpaid_subscriptions_are_due(
    acme: WhiteLabel, org: Organization
) -> None:
    unpaid = make_organization(acme, "unpaid")
    subscribe(unpaid, "past_due")
    later = make_organization(acme, "later")
    subscribe(later, "trialing", trial_ends_at=NOW + timedelta(days=8))
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=6))

    assert set(list_due(NOW)) == {org.pk, unpaid.pk}


def test_a_clock_that_goes_back_repeats_nothing(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    evaluate(org)
    with time_machine.travel(NOW - timedelta(days=40), tick=False):
        evaluate(org, now=NOW - timedelta(days=40))

    assert recorded_kinds(org) == ["soft_limit"]
