"""Varied usage for tests of corrections, and its expected sums in plain Python."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from functools import partial
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection

from billing.ledger.commands.periods import close_period
from metrics.catalog import DAILY_METRICS
from metrics.commands.roll_up import roll_up_usage
from metrics.models import (
    CarriedUsage,
    DailyMetric,
    DailyUsage,
    LatePricing,
    Rate,
    UsageEvent,
)
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_white_label,
    record,
)

DAYS = ("--from", "2026-10-01", "--to", "2026-11-23")
APPLY = ("--apply", "--note", "why not", "--by", "ann")
Sums = dict[tuple[Any, ...], tuple[Decimal, ...]]
_METERS = ("requests", "cpu_seconds", "gpu_seconds", "storage_bytes_added")


def run(command: str, *arguments: str) -> tuple[int, list[str]]:
    """Run a command as a shell does; return its exit code and lines of output."""
    out, code = StringIO(), 0
    try:
        call_command(command, *arguments, stdout=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, out.getvalue().splitlines()


def make_varied(seed: int, *, zone: str = "Australia/Lord_Howe") -> WhiteLabel:
    """Create usage of three organizations and a decoy while prices and periods change.

    It has special rates, starts within days, unpriced meters, quantities of 0, events
    with and without projects, late events, and two periods on one day.
    """
    rng = random.Random(seed)
    decoy = make_white_label("decoy", time_zone=zone)
    make_organization(decoy, "org-0")
    make_rate(decoy, "1000")
    label = make_white_label("acme", time_zone=zone)
    for number in range(3):
        make_organization(label, f"org-{number}")
    record(decoy, [event("e-0", organization="org-0")])
    for step in range(8):
        _change_price(label, rng)
        if step == 4:
            one = Organization.objects.get(white_label=label, external_id="org-1")
            close_period(one.id, ends_at=NOW - timedelta(hours=1))
        record(label, [make_event(rng, f"{step}-{n}") for n in range(40)])
    return label


def make_event(rng: random.Random, id_: str) -> dict[str, Any]:
    at = NOW - timedelta(seconds=rng.randrange(45 * 86_400))
    meters = rng.sample(_METERS, rng.randint(1, len(_METERS)))
    project = {"project": f"p-{rng.randrange(2)}"} if rng.random() < 0.5 else {}
    return event(
        id_,
        organization=f"org-{rng.randrange(3)}",
        timestamp=at.isoformat(),
        product=rng.choice(["gpt", "claude"]),
        quantities={m: rng.choice([0, 1, 7, 2**40 + 1]) for m in meters},
        **project,
    )


def make_writers(label: WhiteLabel, count: int) -> list[Callable[[], None]]:
    """Return jobs that record 12 batches of 10 events each."""

    def write(number: int) -> None:
        rng = random.Random(number)
        for n in range(12):
            events = [make_event(rng, f"w{number}-{n}-{i}") for i in range(10)]
            assert record(label, events).rejected == []

    return [partial(write, number) for number in range(count)]


def _change_price(label: WhiteLabel, rng: random.Random) -> None:
    own = Organization.objects.filter(white_label=label, external_id="org-1").first()
    start = NOW - timedelta(seconds=rng.randrange(40 * 86_400))
    make_rate(
        label,
        f"{rng.randrange(1, 10**9)}.{rng.randrange(10**12):012}",
        benchmark=str(rng.randrange(100)),
        meter=rng.choice(_METERS[:3]),
        product=rng.choice(["gpt", "claude"]),
        effective_from=rng.choice([None, start]),
        organization=rng.choice([None, own]),
    )


# --- expected sums, computed in Python --------------------------------------------


def truth(
    label: WhiteLabel, *, versions: dict[tuple[int, int], int] | None = None
) -> Sums:
    """Compute daily usage event by event; `versions` are those of re-rated periods.

    Usage without a rate counts in the next period for as long as it is carried.
    """
    carried = set(
        CarriedUsage.objects.values_list(
            "organization_id", "period", "product", "meter"
        )
    )
    late = defaultdict(set)
    for pricing in LatePricing.objects.all():
        key = (
            pricing.organization_id,
            pricing.period,
            pricing.product,
            pricing.meter,
        )
        late[key].add(pricing.price_version)
    ids = set(
        Organization.objects.filter(white_label=label).values_list("id", flat=True)
    )
    rates = list(Rate.objects.filter(white_label=label))
    sums: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    for e in UsageEvent.objects.filter(organization_id__in=ids):
        day = e.at.astimezone(label.zone).date()
        for meter, quantity in e.quantities.items():
            version, period = e.price_version, e.period
            while True:
                rerated = (versions or {}).get((e.organization_id, period), 0)
                version = max(version, rerated)
                rate = _rate_of(rates, e, meter, version)
                key = e.organization_id, period, e.product, meter
                for version_ in [] if rate or not quantity else sorted(late[key]):
                    rate = rate or _rate_of(rates, e, meter, max(version, version_))
                if rate or not quantity or key not in carried:
                    break
                period += 1
            prices = (rate.unit_price, rate.benchmark_unit_price) if rate else (0, 0)
            row = e.organization_id, day, e.product, meter, e.project_id, period
            is_unpriced = not rate and not meter.startswith("storage_bytes")
            added = (1, *prices, int(is_unpriced))
            _add(sums[row], quantity, added)
    return {key: tuple(values) for key, values in sums.items()}


def _add(sums: list[Decimal], quantity: int, factors: Sequence[Decimal | int]) -> None:
    """Add without rounding; Python's default precision is 28 digits."""
    with localcontext(prec=80):
        for place, factor in enumerate(factors):
            sums[place] += quantity * factor


