"""Tests of voiding usage: previewed, voided once, removed from every sum."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.management import CommandError
from django.db import OperationalError, connection

from billing.errors import PeriodInvoiced
from billing.ledger.commands.periods import close_period
from billing.ledger.commands.voids import void_usage
from billing.ledger.queries.credits import get_balances
from billing.ledger.queries.voids import preview_void_with_bills
from billing.models import BillingPeriod, Charge, CreditEntry
from metrics.commands import recompute, voids
from metrics.commands.recompute import CorrectionSpec
from metrics.commands.roll_up import repair_fleet_totals, roll_up_usage
from metrics.commands.voids import void_correction
from metrics.errors import UsageDiffers
from metrics.models import (
    Correction,
    DailyMetric,
    DailyUsage,
    FleetTotal,
    UsageEvent,
    UsageVoid,
)
from metrics.queries.partitions import list_event_partitions
from metrics.queries.usage_version import usage_version
from metrics.queries.voids import UsageRange
from orgs.errors import InvalidDateRange
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
    recorded_metrics,
    run,
    truth,
)
from tests.support.parallel import together
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
CHECK = ("--white-label", "acme", *DAYS)
SPAN = ("--from", "2026-11-21T00:00:00Z", "--to", "2026-11-22T00:00:00Z")
ACME = ("--organization", "org-7", "--white-label", "acme")


def correction() -> CorrectionSpec:
    return void_correction(by="ann", note="a loop")


def usage_range(organization: Organization, **changes: Any) -> UsageRange:
    fields = {"start": NOW - timedelta(days=60), "end": NOW} | changes
    return UsageRange(organization=organization, **fields)


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Record 15 of gpt and 22 of claude today, 6 of gpt yesterday; also for a decoy."""
    decoy = WhiteLabel.objects.get(slug="decoy")
    for label in (decoy, acme):
        make_rate(label, "3", benchmark="4")
        make_rate(label, "2", product="claude", meter="cpu_seconds")
        record(
            label,
            [
                event("a"),
                event(
                    "b",
                    product="claude",
                    quantities={"cpu_seconds": 11, "gpu_seconds": 7},
                ),
                event(
                    "c",
                    timestamp="2026-11-20T11:00:00Z",
                    quantities={"requests": 2},
                    project="p-1",
                ),
            ],
        )
    return org


def test_a_preview_shows_the_change_and_writes_nothing(used: Organization) -> None:
    before = everything()

    assert run("void_usage", *ACME, *SPAN) == (
        0,
        [
            "period 1 open claude cpu_seconds: 11 for 22",
            "period 1 open claude gpu_seconds: 7 for 0",
            "period 1 open gpt requests: 5 for 15",
            "open 2 events 37 usd bill 43 then 6",
            "invoiced 0 events credit 0 usd",
        ],
    )
    assert everything() == before


def test_voided_usage_is_in_no_sum_and_the_event_stays(
    acme: WhiteLabel, used: Organization
) -> None:
    roll_up_usage()
    version = usage_version(used.id)
    decoy = recorded(WhiteLabel.objects.get(slug="decoy"))

    code, lines = run("void_usage", *ACME, *SPAN, "--product", "claude", *APPLY)

    assert (code, lines) == (
        0,
        ["voided 1 events 22 usd, refunded 0 events as credit 0 usd"],
    )
    assert usage_of(used, "day", "product", "quantity", "cost") == [
        (date(2026, 11, 20), "gpt", 2, 6),
        (date(2026, 11, 21), "gpt", 5, 15),
    ]
    day = DailyMetric.objects.get(organization_id=used.id, day=date(2026, 11, 21))
    assert {day.cpu_seconds, day.gpu_seconds} == {Decimal(0)}
    assert period_cost(used.id, number=1).cost == 21
    assert repair_fleet_totals([acme.pk]) == 0
    totals = FleetTotal.objects.filter(white_label_id=acme.pk, product="claude")
    assert {total.quantity for total in totals} == {0}
    assert used.ranking.cost_30_days == 21
    assert usage_version(used.id) > version
    assert UsageEvent.objects.filter(organization_id=used.id).count() == 3
    assert recorded(WhiteLabel.objects.get(slug="decoy")) == decoy
    made = Correction.objects.get()
    assert (made.kind, made.by, made.note, made.cost, made.finished_at) == (
        "void",
        "ann",
        "why not",
        Decimal(-22),
        NOW,
    )
    row = UsageVoid.objects.get()
    assert (row.organization_id, row.event_id, row.period, row.is_credited) == (
        used.id,
        "b",
        1,
        False,
    )
    assert row.correction_id == made.id


