"""Re-rating open periods: exact previews, idempotent corrections, audit trail."""

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection

from billing.ledger.commands.periods import close_period
from billing.models import BillingPeriod
from metrics.commands import recompute
from metrics.commands.rates import IncomingRate, load_rates
from metrics.commands.roll_up import repair_fleet_totals, roll_up_usage
from metrics.models import (
    Correction,
    DailyUsage,
    OpenPeriod,
    PeriodRerating,
    Rate,
    UsageEvent,
)
from metrics.queries.usage_version import usage_version
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_white_label,
    period_cost,
    record,
    usage_of,
)
from tests.support.corrections import (
    APPLY,
    DAYS,
    everything,
    make_varied,
    make_writers,
    recorded,
    run,
    truth,
)
from tests.support.parallel import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
ACME = ("--white-label", "acme", "--period", "open")
CHECK = ("--white-label", "acme", *DAYS)


def versions() -> dict[tuple[int, int], int]:
    """Return the current price book version of each re-rated period."""
    rows = PeriodRerating.objects.order_by("price_version")
    return {(row.organization_id, row.period): row.price_version for row in rows}


def expected(label: WhiteLabel) -> Any:
    """Compute daily usage from events: open periods at current prices only."""
    now = Rate.objects.filter(white_label=label, removed_in=None)
    today = max(rate.added_in for rate in now)
    periods = OpenPeriod.objects.filter(organization__white_label=label)
    return truth(
        label, versions={(p.organization_id, p.number): today for p in periods}
    )


def test_old_and_new_totals_are_exact(
    acme: WhiteLabel, org: Organization, tmp_path: Path
) -> None:
    """5 requests at 2 and 7 at 2; then 3, and 11 from 8 in the morning on."""
    other = make_organization(acme, "org-8")
    same = make_organization(acme, "org-9")
    make_rate(acme, "2", benchmark="1")
    make_rate(acme, "4", product="claude")
    record(
        acme,
        [
            event("a", timestamp="2026-11-21T07:59:59.999999Z"),
            event("b", timestamp="2026-11-21T08:00:00Z", quantities={"requests": 7}),
            event("c", organization="org-8"),
            event("d", organization="org-8", product="free"),
            event("e", organization="org-9", product="claude"),
        ],
    )
    make_rate(acme, "3.000000000001", benchmark="1")
    make_rate(acme, "11", benchmark="6",
              effective_from=datetime(2026, 11, 21, 8, tzinfo=UTC))  # fmt: skip
    make_rate(acme, "0.5", product="free")
    make_rate(acme, "100", organization=other)
    totals = [
        "old 24 new 92.000000000005 difference +68.000000000005",
        "old 10 new 502.5 difference +492.5",
    ]
    lines = [
        f"organization {org.id} org-7 period 1 {totals[0]} benchmark old 12 new 47",
        f"organization {other.id} org-8 period 1 {totals[1]} benchmark old 5 new 0",
    ]
    sums = "2 old 34 new 594.500000000005 difference +560.500000000005 usd"

    assert run("rerate", *ACME) == (0, [*lines, f"differing {sums}"])
    table = tmp_path / "table.csv"
    assert run("rerate", *ACME, "--csv", str(table)) == (0, [f"differing {sums}"])
    with table.open(newline="") as file:
        assert list(csv.DictReader(file))[1] == {
            "organization_id": str(other.id),
            "organization": "org-8",
            "period": "1",
            "old_cost": "10",
            "new_cost": "502.5",
            "difference": "+492.5",
            "old_benchmark_cost": "5",
            "new_benchmark_cost": "0",
        }
    assert run("rerate", *ACME, *APPLY) == (0, [*lines, f"applied {sums}"])

    assert period_cost(org.id, number=1).cost == Decimal("92.000000000005")
    assert period_cost(other.id, number=1).cost == Decimal("502.5")
    assert period_cost(same.id, number=1).cost == 20
    assert usage_of(other, "product", "cost", "unpriced_quantity") == [
        ("free", Decimal("2.5"), 0),
        ("gpt", 500, 0),
    ]


def test_csv_can_be_written_to_standard_output(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event("a")])
    make_rate(acme, "3")

    code, lines = run("rerate", *ACME, "--csv", "-")

    assert code == 0
    assert lines[1:] == [f"{org.id},org-7,1,0,15,+15,0,0"]


