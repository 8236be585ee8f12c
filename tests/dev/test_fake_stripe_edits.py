"""The fake refuses what Stripe refuses, and takes edits made in the dashboard."""

from typing import Any

import pytest
import stripe

from tests.support.fake_stripe import FakeStripe, make_price, make_subscription


@pytest.fixture
def draft(fake_stripe: FakeStripe) -> Any:
    """Draft of a cycle with a line of the subscription and an item."""
    subscription = make_subscription(fake_stripe)
    fake_stripe.advance(days=30, hours=0.5)
    client = fake_stripe.client().v1
    invoice = client.invoices.list({"limit": 1}).data[0]
    item: Any = {"customer": str(subscription.customer), "invoice": invoice.id}
    client.invoice_items.create(item | {"amount": 700, "description": "Usage"})
    return client.invoices.retrieve(invoice.id)


def test_a_due_date_of_an_automatic_charge_is_refused(
    fake_stripe: FakeStripe, draft: Any
) -> None:
    client = fake_stripe.client().v1
    due = int(draft.created) + 999_999
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.invoices.update(draft.id, {"due_date": due})
    assert caught.value.param == "due_date"
    changes: Any = {"collection_method": "send_invoice", "due_date": due}
    assert client.invoices.update(draft.id, changes).due_date == due
    loaded = {"object": "invoice", "customer": "cus_1", "due_date": due}
    with pytest.raises(AssertionError, match="due date"):
        fake_stripe.load(loaded)


def test_lines_of_a_draft_are_edited_and_removed_by_hand(
    fake_stripe: FakeStripe, draft: Any
) -> None:
    client = fake_stripe.client().v1
    plan, usage = draft.lines.data
    client.invoices.line_items.update(draft.id, plan.id, {"amount": 1_000})
    assert client.invoices.retrieve(draft.id).total == 1_700

    removed: Any = {"lines": [{"id": usage.id, "behavior": "delete"}]}
    assert client.invoices.remove_lines(draft.id, removed).total == 1_000
    assert fake_stripe.objects("invoiceitem") == []
    fake_stripe.advance(hours=1)
    with pytest.raises(stripe.InvalidRequestError):
        client.invoices.line_items.update(draft.id, plan.id, {"amount": 1})


def test_a_currency_that_stripe_does_not_charge_is_refused(
    fake_stripe: FakeStripe,
) -> None:
    assert make_price(fake_stripe, currency="NGN").currency == "ngn"
    with pytest.raises(stripe.InvalidRequestError):
        make_price(fake_stripe, currency="xyz")


def test_more_than_was_paid_is_not_refunded(fake_stripe: FakeStripe) -> None:
    make_subscription(fake_stripe)
    client = fake_stripe.client().v1
    charge = fake_stripe.objects("charge")[0]["id"]
    with pytest.raises(stripe.InvalidRequestError):
        client.refunds.create({"charge": charge, "amount": 2_901})
    client.refunds.create({"charge": charge})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.refunds.create({"charge": charge})
    assert caught.value.code == "charge_already_refunded"
