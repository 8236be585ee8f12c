"""What is due, overdue and owed: one rule for every page, API and alert."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from billing.alerts.commands.evaluation import evaluate
from billing.ledger.queries.facts import billing_facts
from billing.models import Alert, Invoice
from billing.needs_action.queries.overview import needs_action
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import customer_of, run_sync, subscribe

pytestmark = [pytest.mark.django_db]
ISSUED, DUE = NOW - timedelta(days=5), NOW - timedelta(days=1)
SENT = {"collection_method": "send_invoice", "due_at": DUE}


@pytest.mark.parametrize(
    ("fields", "overdue_from"),
    [
        ({}, ISSUED + timedelta(days=1)),  # no attempt is planned
        ({"next_attempt_at": NOW}, None),  # not tried yet
        ({"attempt_count": 1}, ISSUED),
        ({"attempt_count": 1, "next_attempt_at": NOW}, ISSUED),
        ({"attempt_count": 1, "amount_paid": 3, "amount_remaining": 4}, ISSUED),
        ({"attempt_count": 1, "amount_remaining": 0}, None),  # credited in full
        (SENT, DUE),
        (SENT | {"attempt_count": 1}, DUE),
        ({"attempt_count": 1, "due_at": NOW}, ISSUED),  # the date counts if it was sent
        *(
            (SENT | {"status": status, "attempt_count": 1}, None)
            for status in ("draft", "paid", "void", "uncollectible")
        ),
    ],
)
def test_one_rule_says_since_when_an_invoice_is_overdue(
    org: Organization, fields: dict[str, Any], overdue_from: object
) -> None:
    made: dict[str, Any] = {"status": "open", "amount_remaining": 7} | fields
    row = Invoice.objects.create(
        organization=org,
        stripe_id="in_1",
        currency="usd",
        total=7,
        amount_due=7,
        issued_at=ISSUED,
        **made,
    )
    row.refresh_from_db()

    assert row.overdue_from == overdue_from
    assert row.owed == (made["amount_remaining"] if made["status"] == "open" else 0)


def test_an_automatic_charge_is_overdue_after_its_first_failed_attempt(
    fake_stripe: FakeStripe,
    frozen: time_machine.Traveller,
    acme: WhiteLabel,
    org: Organization,
) -> None:
    customer = customer_of(fake_stripe, org)
    subscribe(fake_stripe, customer, make_price(fake_stripe, 2900).id)
    fake_stripe.pay("fail", customer)
    wait(fake_stripe, frozen, days=30, minutes=1)
    run_sync(acme)
    assert overdue(acme) == {}  # a draft

    wait(fake_stripe, frozen, hours=2)
    run_sync(acme)

    invoice = Invoice.objects.get(status="open")
    assert (invoice.due_at, invoice.attempt_count) == (None, 1)
    assert invoice.next_attempt_at is not None
    assert overdue(acme) == {"usd": Decimal(29)}
    assert billing_facts([org.id])[org.id].overdue is not None
    evaluate([org.id])
    assert Alert.objects.filter(organization=org, kind="payment_failed").count() == 1

    fake_stripe.pay("succeed", customer)
    wait(fake_stripe, frozen, days=3)
    run_sync(acme)
    assert overdue(acme) == {}


def test_an_invoice_without_a_subscription_is_overdue_too(
    fake_stripe: FakeStripe,
    frozen: time_machine.Traveller,
    acme: WhiteLabel,
    org: Organization,
) -> None:
    client, customer = fake_stripe.client().v1, customer_of(fake_stripe, org)
    fake_stripe.pay("fail", customer)
    made = client.invoices.create({"customer": customer, "auto_advance": True})
    item: Any = {"customer": customer, "invoice": made.id, "amount": 123_456}
    client.invoice_items.create(item)
    client.invoices.finalize_invoice(made.id)
    run_sync(acme)
    assert overdue(acme) == {}  # Stripe's first attempt is still to come

    wait(fake_stripe, frozen, hours=2)
    run_sync(acme)

    assert overdue(acme) == {"usd": Decimal("1234.56")}
    evaluate([org.id])
    assert Alert.objects.filter(organization=org, kind="payment_failed").count() == 1
    client.invoices.mark_uncollectible(made.id)
    run_sync(acme)
    assert overdue(acme) == {}
    row = Invoice.objects.get(stripe_id=made.id)
    assert (row.owed, row.amount_remaining) == (Decimal(0), Decimal("1234.56"))


def wait(fake: FakeStripe, clock: time_machine.Traveller, **span: float) -> None:
    """Advance both clocks."""
    clock.shift(timedelta(**span))
    fake.control("clock", advance=int(timedelta(**span).total_seconds()))


def overdue(label: WhiteLabel) -> dict[str, Decimal]:
    """Return the overdue amounts of the overview."""
    return needs_action([label.pk], now=timezone.now()).overdue.owed
