"""The identity of cost differences, over random pairs of ranges and of periods."""

import random
import re
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import product as pairs_of

import pytest
from django.test import Client

from billing.ledger.queries.cost_differences import (
    CostDifference,
    explain_costs,
    explain_spans,
)
from billing.ledger.queries.cost_spans import CostSpan, SpanChoice
from billing.ledger.queries.difference_texts import (
    shown_difference,
    shown_terms,
    summarize,
)
from billing.models import BillingPeriod, Charge, Invoice, Price
from billing.money import exactly
from metrics.periods import DayRange
from orgs.days import ONE_DAY
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, make_rate, make_user, record, usage_of
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
SEED = 17
PRODUCTS = ("gpt", "claude", "a100", "unpriced")
METERS = ("requests", "prompt_tokens", "gpu_seconds")
DAYS = 60


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Return an organization with random usage, prices that change, and gaps."""
    rng = random.Random(SEED)
    for name, meter in pairs_of(PRODUCTS[:3], METERS):
        for back in (70, 40, 11):
            start = NOW - timedelta(days=back)
            price = f"0.{rng.randrange(1, 10**9):012}"
            make_rate(acme, price, product=name, meter=meter, effective_from=start)
    record(
        acme,
        [
            event(
                f"{back}-{name}",
                timestamp=(NOW - timedelta(days=back)).isoformat(),
                product=name,
                **({"project": f"p-{back % 3}"} if back % 4 else {}),
                quantities={meter: rng.randrange(10**6) for meter in METERS},
            )
            for back in range(DAYS)
            for name in PRODUCTS
            if rng.random() < 0.7
        ],
    )
    return org


def check(difference: CostDifference, total: Decimal, compared: Decimal) -> None:
    """Check that the terms add up, exactly and as shown, in every grouping."""
    with exactly():
        assert (difference.total, difference.compare_total) == (total, compared)
        expected = total - compared
        assert sum(term.amount for term in difference.terms) == expected
        assert sum(cause.amount for cause in difference.causes) == expected
        for rows in (difference.products, difference.meters):
            usage = difference.usage - difference.compare_usage
            assert sum(row.terms.total for row in rows) == usage
        assert sum(row.amount for row in difference.projects) == usage
        shown = shown_difference(difference)
        assert sum(shown_terms(difference).values()) == shown
    assert summarize(difference).endswith(".")


def test_random_pairs_of_ranges(used: Organization) -> None:
    costs: dict[date, Decimal] = defaultdict(Decimal)
    with exactly():
        for day, cost in usage_of(used, "day", "cost"):
            costs[day] += cost
    rng, today = random.Random(SEED), NOW.date()
    for _ in range(25):
        ranges = [
            DayRange(end - rng.randrange(1, 30) * ONE_DAY, end)
            for end in (today - rng.randrange(-1, DAYS) * ONE_DAY for _ in range(2))
        ]
        with exactly():
            totals = [
                sum((costs[d] for d in costs if r.start <= d < r.end), Decimal(0))
                for r in ranges
            ]
        check(explain_spans(used, *map(CostSpan, ranges)), totals[0], totals[1])


def test_random_pairs_of_billed_periods(used: Organization) -> None:
    """Periods with credits, free balance, plan, and seats, of which one is unknown."""
    rng = random.Random(SEED)
    periods, totals = close_periods(used, rng)
    for now, before in pairs_of(periods, periods):
        choice = SpanChoice(period=now.number, compare_period=before.number)
        difference = explain_costs(used, choice)
        check(difference, totals[now.number], totals[before.number])
        assert difference.is_divided == (periods[-1] not in (now, before))


def test_the_page_has_plan_and_seats_as_terms_where_lines_are_known(
    used: Organization, client: Client
) -> None:
    close_periods(used, random.Random(SEED))
    client.force_login(make_user("fin", "finance"))
    url = f"/organizations/{used.pk}/costs/?compare_period=1&period="
    for number, lines in ((2, {"plan", "seats"}), (3, {"plan_and_seats"})):
        content = client.get(f"{url}{number}").content.decode()
        terms = set(re.findall(r'data-term="(\w+)"', content))
        assert terms & {"plan", "seats", "plan_and_seats"} == lines
        assert ("data-undivided" in content) == (number == 3)


def close_periods(
    organization: Organization, rng: random.Random
) -> tuple[list[BillingPeriod], dict[int, Decimal]]:
    """Replace the open period by three closed ones; return them and their totals.

    Usage is of the first; the lines of the last one's invoice were not read.
    """
    for kind in ("platform", "spaces"):
        Price.objects.create(
            stripe_id=kind, stripe_product_id="p", kind=kind, currency="usd"
        )
    with exactly():
        cost = sum((cost for (cost,) in usage_of(organization, "cost")), Decimal(0))
    first = BillingPeriod.objects.get(organization=organization)
    periods, totals = [first], {}
    for number in (2, 3):
        at = first.starts_at + number * timedelta(days=30)
        periods.append(
            BillingPeriod(organization=organization, number=number, starts_at=at)
        )
    for period in periods:
        period.ends_at = period.starts_at + timedelta(days=30)
        period.closed_at = NOW
        period.cost = cost if period is first else Decimal(0)
        period.free_balance_used = min(period.cost, Decimal(rng.randrange(900)) / 8)
        period.save()
        totals[period.number] = bill(period, rng, is_read=period.number < 3)
    return periods, totals


def bill(period: BillingPeriod, rng: random.Random, *, is_read: bool) -> Decimal:
    """Create the charges and the invoice of a period; return what was billed."""
    owed = (period.cost or Decimal(0)) - period.free_balance_used
    usage, credit = round(owed, 2), -round(owed / 3, 2)
    for kind, amount in (("usage", usage), ("credit", credit)):
        if amount:
            Charge.objects.create(
                period=period,
                kind=kind,
                product="gpt" if kind == "usage" else "",
                cost=amount,
                amount=amount,
                currency="usd",
            )
    cents = [Decimal(rng.randrange(10**6)) / 100 for _ in range(3)]
    Invoice.objects.create(
        organization=period.organization,
        period=period,
        stripe_id=f"in_{period.number}",
        status="paid",
        currency="usd",
        total=sum(cents),
        amount_due=0,
        issued_at=NOW,
        price_totals={"platform": f"{cents[0]}", "spaces": f"{cents[1]}"}
        if is_read
        else None,
    )
    return usage + credit + sum(cents)
