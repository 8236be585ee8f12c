"""What crosses a threshold, in which period, and what is not known yet."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from billing.alerts.commands.evaluation import evaluate_after
from billing.alerts.kinds import ALERT_KINDS
from billing.alerts.queries.candidates import list_due
from billing.alerts.queries.measuring import find_changes, measure
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
    give,
    kinds,
    ledger,
    limit,
    look,
    subscribe,
    use,
    use_days,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
NOON = NOW - timedelta(days=1)  # of the last complete day


@pytest.fixture(autouse=True)
def prices(acme: WhiteLabel) -> None:
    """A request costs 2. The decoy, in another white label, is over everything."""
    make_rate(acme, "2")
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    make_rate(decoy.white_label, "1000")
    limit(decoy, "soft", "1")
    limit(decoy, "hard", "1")
    record(decoy.white_label, [event("decoy")])


def test_nothing_is_crossed_without_limits(acme: WhiteLabel, org: Organization) -> None:
    use(acme, 1_000_000)

    assert look(org) == []
    assert ledger(org) == []


def test_a_limit_is_crossed_when_it_is_reached(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "22")
    use(acme, 10)
    assert look(org) == []

    use(acme, 1, "e-2")
    look(org)

    assert ledger(org) == [("soft_limit", "", "no_recipient", "1")]
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

    look(org)

    assert kinds(org) == ["hard_limit", "soft_limit"]


def test_a_limit_of_0_or_none_is_no_limit(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "0")
    limit(org, "hard", None)
    use(acme, 5)

    look(org)

    assert kinds(org) == []


def test_folded_usage_counts_once(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "21")
    use(acme, 10)
    roll_up_usage()

    assert look(org) == []
    assert kinds(org) == []


def test_a_raised_limit_is_told_of_again_and_only_once(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    look(org)
    limit(org, "soft", "20")
    look(org)
    assert len(ledger(org)) == 1

    use(acme, 5, "e-2")
    look(org)
    use(acme, 5, "e-3")
    look(org)

    rows = Alert.objects.filter(organization=org).order_by("limit_version")
    assert [(row.limit_version, row.threshold) for row in rows] == [
        (1, Decimal(10)),
        (2, Decimal(20)),
    ]


def test_a_limit_that_came_back_is_another(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    look(org)
    limit(org, "soft", "99")
    limit(org, "soft", "10")

    look(org)

    assert kinds(org) == ["soft_limit", "soft_limit"]


def test_free_balance_pays_before_limits_in_the_trial(
    acme: WhiteLabel, org: Organization
) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=20))
    give(org, "7")
    limit(org, "soft", "4")
    use(acme, 5)  # 10, of which 7 are paid

    look(org)
    assert kinds(org) == ["balance_used"]

    look(org, now=NOW + timedelta(days=20))  # the trial is over: nothing pays
    assert kinds(org) == ["balance_used", "soft_limit"]


def test_a_period_that_closes_begins_anew(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    look(org)
    close_period(org.pk, ends_at=NOW - timedelta(minutes=30))
    look(org)
    assert [row[3] for row in ledger(org)] == ["1", "2"]  # and the reset

    use(acme, 5, "e-2")
    look(org)

    assert ledger(org) == [
        ("soft_limit", "", "no_recipient", "1"),
        ("soft_limit", "", "no_recipient", "2"),
        ("usage_reset", "billing_period", "no_recipient", "2"),
    ]


def test_what_the_last_usage_crossed_is_told_though_its_period_closed(
    acme: WhiteLabel, org: Organization
) -> None:
    """Nobody looked between the usage and the invoice."""
    Organization.objects.filter(pk=org.pk).update(billing_email="pay@example.com")
    limit(org, "soft", "10")
    use(acme, 5)
    close_period(org.pk, ends_at=NOW)
    look(org)

    assert ledger(org) == [
        ("soft_limit", "", "pending", "1"),
        ("usage_reset", "billing_period", "pending", "2"),
    ]
    assert AlertEmail.objects.count() == 2


def test_a_period_that_is_closed_late_is_no_news(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    close_period(org.pk, ends_at=NOW - timedelta(days=3))

    assert kinds(org) == []


def test_an_old_period_is_no_news(acme: WhiteLabel, org: Organization) -> None:
    limit(org, "soft", "10")
    close_period(org.pk, ends_at=NOW - timedelta(days=3))

    assert look(org, now=NOW) == []
    assert kinds(org) == []


def test_a_deleted_organization_is_not_looked_at(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    use(acme, 5)
    delete(org)

    look(org)

    assert kinds(org) == []


# --- entitlements -------------------------------------------------------------------


def entitle(organization: Organization, **limits: int | None) -> None:
    Entitlements.objects.update_or_create(organization=organization, defaults=limits)


def test_of_usage_only_the_highest_is_told(acme: WhiteLabel, org: Organization) -> None:
    entitle(org, compute_seconds_per_year=1000, gpu_seconds_per_year=1000)
    Organization.objects.filter(pk=org.pk).update(billing_email="pay@example.com")
    use(acme, 1, quantities={"cpu_seconds": 600, "gpu_seconds": 320})

    assert len(look(org)) == 1

    assert ledger(org) == [
        ("usage_50", "compute_seconds", "suppressed", "2026-01-05"),
        ("usage_80", "compute_seconds", "suppressed", "2026-01-05"),
        ("usage_90", "compute_seconds", "pending", "2026-01-05"),
    ]


def test_storage_projects_and_users_are_entitlements_too(
    acme: WhiteLabel, org: Organization
) -> None:
    entitle(org, storage_bytes=1000, projects=2, users=2)
    use(acme, 1, project="web", quantities={"storage_bytes_added": 500})
    gone = NOW - timedelta(hours=1)
    Member.objects.create(organization=org, external_id="m", added_at=gone)
    Member.objects.create(
        organization=org, external_id="n", added_at=gone, deleted_at=gone
    )
    assert Project.objects.filter(organization=org).count() == 1

    look(org)

    assert [(kind, subject) for kind, subject, *_ in ledger(org)] == [
        ("usage_50", "projects"),
        ("usage_50", "storage_bytes"),
        ("usage_50", "users"),
    ]


def test_each_entitlement_has_a_version_of_its_own(
    acme: WhiteLabel, org: Organization
) -> None:
    entitle(org, compute_seconds_per_year=100, gpu_seconds_per_year=100)
    use(acme, 1, quantities={"gpu_seconds": 60})
    look(org)
    entitle(org, gpu_seconds_per_year=110)  # as full as before, in another way

    look(org)

    assert [(kind, subject) for kind, subject, *_ in ledger(org)] == [
        ("usage_50", "compute_seconds"),
        ("usage_50", "gpu_seconds"),
        ("usage_50", "gpu_seconds"),
    ]


def test_an_entitlement_of_0_is_crossed_by_any_use(
    acme: WhiteLabel, org: Organization
) -> None:
    entitle(org, gpu_seconds_per_year=0, compute_seconds_per_year=None)
    look(org)
    assert kinds(org) == []

    use(acme, 1, quantities={"gpu_seconds": 1})
    look(org)

    assert kinds(org) == ["usage_100", "usage_50", "usage_80", "usage_90"]


def test_a_contract_year_ends_on_its_anniversary(acme: WhiteLabel) -> None:
    """One that began on 29 February: in 2025 and 2026 on the 28th."""
    leap = make_organization(acme, "leap", contract_started_on="2024-02-29")
    entitle(leap, gpu_seconds_per_year=100)
    for id_, at in (("a", "2026-02-27T12:00:00Z"), ("b", "2026-02-28T00:00:00Z")):
        use(acme, 1, id_, organization="leap", timestamp=at,
            quantities={"gpu_seconds": 60})  # fmt: skip

    look(leap, now=datetime(2026, 2, 27, 23, 59, tzinfo=UTC))
    look(leap, now=datetime(2026, 2, 28, 0, 0, tzinfo=UTC))

    assert {row[:2] + row[3:] for row in ledger(leap)} == {
        ("usage_50", "gpu_seconds", "2025-02-28"),
        ("usage_80", "gpu_seconds", "2025-02-28"),
        ("usage_90", "gpu_seconds", "2025-02-28"),
        ("usage_100", "gpu_seconds", "2025-02-28"),
        ("usage_50", "gpu_seconds", "2026-02-28"),
        ("usage_reset", "contract_year", "2026-02-28"),
    }


# --- what only time brings ----------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=7, seconds=1), []),
        (timedelta(days=7), ["trial_7"]),
        (timedelta(days=1), ["trial_1", "trial_7"]),
        (timedelta(seconds=1), ["trial_1", "trial_7"]),
        (timedelta(0), []),
    ],
)
def test_a_trial_ends_in_7_days_and_in_1(
    org: Organization, left: timedelta, told: list[str]
) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + left)

    look(org)

    assert kinds(org) == told


def test_a_trial_that_is_longer_now_is_told_of_again(org: Organization) -> None:
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=5))
    look(org)
    org.subscriptions.update(trial_ends_at=NOW + timedelta(days=30))

    look(org)
    look(org, now=NOW + timedelta(days=25))

    assert kinds(org) == ["trial_7", "trial_7"]


@pytest.mark.parametrize("status", ["past_due", "unpaid"])
def test_a_payment_that_failed_is_told_of_once_a_period(
    org: Organization, status: str
) -> None:
    subscribe(org, status)
    look(org)
    look(org, now=NOW + timedelta(days=1))

    assert ledger(org) == [("payment_failed", f"sub_{org.pk}", "no_recipient", "1")]


# --- complete days ------------------------------------------------------------------

STEADY = [5] * 21


def test_a_day_three_times_the_median_is_a_spike(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY[:-1], 15], last=NOON)

    look(org, daily=True)

    assert ledger(org) == [("spike", "", "no_recipient", "2026-11-20")]
    facts = Alert.objects.get().facts
    assert (facts["value"], facts["base"], facts["per_cent"]) == ("30", "10", "300")


def test_a_day_that_still_arrives_is_not_judged(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY[:-1], 15], last=NOON)

    look(org, daily=True, now=datetime(2026, 11, 21, 2, 59, tzinfo=UTC))
    assert kinds(org) == []

    look(org, daily=True, now=datetime(2026, 11, 21, 3, 0, tzinfo=UTC))
    assert kinds(org) == ["spike"]


def test_without_enough_days_a_spike_is_inconclusive(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [5] * 6 + [500], last=NOON)

    look(org, daily=True)

    assert kinds(org) == []
    [spike] = [one for one in measure(org.pk, now=NOW) if one.measure == "spike"]
    assert (spike.is_conclusive, spike.more["days_with_usage"]) == (False, 6)


def test_a_missing_day_is_inconclusive_for_a_spike_and_a_silence(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY, 0], last=NOON)

    look(org, daily=True)

    assert ledger(org) == [("stale_data", "", "no_recipient", "2026-11-19")]
    [spike] = [one for one in measure(org.pk, now=NOW) if one.measure == "spike"]
    assert not spike.is_conclusive


def test_usage_that_arrives_again_ends_the_silence(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [*STEADY, 0], last=NOON)
    use(acme, 1, "today")

    look(org, daily=True)

    assert kinds(org) == []


def test_silence_of_one_that_rests_at_weekends_says_nothing(
    acme: WhiteLabel, org: Organization
) -> None:
    use_days(acme, [5] * 12 + [0] + [5] * 8 + [0], last=NOON)

    look(org, daily=True)

    assert kinds(org) == []


def test_a_long_silence_is_no_news(acme: WhiteLabel, org: Organization) -> None:
    use_days(acme, [*STEADY, *[0] * 8], last=NOON)

    look(org, daily=True)

    assert kinds(org) == []


def test_pace_says_when_the_soft_limit_falls(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "270")
    use_days(acme, STEADY, last=NOON)  # 210, and 10 a day

    look(org, daily=True)

    assert ledger(org) == [("pace", "", "no_recipient", "1")]
    facts = Alert.objects.get().facts
    assert (facts["projected_on"], facts["pace_per_day"]) == ("2026-11-27", "10")

    limit(org, "soft", "280")
    look(org, daily=True)
    look(org, daily=True)
    assert kinds(org) == ["pace", "pace"]


def test_pace_ends_with_the_period(acme: WhiteLabel, org: Organization) -> None:
    subscribe(org, period_starts_at=NOW - timedelta(days=30),
              period_ends_at=NOW + timedelta(days=5))  # fmt: skip
    limit(org, "soft", "261")
    use_days(acme, STEADY, last=NOON)

    look(org, daily=True)
    assert kinds(org) == []

    limit(org, "soft", "260")
    look(org, daily=True)
    assert kinds(org) == ["pace"]


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

    [soft] = [one for one in measure(own.pk, now=now) if one.measure == "soft"]

    assert soft.more["today"] == today


def test_a_contract_year_begins_at_midnight_of_the_white_label() -> None:
    """On the day on which clocks change."""
    label = make_white_label("zoned", time_zone="Europe/Zurich")
    own = make_organization(label, "own", contract_started_on="2025-03-29")
    entitle(own, gpu_seconds_per_year=100)

    look(own, now=datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC))
    assert kinds(own) == []

    look(own, now=datetime(2026, 3, 28, 23, 0, tzinfo=UTC))
    assert ledger(own) == [
        ("usage_reset", "contract_year", "no_recipient", "2026-03-29")
    ]


# --- the statement and the declaration ----------------------------------------------


def test_the_statement_decides_as_the_declarations_do(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "10")
    limit(org, "hard", "11")
    entitle(org, projects=1, gpu_seconds_per_year=100, compute_seconds_per_year=126)
    subscribe(org, "trialing", trial_ends_at=NOW + timedelta(days=6, hours=23))
    use(acme, 5, project="web", quantities={"requests": 5, "gpu_seconds": 100})

    found = {
        (one.kind.slug, one.measured.subject)
        for one in find_changes([org.pk], now=NOW).crossings
    }

    assert found == {
        (kind.slug, one.subject)
        for one in measure(org.pk, now=NOW)
        for kind in ALERT_KINDS.values()
        if kind.measure == one.measure and one.is_reached(kind)
    }
    assert ("usage_80", "compute_seconds") not in found  # 100 of 126
    assert ("usage_50", "compute_seconds") in found


def test_many_are_found_by_as_many_statements_as_one(
    acme: WhiteLabel, org: Organization, django_assert_num_queries: object
) -> None:
    many = [make_organization(acme, f"o-{number}") for number in range(7)]
    for one in many:
        limit(one, "soft", "4")
        record(acme, [event("e", organization=one.external_id)])

    with django_assert_num_queries(1):  # type: ignore[operator]
        found = find_changes([one.pk for one in [org, *many]], now=NOW).crossings

    assert [one.measured.organization_id for one in found] == [one.pk for one in many]


def test_the_next_by_id_are_looked_at_until_there_are_none(
    acme: WhiteLabel, org: Organization
) -> None:
    limit(org, "soft", "4")
    use(acme, 5)
    after: int | None = 0
    rounds = 0
    while after is not None:
        _, after = evaluate_after(after, limit=2, now=NOW)
        rounds += 1

    assert rounds == 3  # two white labels: their owners, org-7 of both
    assert kinds(org) == ["soft_limit"]


def test_time_alone_brings_up_those_with_a_trial_or_unpaid(
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
    look(org)
    with time_machine.travel(NOW - timedelta(days=40), tick=False):
        look(org, now=NOW - timedelta(days=40))

    assert kinds(org) == ["soft_limit"]