def test_external_ids_in_csv_are_no_formulas(acme: WhiteLabel) -> None:
    other = make_organization(acme, "=1+1")
    record(acme, [event("a", organization="=1+1")])
    make_rate(acme, "3")

    _, lines = run("rerate", *ACME, "--csv", "-")

    assert lines[1:] == [f"{other.id},'=1+1,1,0,15,+15,0,0"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_re_rated_periods_equal_a_recomputation_from_scratch(seed: int) -> None:
    label = make_varied(seed)
    roll_up_usage()
    before, decoy = recorded(label), recorded(WhiteLabel.objects.get(slug="decoy"))
    _, previewed = run("rerate", *ACME)

    code, applied = run("rerate", *ACME, *APPLY, "--batch", "2")

    assert code == 0
    assert applied[:-1] == previewed[:-1]
    after = recorded(label)
    assert after == expected(label) == truth(label, versions=versions())
    closed = org_1(label), 1
    assert {k: v for k, v in after.items() if (k[0], k[5]) == closed} == {
        k: v for k, v in before.items() if (k[0], k[5]) == closed
    }
    assert recorded(WhiteLabel.objects.get(slug="decoy")) == decoy
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    roll_up_usage()
    assert repair_fleet_totals([label.pk]) == 0


def org_1(label: WhiteLabel) -> int:
    return Organization.objects.get(white_label=label, external_id="org-1").id


def test_a_preview_and_a_second_apply_write_nothing() -> None:
    label = make_varied(1)
    roll_up_usage()
    before = everything()
    run("rerate", *ACME)
    assert everything() == before

    run("rerate", *ACME, *APPLY)
    before = everything()
    nothing = (0, ["applied 0 old 0 new 0 difference +0 usd"])
    assert run("rerate", *ACME, *APPLY) == nothing
    assert everything() == before
    assert run("rerate", *ACME)[1] == [nothing[1][0].replace("applied", "differing")]
    assert label.slug == "acme"


def test_usage_recorded_after_a_re_rate_has_its_own_price(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event("a")])
    make_rate(acme, "3")
    run("rerate", *ACME, *APPLY)
    make_rate(acme, "7")
    record(acme, [event("b")])

    assert usage_of(org, "cost") == [(15 + 35,)]
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    _, lines = run("rerate", *ACME)
    assert lines[-1] == "differing 1 old 50 new 70 difference +20 usd"
    run("rerate", *ACME, *APPLY)
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    acts = PeriodRerating.objects.order_by("price_version")
    assert list(acts.values_list("price_version", "old_cost", "new_cost")) == [
        (2, Decimal(10), Decimal(15)),
        (3, Decimal(50), Decimal(70)),
    ]
    assert [e.price_version for e in UsageEvent.objects.order_by("event_id")] == [1, 3]


def test_a_closed_period_is_not_re_rated(acme: WhiteLabel, org: Organization) -> None:
    make_rate(acme, "2")
    record(acme, [event("a"), event("b", timestamp="2026-11-20T05:00:00Z")])
    close_period(org.id, ends_at=NOW)
    record(acme, [event("c"), event("d", timestamp="2026-09-20T05:00:00Z",
                                    quantities={"requests": 0})])  # fmt: skip
    make_rate(acme, "9")

    _, lines = run("rerate", *ACME, *APPLY)

    assert lines[-1] == "applied 1 old 10 new 45 difference +35 usd"
    assert usage_of(org, "day", "period", "cost") == [
        (date(2026, 9, 20), 2, 0),
        (date(2026, 11, 20), 1, 10),
        (date(2026, 11, 21), 1, 10),
        (date(2026, 11, 21), 2, 45),
    ]
    assert BillingPeriod.objects.get(organization=org, number=1).cost == 20
    assert period_cost(org.id, number=1).cost == 20
    # the re-rate is of period 2: closed, it is still explained, and not reached again
    close_period(org.id, ends_at=datetime(2026, 11, 22, tzinfo=UTC))
    make_rate(acme, "1")
    assert run("rerate", *ACME)[1][0].startswith("differing 0")
    year = ("--white-label", "acme", "--from", "2026-09-01", "--to", "2026-11-23")
    assert run("rebuild_days", *year) == (0, ["differences 0"])