def _rate_of(rates: list[Rate], e: UsageEvent, meter: str, version: int) -> Rate | None:
    """Return the rate in force at the event; special rates have priority."""
    first = datetime.min.replace(tzinfo=NOW.tzinfo)
    result = [
        rate
        for rate in rates
        if rate.product == e.product
        and rate.meter == meter
        and rate.added_in <= version
        and (rate.removed_in is None or rate.removed_in > version)
        and rate.organization_id in (None, e.organization_id)
        and (rate.effective_from or first) <= e.at
    ]
    return max(
        result,
        key=lambda r: (r.organization_id is not None, r.effective_from or first),
        default=None,
    )


def recorded(label: WhiteLabel) -> Sums:
    ids = Organization.objects.filter(white_label=label).values_list("id", flat=True)
    roll_up_usage()
    return {
        row[:6]: row[6:]
        for row in DailyUsage.objects.filter(organization_id__in=list(ids)).values_list(
            "organization_id", "day", "product", "meter", "project_id", "period",
            "quantity", "cost", "benchmark_cost", "unpriced_quantity",
        )
    }  # fmt: skip


def metrics_of(sums: Sums) -> dict[tuple[int, date, str], Decimal]:
    """Return the daily metrics that follow from sums, without those of 0."""
    result: dict[tuple[int, date, str], Decimal] = defaultdict(Decimal)
    for (id_, day, _, meter, *_), (quantity, *_) in sums.items():
        if meter in DAILY_METRICS and quantity:
            result[id_, day, meter] += quantity
    return dict(result)


def recorded_metrics(label: WhiteLabel) -> dict[tuple[int, date, str], Decimal]:
    ids = Organization.objects.filter(white_label=label).values_list("id", flat=True)
    return {
        (row.organization_id, row.day, meter): getattr(row, column)
        for row in DailyMetric.objects.filter(organization_id__in=list(ids))
        for meter, column in DAILY_METRICS.items()
        if getattr(row, column)
    }


def everything() -> dict[str, list[Any]]:
    """Return every row of the app's tables; its position reveals a rewrite."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relname like 'metrics\\_%'"
            " and relkind in ('r', 'p') and not relispartition order by 1"
        )
        tables = [name for (name,) in cursor.fetchall()]
        result = {}
        for name in tables:
            cursor.execute(
                f"select ctid::text, xmin::text, t::text from {name} t order by 3, 1"
            )
            result[name] = cursor.fetchall()
    return result
