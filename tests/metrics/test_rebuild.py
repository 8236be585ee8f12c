"""Rebuilding: comparing daily usage with its events and correcting differences."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.db.models import F

from metrics.commands import recompute
from metrics.commands.roll_up import repair_fleet_totals, roll_up_usage
from metrics.models import (
    Correction,
    DailyMetric,
    DailyUsage,
    FleetTotal,
    OrganizationRanking,
    UsageEvent,
)
from metrics.queries.usage_version import usage_version
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, make_organization, make_rate, record, usage_of
from tests.support.corrections import (
    APPLY,
    DAYS,
    everything,
    make_varied,
    make_writers,
    metrics_of,
    recorded,
    recorded_metrics,
    run,
    truth,
)
from tests.support.parallel import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
ACME = ("--white-label", "acme", *DAYS)
TODAY = date(2026, 11, 21)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "America/Santiago", "UTC"])
def test_recorded_usage_equals_its_events(seed: int, zone: str) -> None:
    label = make_varied(seed, zone=zone)
    roll_up_usage()
    before = everything()

    assert recorded(label) == truth(label)
    assert run("rebuild_days", *ACME) == (0, ["differences 0"])
    assert run("rebuild_days", *ACME, *APPLY) == (0, ["corrected 0"])

    assert everything()["metrics_dailyusage"] == before["metrics_dailyusage"]
    assert not Correction.objects.exclude(by="Orgdesk").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_any_damage_is_listed_and_corrected(seed: int) -> None:
    label = make_varied(seed)
    decoy = recorded(WhiteLabel.objects.get(slug="decoy"))
    damage(label)
    assert recorded(label) != truth(label)
    assert recorded_metrics(label) != metrics_of(truth(label))

    code, lines = run("rebuild_days", *ACME)
    assert (code, lines[-1]) == (1, f"differences {len(lines) - 1}")
    code, applied = run("rebuild_days", *ACME, *APPLY, "--batch", "2")

    assert (code, applied[-1]) == (0, f"corrected {len(lines) - 1}")
    assert sorted(applied[:-1]) == sorted(lines[:-1])
    assert run("rebuild_days", *ACME) == (0, ["differences 0"])
    assert recorded(label) == truth(label)
    assert recorded_metrics(label) == metrics_of(truth(label))
    assert recorded(WhiteLabel.objects.get(slug="decoy")) == decoy
    before = everything()
    assert run("rebuild_days", *ACME, *APPLY) == (0, ["corrected 0"])
    assert everything() == before


def damage(label: WhiteLabel) -> None:
    """Make sums too large, too small, missing, and invented."""
    ids = Organization.objects.filter(white_label=label).values_list("id", flat=True)
    roll_up_usage()
    usage = DailyUsage.objects.filter(organization_id__in=list(ids))
    keys = [row.pk for row in usage.order_by("pk")]
    usage.filter(pk__in=keys[::7]).update(cost=F("cost") + Decimal("0.000000000001"))
    usage.filter(pk__in=keys[1::7]).update(quantity=F("quantity") + 3)
    usage.filter(pk__in=keys[2::7]).update(unpriced_quantity=0, benchmark_cost=0)
    usage.filter(pk__in=keys[3::7]).delete()
    for id_ in ids:
        DailyUsage.objects.create(
            organization_id=id_, day=TODAY, product="ghost", meter="requests",
            project_id=0, period=1, quantity=9, cost=9, benchmark_cost=0,
        )  # fmt: skip
    metrics = DailyMetric.objects.filter(organization_id__in=list(ids))
    days = [row.pk for row in metrics.order_by("pk")]
    metrics.filter(pk__in=days[::3]).update(cpu_seconds=F("cpu_seconds") + 5)
    metrics.filter(pk__in=days[1::3]).delete()
    # What the damage did to daily usage it did to the totals and rankings, too.
    repair_fleet_totals([label.pk])
    roll_up_usage()


def test_a_difference_shows_recorded_and_recomputed_amounts(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5", benchmark="2")
    record(acme, [event("a", quantities={"requests": 10, "cpu_seconds": 7})])
    roll_up_usage()
    DailyUsage.objects.filter(meter="requests").update(quantity=12, cost=6)
    DailyUsage.objects.filter(meter="cpu_seconds").delete()
    DailyMetric.objects.update(cpu_seconds=9)

    today = ("--from", "2026-11-21", "--to", "2026-11-22")
    code, lines = run("rebuild_days", "--organization", "org-7",
                      "--white-label", "acme", *today)  # fmt: skip

    day = f"organization {org.id} 2026-11-21"
    requests = "recorded 12 for 6 (benchmark 20, unpriced 0)"
    requests += " recomputed 10 for 5 (benchmark 20, unpriced 0)"
    seconds = "recorded nothing recomputed 7 for 0 (benchmark 0, unpriced 7)"
    assert code == 1
    assert lines == [
        f"{day} gpt cpu_seconds project 0 period 1: {seconds}",
        f"{day} gpt requests project 0 period 1: {requests}",
        f"{day} daily cpu_seconds: recorded 9 recomputed 7",
        "differences 3",
    ]


def test_totals_rankings_versions_and_the_correction_follow(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5")
    record(acme, [event("a"), event("b", timestamp="2026-11-20T11:00:00Z")])
    roll_up_usage()
    DailyUsage.objects.filter(day=TODAY).update(quantity=9, cost=Decimal("4.5"))
    repair_fleet_totals([acme.pk])
    roll_up_usage()
    version = usage_version(org.id)

    run("rebuild_days", *ACME, *APPLY)

    assert usage_version(org.id) == version + 1
    assert repair_fleet_totals([acme.pk]) == 0
    assert run("check_totals", "--white-label", "acme") == (0, ["differences 0"])
    assert [t.cost for t in FleetTotal.objects.order_by("pk")] == [Decimal("2.5")] * 2
    ranking = OrganizationRanking.objects.get(organization=org)
    assert ranking.cost_30_days == Decimal(3)  # 5 less the 2 that daily usage had more
    correction = Correction.objects.get()
    assert (correction.kind, correction.by, correction.note) == (
        "rebuild",
        "ann",
        "why not",
    )
    assert (correction.organizations, correction.rows, correction.cost) == (
        1,
        1,
        Decimal(-2),
    )
    assert correction.started_at == correction.finished_at == NOW


def test_other_days_and_organizations_stay_unchanged(
    acme: WhiteLabel, org: Organization
) -> None:
    make_organization(acme, "org-8")
    days = ["2026-11-19", "2026-11-20", "2026-11-21"]
    for name in ("org-7", "org-8"):
        record(acme, [event(d, organization=name, timestamp=f"{d}T00:00:00Z")
                      for d in days])  # fmt: skip
    roll_up_usage()
    DailyUsage.objects.update(quantity=9)

    run("rebuild_days", "--organization", str(org.id), "--from", "2026-11-20",
        "--to", "2026-11-21", *APPLY)  # fmt: skip

    assert usage_of(org, "quantity") == [(9,), (5,), (9,)]
    other = Organization.objects.get(external_id="org-8")
    assert usage_of(other, "quantity") == [(9,), (9,), (9,)]


@pytest.mark.process
@pytest.mark.usefixtures("committed")
def test_a_killed_rebuild_continues_when_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label = make_varied(1)
    damage(label)
    calls = []
    correct = recompute.apply_differences

    def killed(*args: Any) -> None:
        calls.append(1)
        correct(*args)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(recompute, "apply_differences", killed)
    with pytest.raises(KeyboardInterrupt):
        run("rebuild_days", *ACME, *APPLY, "--batch", "1")
    monkeypatch.undo()
    assert recorded(label) != truth(label)
    assert repair_fleet_totals([label.pk]) == 0
    assert Correction.objects.exclude(by="Orgdesk").get().finished_at is None

    code, lines = run("rebuild_days", *ACME, *APPLY, "--batch", "1")

    assert code == 0
    assert recorded(label) == truth(label)
    assert recorded_metrics(label) == metrics_of(truth(label))
    roll_up_usage()
    assert repair_fleet_totals([label.pk]) == 0
    corrections = Correction.objects.exclude(by="Orgdesk")
    rows = sorted(corrections.values_list("rows", flat=True))
    assert len(rows) == 2
    assert f"corrected {corrections.get(finished_at=NOW).rows}" == lines[-1]


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_recording_continues_during_a_rebuild() -> None:
    label = make_varied(2)
    damage(label)

    def rebuilder() -> None:
        for _ in range(3):
            run("rebuild_days", *ACME, *APPLY, "--batch", "1")

    together([*make_writers(label, 4), rebuilder, rebuilder])
    roll_up_usage()

    assert UsageEvent.objects.exclude(product="storage").count() == 1 + 320 + 480
    assert recorded(label) == truth(label)
    assert recorded_metrics(label) == metrics_of(truth(label))
    assert run("rebuild_days", *ACME) == (0, ["differences 0"])
    assert repair_fleet_totals([label.pk]) == 0


@pytest.mark.usefixtures("committed")
def test_usage_recorded_between_comparing_and_writing_counts(
    monkeypatch: pytest.MonkeyPatch, acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event("a")])
    ghost = event("b", product="ghost", quantities={"requests": 0})
    for product in ("ghost", "spook"):
        roll_up_usage()
        DailyUsage.objects.create(
            organization_id=org.id, day=TODAY, product=product, meter="requests",
            project_id=0, period=1, quantity=9, cost=9, benchmark_cost=0,
        )  # fmt: skip
    roll_up_usage()
    DailyUsage.objects.filter(product="gpt").update(quantity=50)
    stop = recompute.block_recording

    def late(*args: Any) -> None:
        together([lambda: record(acme, [ghost, event("c")])])
        stop(*args)

    monkeypatch.setattr(recompute, "block_recording", late)
    run("rebuild_days", *ACME, *APPLY)

    assert usage_of(org, "product", "quantity") == [("ghost", 0), ("gpt", 10)]
    assert recorded(acme) == truth(acme)


def test_days_of_a_dropped_month_are_rejected_and_stay(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event("a", timestamp="2026-09-30T23:30:00Z"), event("b")])
    before = everything()["metrics_dailyusage"]
    with connection.cursor() as cursor:
        cursor.execute("drop table metrics_usageevent_2026_09")

    for days in (("2026-09-01", "2026-10-01"), ("2026-09-30", "2026-11-22")):
        with pytest.raises(CommandError, match=r"\(events_not_kept\)"):
            run("rebuild_days", "--white-label", "acme", "--from", days[0],
                "--to", days[1], *APPLY)  # fmt: skip
    assert everything()["metrics_dailyusage"] == before
    assert run("rebuild_days", *ACME) == (0, ["differences 0"])


def test_a_day_that_begins_in_a_dropped_month_is_rejected(org: Organization) -> None:
    WhiteLabel.objects.filter(slug="acme").update(time_zone="Asia/Kathmandu")
    with connection.cursor() as cursor:
        cursor.execute("drop table metrics_usageevent_2026_09")

    with pytest.raises(CommandError, match=r"\(events_not_kept\)"):
        run("rebuild_days", *ACME)
    later = (*ACME[:2], "--from", "2026-10-02", "--to", "2026-11-23")
    assert run("rebuild_days", *later) == (0, ["differences 0"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "2026-11-01", "--to", "2026-12-01"), "--organization"),
        ((*ACME, "--apply"), "--note"),
        ((*ACME, "--batch", "0"), "--batch"),
        (("--white-label", "acm", *DAYS), "'acm'"),
        (("--organization", "org-9", *DAYS), "'org-9'"),
        (("--organization", "org-7", *DAYS), "'org-7'"),
        ((*ACME[:2], "--from", "2026-11-1", "--to", "2026-11-02"), "2026-11-1"),
        (
            (*ACME[:2], "--from", "2026-11-02", "--to", "2026-11-01"),
            "(costs.invalid_date_range)",
        ),
        ((*ACME[:2], "--from", "2026-11-02", "--to", "2026-11-02"), "--to"),
        (
            (*ACME[:2], "--from", "2026-11-02", "--to", "2028-11-02"),
            "(events_not_kept)",
        ),
    ],
)
def test_invalid_options_are_a_one_line_error(
    org: Organization, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=re.escape(message)):
        run("rebuild_days", *arguments)


def test_an_ambiguous_organization_is_an_error(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, str(org.id))

    with pytest.raises(CommandError, match=str(org.id)):
        run("rebuild_days", "--organization", str(org.id), *DAYS)
    assert run("rebuild_days", "--organization", str(other.id), *DAYS)[0] == 0


def test_the_default_author_is_the_system_user(
    acme: WhiteLabel, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "deploy")
    record(acme, [event("a")])
    roll_up_usage()
    DailyUsage.objects.update(quantity=9)

    run("rebuild_days", *ACME, "--apply", "--note", "x")

    assert Correction.objects.get().by == "deploy"


def test_check_totals_writes_only_with_apply(
    acme: WhiteLabel, org: Organization
) -> None:
    record(acme, [event("a")])
    roll_up_usage()
    FleetTotal.objects.update(quantity=9)
    before = everything()

    assert run("check_totals", "--white-label", "acme") == (1, ["differences 1"])
    assert everything() == before
    assert run("check_totals", "--white-label", "acme", "--apply") == (
        0,
        ["repaired 1"],
    )
    assert run("check_totals", "--white-label", "acme") == (0, ["differences 0"])
    assert FleetTotal.objects.get().quantity == 5


def test_a_missing_open_period_is_opened(acme: WhiteLabel, org: Organization) -> None:
    record(acme, [event("a")])
    roll_up_usage()
    DailyUsage.objects.update(quantity=9)
    with connection.cursor() as cursor:
        cursor.execute("delete from metrics_openperiod")

    assert run("rebuild_days", *ACME, *APPLY)[0] == 0
    assert usage_of(org, "quantity") == [(5,)]


def test_checking_writes_nothing() -> None:
    damage(make_varied(3))
    before = everything()

    assert run("rebuild_days", *ACME)[0] == 1
    assert everything() == before