def test_a_rebuild_after_a_re_rate_uses_its_prices(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event("a")])
    make_rate(acme, "3")
    run("rerate", *ACME, *APPLY)
    make_rate(acme, "100")
    roll_up_usage()
    DailyUsage.objects.update(cost=10)

    assert run("rebuild_days", *CHECK, *APPLY)[0] == 0
    assert usage_of(org, "cost") == [(15,)]


def test_author_and_reason_are_stored_and_versions_rise(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    record(acme, [event("a"), event("b", timestamp="2026-11-20T05:00:00Z")])
    make_rate(acme, "3")
    version = usage_version(org.id)

    run("rerate", *ACME, *APPLY)

    assert usage_version(org.id) == version + 2
    correction = Correction.objects.get()
    assert (correction.kind, correction.by, correction.note, correction.cost) == (
        "rerate",
        "ann",
        "why not",
        Decimal(10),
    )
    assert (correction.organizations, correction.rows, correction.finished_at) == (
        1,
        2,
        NOW,
    )
    row = PeriodRerating.objects.get()
    assert (row.organization_id, row.period, row.price_version) == (org.id, 1, 2)
    assert (row.correction_id, row.old_cost, row.new_cost) == (
        correction.id,
        Decimal(20),
        Decimal(30),
    )


def test_a_single_organization_can_be_re_rated(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, "org-8")
    record(acme, [event("a"), event("b", organization="org-8")])
    make_rate(acme, "3")

    run("rerate", *ACME, "--organization", "org-8", *APPLY)

    assert (usage_of(org, "cost"), usage_of(other, "cost")) == ([(0,)], [(15,)])


@pytest.mark.process
@pytest.mark.usefixtures("committed")
def test_a_killed_re_rate_continues_when_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label = make_varied(1)
    make_rate(label, "5", meter="storage_bytes_added")
    calls = []
    correct = recompute.apply_differences

    def killed(*args: Any) -> None:
        calls.append(1)
        correct(*args)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(recompute, "apply_differences", killed)
    with pytest.raises(KeyboardInterrupt):
        run("rerate", *ACME, *APPLY, "--batch", "1")
    monkeypatch.undo()
    assert PeriodRerating.objects.count() == 1
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    assert recorded(label) != expected(label)

    assert run("rerate", *ACME, *APPLY, "--batch", "1")[0] == 0

    assert PeriodRerating.objects.count() == 3
    assert recorded(label) == expected(label)
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    roll_up_usage()
    assert repair_fleet_totals([label.pk]) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_recording_and_price_changes_continue_during_a_re_rate() -> None:
    label = make_varied(2)

    def rerater() -> None:
        for _ in range(4):
            run("rerate", *ACME, *APPLY, "--batch", "1")

    def rebuilder() -> None:
        for _ in range(3):
            run("rebuild_days", *CHECK, *APPLY, "--batch", "2")

    def pricer() -> None:
        for price in range(1, 15):
            one = IncomingRate("gpt", "requests", Decimal(price), Decimal(0))
            load_rates(label, [one])

    jobs = [*make_writers(label, 4), rerater, rerater, rebuilder, pricer]
    together(jobs)
    roll_up_usage()

    assert UsageEvent.objects.exclude(product="storage").count() == 1 + 320 + 480
    assert recorded(label) == truth(label, versions=versions())
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    run("rerate", *ACME, *APPLY)
    assert recorded(label) == expected(label)
    roll_up_usage()
    assert repair_fleet_totals([label.pk]) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_periods_closed_during_a_re_rate_keep_their_invoiced_cost() -> None:
    label = make_varied(3)
    organization = org_1(label)

    def rerater() -> None:
        for price in range(1, 6):
            make_rate(label, str(price), meter="storage_bytes_added")
            run("rerate", *ACME, *APPLY, "--batch", "2")

    def closer() -> None:
        for hour in range(5):
            close_period(organization, ends_at=NOW.replace(hour=13 + hour))

    together([*make_writers(label, 3), rerater, closer])

    assert recorded(label) == truth(label, versions=versions())
    closed = BillingPeriod.objects.filter(organization=organization, cost__gte=0)
    assert closed.count() == 6
    for period in closed:
        assert period.cost == period_cost(organization, number=period.number).cost


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("what", ["price", "period", "usage"])
def test_changes_between_comparing_and_writing_are_respected(
    monkeypatch: pytest.MonkeyPatch, acme: WhiteLabel, org: Organization, what: str
) -> None:
    make_rate(acme, "2")
    record(acme, [event("a")])
    make_rate(acme, "3")
    stop, happen = recompute.block_recording, {
        "price": lambda: make_rate(acme, "5"),
        "period": lambda: close_period(org.id, ends_at=NOW),
        "usage": lambda: record(acme, [event("b")]),
    }  # fmt: skip
    tries: list[int] = []

    def late(*args: Any) -> None:
        if not tries:
            together([happen[what]])
        tries.append(1)
        stop(*args)

    monkeypatch.setattr(recompute, "block_recording", late)
    _, lines = run("rerate", *ACME, *APPLY)

    old_new, costs, tried = {
        "price": ("1 old 10 new 25", [(25,)], 2),
        "period": ("0 old 0 new 0", [(10,)], 1),
        "usage": ("1 old 25 new 30", [(30,)], 1),
    }[what]
    assert lines[-1].startswith(f"applied {old_new} ")
    assert usage_of(org, "cost") == costs
    assert len(tries) == tried
    assert recorded(acme) == truth(acme, versions=versions())


def test_constantly_changing_prices_are_a_one_line_error(
    monkeypatch: pytest.MonkeyPatch, acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event("a")])
    make_rate(acme, "3")
    prices = iter(range(4, 100))
    stop = recompute.block_recording

    def late(*args: Any) -> None:
        make_rate(acme, str(next(prices)))
        stop(*args)

    monkeypatch.setattr(recompute, "block_recording", late)
    before = everything()["metrics_dailyusage"]

    with pytest.raises(CommandError, match="prices_moving"):
        run("rerate", *ACME, *APPLY)
    assert everything()["metrics_dailyusage"] == before