def test_a_voided_event_that_is_sent_again_stays_voided(
    acme: WhiteLabel, used: Organization
) -> None:
    run("void_usage", *ACME, "--at", "2026-11-21T11:00:00Z", "--event", "a", *APPLY)
    result = record(acme, [event("a")])
    other = record(acme, [event("a", quantities={"requests": 9})])

    assert (result.accepted, result.duplicates) == (0, 1)
    assert [one.code for one in other.rejected] == ["event_conflict"]
    assert period_cost(used.id, number=1).cost == 28
    again = run("void_usage", *ACME, *SPAN, "--product", "gpt", *APPLY)
    assert again[1] == ["voided 0 events 0 usd, refunded 0 events as credit 0 usd"]
    assert run("void_usage", *ACME, *SPAN, "--event", "a")[1][-1].endswith(" 1 events")


def test_voided_usage_stays_voided_after_a_rebuild_or_re_rate(
    acme: WhiteLabel, used: Organization
) -> None:
    void_usage(usage_range(used, event_id="a"), correction=correction())
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])

    make_rate(acme, "10")
    run("rerate", "--white-label", "acme", "--period", "open", *APPLY)
    assert period_cost(used.id, number=1).cost == 22 + 20
    void_usage(usage_range(used, event_id="c"), correction=correction())

    assert period_cost(used.id, number=1).cost == 22
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    roll_up_usage()
    DailyUsage.objects.filter(organization_id=used.id).update(quantity=99)
    run("rebuild_days", *CHECK, *APPLY)
    assert usage_of(used, "product", "meter", "quantity") == [
        ("claude", "cpu_seconds", 11),
        ("claude", "gpu_seconds", 7),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_remaining_usage_is_that_of_the_other_events(seed: int) -> None:
    label = make_varied(seed)
    org = Organization.objects.get(white_label=label, external_id="org-2")
    end = NOW - timedelta(days=9)

    void_usage(usage_range(org, product="gpt", end=end), correction=correction())

    voided = UsageEvent.objects.filter(
        organization_id=org.id, product="gpt", at__lt=end
    )
    assert {event.event_id for event in voided} == {
        void.event_id for void in UsageVoid.objects.all()
    }
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    left = recorded(label)
    voided.delete()
    assert left == truth(label)
    metrics = recorded_metrics(label)
    assert all(quantity > 0 for quantity in metrics.values())
    roll_up_usage()
    assert repair_fleet_totals([label.pk]) == 0


@pytest.fixture
@snapshot
def invoiced(acme: WhiteLabel, used: Organization) -> Organization:
    """Charge the first period: 43, of which free balance paid 10; then record 15."""
    period = close_period(used.id, ends_at=NOW - timedelta(minutes=1))
    BillingPeriod.objects.filter(pk=period.pk).update(free_balance_used=10)
    Charge.objects.create(
        period=period,
        product="gpt",
        cost=43,
        amount=33,
        currency="usd",
        invoice_stripe_id="in_1",
    )
    record(acme, [event("d")])
    return used


def test_invoiced_usage_is_refused_and_nothing_changes(invoiced: Organization) -> None:
    before = everything()

    with pytest.raises(PeriodInvoiced):
        void_usage(usage_range(invoiced), correction=correction())
    with pytest.raises(CommandError, match=r"billing\.period_invoiced"):
        run("void_usage", *ACME, *SPAN, *APPLY)

    assert everything() == before
    preview = preview_void_with_bills(usage_range(invoiced))
    assert preview.usage.closed_costs == {1: Decimal(43)}
    assert (preview.usage.open_events, preview.usage.closed_events) == (1, 3)
    assert preview.credit == 33


def test_a_credit_refunds_invoiced_usage_once(invoiced: Organization) -> None:
    code, lines = run("void_usage", *ACME, *SPAN, *APPLY, "--as-credit")

    assert (code, lines) == (
        0,
        ["voided 1 events 15 usd, refunded 2 events as credit 33 usd"],
    )
    assert period_cost(invoiced.id, number=1).cost == 43
    assert period_cost(invoiced.id, number=2).cost == 0
    (line,) = CreditEntry.objects.all()
    assert (line.amount, line.note, line.by) == (
        Decimal(33),
        "why not (usage of period 1)",
        "ann",
    )
    done = void_usage(usage_range(invoiced), correction=correction(), as_credit=True)
    assert (done.credited, done.credit) == (1, Decimal(0)), "no more than was invoiced"
    assert get_balances(invoiced).credit == 33
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])


