"""Credit notes, refunds, disputes and partial payments: mirrored, shown and owed."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Discrepancy, Invoice, InvoiceAdjustment, StripeEvent
from billing.needs_action.queries.overview import needs_action
from billing.stripe import tasks
from billing.stripe.queries.adjustments import list_adjustments, sum_adjustments
from orgs.models import Organization, WhiteLabel
from tests.factories import make_user
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import customer_of, run_sync, subscribe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]


@pytest.fixture
@snapshot
def paid(fake_stripe: FakeStripe, org: Organization) -> str:
    """Id of a paid invoice over 100 dollars."""
    customer = customer_of(fake_stripe, org)
    subscribe(fake_stripe, customer, make_price(fake_stripe, 10_000).id)
    return str(fake_stripe.objects("invoice")[0]["id"])


@pytest.fixture
@snapshot
def unpaid(fake_stripe: FakeStripe, org: Organization) -> str:
    """Id of an open invoice over 100 dollars whose payment failed."""
    customer = customer_of(fake_stripe, org)
    client = fake_stripe.client().v1
    fake_stripe.pay("fail", customer)
    made = client.invoices.create({"customer": customer, "auto_advance": True})
    item: Any = {"customer": customer, "invoice": made.id, "amount": 10_000}
    client.invoice_items.create(item)
    client.invoices.finalize_invoice(made.id)
    fake_stripe.advance(hours=2)
    return str(made.id)


def deliver(fake: FakeStripe, *, seed: int = 7) -> None:
    """Post all of Stripe's events twice in any order, and let a worker handle them."""
    ids = [event["id"] for event in fake.events()] * 2
    random.Random(seed).shuffle(ids)
    for id_ in ids:
        body, signature = fake.sign(id_, at=int(timezone.now().timestamp()))
        client = Client(headers={"stripe-signature": signature})
        answer = client.post("/webhooks/stripe/", body, content_type="application/json")
        assert answer.status_code < 300
    for id_ in StripeEvent.objects.filter(state="pending").values_list("id", flat=True):
        tasks.handle_event(id_)


def sums(organization: Organization) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Return what was credited, refunded and disputed of each invoice."""
    invoices = list(Invoice.objects.filter(organization=organization))
    by_invoice = sum_adjustments(invoices, list_adjustments(organization.id))
    return {
        id_: (row.credited, row.refunded, row.disputed)
        for id_, row in by_invoice.items()
    }


def change_everything(fake: FakeStripe, paid: str) -> None:
    """Refund 10, credit 40 of which 30 are refunded, and dispute 25 of 100 dollars."""
    client = fake.client().v1
    charge = fake.objects("charge")[0]["id"]
    client.refunds.create({"charge": charge, "amount": 1_000})
    parts = {"refund_amount": 3_000, "credit_amount": 1_000}
    note: Any = {"invoice": paid, "amount": 4_000, "reason": "order_change", **parts}
    client.credit_notes.create(note)
    fake.control("dispute", charge=charge, amount=2_500)


def test_old_refunds_are_summed_even_if_they_are_not_shown(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, paid: str
) -> None:
    change_everything(fake_stripe, paid)
    run_sync(acme)
    InvoiceAdjustment.objects.update(happened_at=timezone.now() - timedelta(days=99))
    newer = [
        InvoiceAdjustment(
            organization=org,
            kind="credit_note",
            stripe_id=f"cn_{number}",
            invoice_stripe_id="in_other",
            status="issued",
            currency="usd",
            amount=1,
            happened_at=timezone.now(),
        )
        for number in range(60)
    ]
    InvoiceAdjustment.objects.bulk_create(newer)
    client = Client()
    client.force_login(make_user("ann", "finance"))

    page = client.get(f"/organizations/{org.pk}/billing/")

    assert len(page.context["adjustments"]) == 50
    [invoice] = page.context["invoices"]
    assert invoice["adjustments"].refunded == Decimal(40)
    assert invoice["adjustments"].disputed == Decimal(25)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_events_in_any_order_mirror_what_went_back(
    fake_stripe: FakeStripe, org: Organization, paid: str, seed: int
) -> None:
    change_everything(fake_stripe, paid)

    deliver(fake_stripe, seed=seed)

    assert sums(org) == {paid: (Decimal(40), Decimal(40), Decimal(25))}
    kinds = list_adjustments(org.id)
    assert sorted(row.kind for row in kinds) == [
        *("credit_note", "dispute", "refund", "refund")
    ]
    states = set(StripeEvent.objects.values_list("state", "reason"))
    assert {state for state, _ in states} == {"done"}


def test_a_sync_mirrors_what_went_back_and_a_won_dispute_counts_no_more(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, paid: str
) -> None:
    change_everything(fake_stripe, paid)
    first, second = run_sync(acme), run_sync(acme)
    assert (first.errors, second.written, second.discrepancy_count) == (0, 0, 0)
    assert sums(org) == {paid: (Decimal(40), Decimal(40), Decimal(25))}

    dispute = fake_stripe.objects("dispute")[0]["id"]
    fake_stripe.control("dispute", id=dispute, status="won")
    run = run_sync(acme)

    [won] = Discrepancy.objects.filter(run=run)
    assert (won.kind, won.stripe_id, won.stripe_value) == (
        *("status", dispute),
        "won",
    )
    assert sums(org)[paid][2] == 0


def test_a_credit_note_and_a_partial_payment_lower_what_is_owed(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, unpaid: str
) -> None:
    note: Any = {"invoice": unpaid, "amount": 4_000}
    made = fake_stripe.client().v1.credit_notes.create(note)
    fake_stripe.control("pay_part", invoice=unpaid, amount=2_500)

    deliver(fake_stripe)

    invoice = Invoice.objects.get(stripe_id=unpaid)
    assert (invoice.status, invoice.amount_due) == ("open", Decimal(100))
    assert (invoice.amount_paid, invoice.owed) == (Decimal(25), Decimal(35))
    assert invoice.credited_before_payment == Decimal(40)

    fake_stripe.client().v1.credit_notes.void_credit_note(made.id)
    run_sync(acme)
    invoice.refresh_from_db()
    assert invoice.owed == Decimal(75)
    assert not InvoiceAdjustment.objects.get(stripe_id=made.id).is_counted

    fake_stripe.control("pay_part", invoice=unpaid, amount=7_500)
    run_sync(acme)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.owed) == ("paid", Decimal(0))


def test_the_billing_tab_shows_what_went_back(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, paid: str
) -> None:
    change_everything(fake_stripe, paid)
    run_sync(acme)
    client = Client()
    client.force_login(make_user("ann", "finance"))

    page = client.get(f"/organizations/{org.pk}/billing/")

    text = page.content.decode()
    for hook in ("data-credited", "data-refunded", "data-disputed", "data-remaining"):
        assert hook in text
    assert text.count("data-adjustment=") == 4
    [label] = needs_action([acme.pk], now=timezone.now()).organizations
    assert [reason.kind for reason in label.reasons] == ["disputed"]
    [row] = [one for one in page.context["adjustments"] if one.kind == "dispute"]
    assert row.awaits_response
