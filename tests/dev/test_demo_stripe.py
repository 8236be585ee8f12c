"""The demo data in the fake Stripe matches the mirror, except for planned changes."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum
from pytest_django import Settings

from billing.ledger.queries.reconciliation import reconcile_period
from billing.models import (
    Charge,
    Discrepancy,
    Invoice,
    StripeEvent,
    Subscription,
    SyncRun,
)
from config.dev.demo import fleet, seed, stripe
from config.dev.demo.fleet import WhiteLabelPlan
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW
from tests.support.fake_stripe import FakeStripe
from tests.support.stripe_mirror import mirrored_state, run_sync, stripe_state

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    yield fake_stripe
    fake_stripe.control("script", latency=0)


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> WhiteLabel:
    """Seed the first white label of the demo with ten weeks of usage."""
    monkeypatch.setattr(fleet, "DAYS", 70)
    monkeypatch.setattr(seed, "DAYS", 70)
    one: tuple[WhiteLabelPlan, ...] = fleet.WHITE_LABELS[:1]
    for module in (fleet, seed, stripe):
        monkeypatch.setattr(module, "WHITE_LABELS", one)
    seed.seed(NOW)
    return WhiteLabel.objects.get(slug="acme-cloud")


def open_discrepancy() -> set[tuple[str, str, str]]:
    rows = Discrepancy.objects.filter(resolved_at=None)
    return set(rows.values_list("kind", "stripe_id", "stripe_value"))


def test_unchanged_objects_are_the_same_in_the_mirror(
    fake: FakeStripe, demo: WhiteLabel
) -> None:
    assert stripe.fill()

    mirrored, in_stripe = mirrored_state(), stripe_state(fake)
    changed = {"sub_demo_1", "sub_demo_2", "in_demo_4_2"}
    assert set(mirrored) == set(in_stripe)
    assert len(mirrored) > 60
    assert {
        id_ for id_, state in in_stripe.items() if mirrored[id_] != state
    } == changed


def test_the_demo_has_discrepancies_and_a_sync_resolves_them(
    fake: FakeStripe, demo: WhiteLabel
) -> None:
    stripe.fill()
    runs = SyncRun.objects.order_by("id").values_list("state", "repairs", "errors")

    assert list(runs) == [("done", True, 0), ("done", False, 0)]
    warnings = {
        ("unknown_price", "sub_demo_2", "price_demo_legacy_monthly_usd (Legacy plan)"),
        ("no_organization", "cus_demo_stray", "Walk-in"),
    }
    assert warnings < open_discrepancy()
    assert {kind for kind, *_ in open_discrepancy() - warnings} == {
        *("tier", "price", "seats", "status", "amount")
    }
    run = run_sync(demo)
    assert (run.written, run.total) == (4, run.done)
    assert open_discrepancy() == warnings
    plan = Subscription.objects.get(stripe_id="sub_demo_1", kind="platform")
    assert plan.tier == "scale"
    assert run_sync(demo).written == 0


def test_a_closed_period_adds_up_to_its_invoice(
    fake: FakeStripe, demo: WhiteLabel
) -> None:
    stripe.fill()
    watched = Organization.objects.select_related("white_label").get(
        external_id="ext-4711"
    )
    invoice = Invoice.objects.filter(organization=watched).latest("issued_at")
    assert invoice.period
    sums = reconcile_period(watched, invoice.period.number)

    assert sums.is_reconciled
    charged = Charge.objects.filter(period=invoice.period).aggregate(sum=Sum("amount"))
    assert charged["sum"] + Decimal(1999) == invoice.total  # the price of its tier
    assert invoice.price_totals == {"price_demo_scale_monthly_usd": "1999.00"}


def test_the_demo_is_filled_once_and_again_after_a_kill(
    fake: FakeStripe, demo: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(stripe, "_changes", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stripe.fill()
    charges = Charge.objects.count()

    assert stripe.fill()
    assert not stripe.fill()
    assert Charge.objects.count() == charges > 0
    assert SyncRun.objects.filter(repairs=False).count() == 1
    WhiteLabel.objects.update(created_at=NOW - timedelta(days=1))  # another database
    assert stripe.fill()


def test_only_the_fake_is_filled(
    fake: FakeStripe, demo: WhiteLabel, settings: Settings
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_live_somebody"
    assert not stripe.fill()
    settings.STRIPE_SECRET_KEY = "sk_test_fake_1"
    settings.STRIPE_API_BASE = "https://stripe.example"
    assert not stripe.fill()

    assert fake.objects("customer") == []
    assert not StripeEvent.objects.exists()