def test_credits_of_a_period_add_up_to_what_was_invoiced(
    invoiced: Organization,
) -> None:
    ids = ["c", "a", "b"]
    amounts = [
        void_usage(
            usage_range(invoiced, event_id=id_), correction=correction(), as_credit=True
        ).credit
        for id_ in ids
    ]

    assert amounts == [6, 15, 12]


def test_usage_that_was_not_charged_is_not_credited(invoiced: Organization) -> None:
    Charge.objects.all().delete()

    done = void_usage(usage_range(invoiced), correction=correction(), as_credit=True)

    assert (done.voided, done.credited, done.credit) == (1, 3, Decimal(0))
    assert not CreditEntry.objects.exists()


def test_a_void_killed_between_batches_continues(
    acme: WhiteLabel, used: Organization
) -> None:
    record(acme, [event(f"n-{number}") for number in range(9)])
    batches = voids.void_usage(usage_range(used), correction=correction(), limit=5)
    assert next(batches).events == 5
    del batches
    assert UsageVoid.objects.count() == 5

    rest = list(voids.void_usage(usage_range(used), correction=correction(), limit=5))

    assert [batch.events for batch in rest] == [5, 2]
    assert usage_of(used, "quantity") == []
    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])


def test_a_void_killed_in_a_batch_has_written_nothing(
    used: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = recorded(used.white_label)
    correct = recompute.apply_differences

    def killed(*args: Any) -> None:
        correct(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(recompute, "apply_differences", killed)
    with pytest.raises(KeyboardInterrupt):
        void_usage(usage_range(used), correction=correction())

    assert recorded(used.white_label) == before
    assert not UsageVoid.objects.exists()


def test_damaged_sums_must_be_rebuilt_first(used: Organization) -> None:
    roll_up_usage()
    DailyUsage.objects.filter(product="gpt").update(quantity=1, cost=1)

    with pytest.raises(UsageDiffers):
        void_usage(usage_range(used), correction=correction())
    assert not UsageVoid.objects.exists()

    run("rebuild_days", *CHECK, *APPLY)
    assert void_usage(usage_range(used), correction=correction()).voided == 3


def test_dropped_months_are_refused(used: Organization) -> None:
    november = datetime(2025, 11, 1, tzinfo=UTC)
    with connection.cursor() as cursor:
        for month in list_event_partitions():
            if month.start < november:
                cursor.execute(f"drop table {month.name}")
    span = ("--from", "2025-10-20T00:00:00Z", "--to", "2026-11-22T00:00:00Z")

    with pytest.raises(CommandError, match="events_not_kept"):
        run("void_usage", *ACME, *span, *APPLY)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SPAN,), "--organization"),
        ((*ACME, *SPAN, "--apply"), "--note"),
        ((*ACME, "--from", "2026-11-21"), "--from and --to, or --at"),
        ((*ACME, *SPAN, "--at", "2026-11-21"), "--from and --to, or --at"),
        ((*ACME, "--at", "yesterday"), "yesterday"),
        ((*ACME, "--from", "2026-11-21", "--to", "2026-11-21"), "`to`"),
    ],
)
def test_invalid_void_options_are_a_one_line_error(
    org: Organization, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run("void_usage", *arguments)


def test_the_length_of_a_range_is_limited(org: Organization) -> None:
    with pytest.raises(InvalidDateRange) as refused:
        usage_range(org, start=datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert refused.value.fields == ("from", "to")


@pytest.mark.usefixtures("committed")
def test_concurrent_recordings_closings_and_voids_agree() -> None:
    label = make_varied(1)
    org = Organization.objects.get(white_label=label, external_id="org-2")
    spans = usage_range(org, end=NOW - timedelta(days=5))

    def voider() -> None:
        for _ in voids.void_usage(spans, correction=correction(), limit=7):
            pass

    def closer() -> None:
        close_period(org.id, ends_at=NOW)

    together([*make_writers(label, 3), voider, voider, closer])
    roll_up_usage()

    assert run("rebuild_days", *CHECK) == (0, ["differences 0"])
    period = BillingPeriod.objects.get(organization=org, number=1)
    assert period.cost == period_cost(org.id, number=1).cost
    assert repair_fleet_totals([label.pk]) == 0


@pytest.mark.usefixtures("committed")
def test_no_period_closes_while_its_usage_is_voided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label = make_white_label()
    org = make_organization(label)
    record(label, [event("a")])
    correct, waited = recompute.apply_differences, []

    def close() -> None:
        with connection.cursor() as cursor:
            cursor.execute("set lock_timeout = '100ms'")
        with pytest.raises(OperationalError):
            close_period(org.id, ends_at=NOW)
        waited.append(1)

    def slow(*args: Any) -> None:
        together([close])
        correct(*args)

    monkeypatch.setattr(recompute, "apply_differences", slow)

    assert void_usage(usage_range(org), correction=correction()).voided == 1
    assert waited


def test_a_grant_is_previewed_and_applied(used: Organization) -> None:
    command = ("grant_credit", *ACME, "--amount", "12.5")

    assert run(*command)[1][0] == "credit 0 then 12.5 usd, open bill 43 then 30.5"
    assert not CreditEntry.objects.exists()
    assert run(*command, *APPLY)[1][1] == "applied"
    assert get_balances(used).credit == Decimal("12.5")
    back = ("grant_credit", *ACME, "--amount=-20")
    with pytest.raises(CommandError, match=r"12\.5 is too low"):
        run(*back)
    with pytest.raises(CommandError, match="balance_too_low"):
        run(*back, *APPLY)
    with pytest.raises(CommandError, match="note"):
        run(*command, "--apply", "--by", "ann")
    with pytest.raises(CommandError, match="much"):
        run("grant_credit", *ACME, "--amount", "much")


def test_a_repeated_grant_asks_to_confirm(used: Organization) -> None:
    command = ("grant_credit", *ACME, "--amount")
    run(*command, "12.5", *APPLY)
    with pytest.raises(CommandError, match="--again"):
        run(*command, "12.50", *APPLY)
    assert get_balances(used).credit == Decimal("12.5")

    assert run(*command, "12.5", *APPLY, "--again")[0] == 0
    for _ in range(2):
        assert run(*command, "3", *APPLY, "--key", "monday")[0] == 0
    with pytest.raises(CommandError, match="idempotency_key_reused"):
        run(*command, "4", *APPLY, "--key", "monday")
    assert get_balances(used).credit == 28
    close_period(used.pk, ends_at=NOW)
    assert run(*command, "12.5", *APPLY)[0] == 0, "another period"


@pytest.mark.parametrize("options", [(), APPLY])
def test_an_amount_finer_than_the_currency_is_refused(
    used: Organization, options: tuple[str, ...]
) -> None:
    with pytest.raises(CommandError, match="invalid_amount"):
        run("grant_credit", *ACME, "--amount", "12.505", *options)
    assert not CreditEntry.objects.exists()


def test_a_repeated_void_asks_to_confirm(acme: WhiteLabel, used: Organization) -> None:
    command = ("void_usage", *ACME, *SPAN, *APPLY)
    done = ["voided 2 events 37 usd, refunded 0 events as credit 0 usd"]
    assert run(*command, "--key", "loop") == (0, done)
    assert run(*command, "--key", "loop") == (0, done), "found, and not done again"
    record(acme, [event("x")])
    assert run(*command, "--key", "loop") == (0, done)
    assert period_cost(used.id, number=1).cost == 6 + 15

    assert run(*command)[1][0].startswith("voided 1 events")
    record(acme, [event("y")])
    with pytest.raises(CommandError, match="--again"):
        run(*command)
    assert run(*command, "--again")[1][0].startswith("voided 1 events")
    with pytest.raises(CommandError, match="idempotency_key_reused"):
        run(*command, "--event", "y", "--key", "loop")


def test_killed_under_a_key_it_goes_on_and_reports_all(
    used: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = "billing.ledger.commands.voids.finish_correction"
    with monkeypatch.context() as patch:
        patch.setattr(finish, Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run("void_usage", *ACME, *SPAN, *APPLY, "--key", "loop")

    code, lines = run("void_usage", *ACME, *SPAN, *APPLY, "--key", "loop")

    assert (code, lines[0].split(",")[0]) == (0, "voided 2 events 37 usd")
    assert Correction.objects.get().finished_at == NOW