def test_a_period_with_dropped_events_stays_unchanged(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, "org-8")
    make_rate(acme, "2")
    record(acme, [event("a", timestamp="2026-09-20T05:00:00Z"), event("b"),
                  event("c", organization="org-8")])  # fmt: skip
    make_rate(acme, "3")
    with connection.cursor() as cursor:
        cursor.execute("drop table metrics_usageevent_2026_09")

    for arguments in ((), APPLY):
        code, lines = run("rerate", *ACME, *arguments)
        assert code == 1
        assert " 1 old 10 new 15 " in lines[-1]
    assert usage_of(org, "cost") == [(10,), (10,)]
    assert usage_of(other, "cost") == [(15,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--white-label", "acme", "--period", "1"), "--period open"),
        (("--white-label", "acme", "--period", "closed"), "--period open"),
        (("--period", "open"), "--organization"),
        ((*ACME, "--apply", "--note", " "), "--note"),
        ((*ACME, "--csv", "/nowhere/x"), "/nowhere/x: No such file"),
    ],
)
def test_invalid_options_are_a_one_line_error(
    org: Organization, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run("rerate", *arguments)


def test_organizations_without_usage_do_not_differ() -> None:
    make_organization(make_white_label())

    assert run("rerate", *ACME) == (0, ["differing 0 old 0 new 0 difference +0 usd"])


def test_under_a_key_it_is_done_once_at_its_first_prices(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "1")
    record(acme, [event("a")])
    make_rate(acme, "2")
    named = ("rerate", *ACME, *APPLY, "--key", "november")

    assert run(*named)[1][-1] == "applied 1 old 5 new 10 difference +5 usd"
    make_rate(acme, "3")
    code, lines = run(*named)

    assert (code, len(lines)) == (0, 1)
    assert lines[0].endswith("by ann: 1 difference +5 usd")
    assert usage_of(org, "cost") == [(10,)]
    with pytest.raises(CommandError, match="idempotency_key_reused"):
        run(
            "void_usage",
            "--organization",
            "org-7",
            "--white-label",
            "acme",
            "--from",
            "2026-11-21",
            "--to",
            "2026-11-22",
            *APPLY,
            "--key",
            "november",
        )


def test_a_new_organization_leaves_the_key_of_all_in_use() -> None:
    label = make_white_label("acme")
    assert label.organizations.count() == 1
    make_rate(label, "1")
    record(label, [event("a", organization="acme")])
    make_rate(label, "2")
    named = ("rerate", *ACME, *APPLY, "--key", "november")
    run(*named)

    make_organization(label, "org-8")

    assert run(*named)[1][0].startswith("already applied")
    with pytest.raises(CommandError, match="idempotency_key_reused"):
        run(*named, "--organization", "acme")
