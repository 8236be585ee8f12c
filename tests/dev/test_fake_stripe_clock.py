"""Events of the fake Stripe as its clock advances: renewals, trials and retries."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from tests.support.fake_stripe import (
    FakeStripe,
    make_customer,
    make_price,
    make_subscription,
)


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _days(fake: FakeStripe, subscription: str) -> list[tuple[str, str]]:
    """Return the periods of the renewal invoices of a subscription, oldest first."""
    return [
        (_day(one["period_start"]), _day(one["period_end"]))
        for one in fake.objects("invoice")
        if one["billing_reason"] == "subscription_cycle"
        and one["parent"]["subscription_details"]["subscription"] == subscription
    ]


def _day(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).date().isoformat()


def _subscription(fake: FakeStripe, id_: str) -> stripe.Subscription:
    return fake.client().v1.subscriptions.retrieve(id_)


def _newest(fake: FakeStripe) -> stripe.Invoice:
    return fake.client().v1.invoices.list({"limit": 1}).data[0]


def test_anchor_on_the_31st_returns_after_short_months(
    fake_stripe: FakeStripe,
) -> None:
    fake_stripe.advance(to=_at("2026-12-31 12:00"))
    subscription = make_subscription(fake_stripe)
    fake_stripe.advance(to=_at("2027-05-02"))
    assert _days(fake_stripe, subscription.id) == [
        ("2026-12-31", "2027-01-31"),
        ("2027-01-31", "2027-02-28"),
        ("2027-02-28", "2027-03-31"),
        ("2027-03-31", "2027-04-30"),
    ]


def test_yearly_anchor_on_29_february(fake_stripe: FakeStripe) -> None:
    fake_stripe.advance(to=_at("2028-02-29 12:00"))
    price = make_price(fake_stripe, 7700, interval="year")
    subscription = make_subscription(fake_stripe, price=price.id)
    fake_stripe.advance(to=_at("2032-03-01"))
    assert _days(fake_stripe, subscription.id) == [
        ("2028-02-29", "2029-02-28"),
        ("2029-02-28", "2030-02-28"),
        ("2030-02-28", "2031-02-28"),
        ("2031-02-28", "2032-02-29"),
    ]


def test_renewal_is_a_draft_for_an_hour_and_accepts_usage(
    fake_stripe: FakeStripe,
) -> None:
    subscription = make_subscription(fake_stripe)
    fake_stripe.advance(to=_at("2026-12-21 12:00"))
    draft = _newest(fake_stripe)
    assert (draft.status, draft.amount_due, draft.auto_advance) == ("draft", 2900, True)
    assert draft.automatically_finalizes_at == _at("2026-12-21 13:00")
    assert (_day(draft.period_start), _day(draft.period_end)) == (
        "2026-11-21",
        "2026-12-21",
    )
    assert draft.lines.data[0].period.end == _at("2027-01-21 12:00")

    item = fake_stripe.client().v1.invoice_items.create(
        {
            "customer": str(subscription.customer),
            "invoice": draft.id,
            "amount": 711,
            "description": "Usage",
            "metadata": {"orgdesk_period": "5"},
        }
    )
    fake_stripe.advance(hours=1)

    paid = _newest(fake_stripe)
    assert (paid.id, paid.status, paid.amount_paid) == (draft.id, "paid", 3611)
    line = paid.lines.data[1].to_dict()
    assert line["parent"]["invoice_item_details"]["invoice_item"] == item.id
    assert line["metadata"] == {"orgdesk_period": "5"}
    types = [one["type"] for one in fake_stripe.events() if "item" not in one["type"]]
    assert types[-8:] == [
        "invoice.updated",
        "invoice.finalized",
        "invoice.updated",
        "charge.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_item_on_a_final_invoice_is_refused(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        fake_stripe.client().v1.invoice_items.create(
            {
                "customer": str(subscription.customer),
                "invoice": str(subscription.latest_invoice),
                "amount": 711,
            }
        )
    assert caught.value.code == "invoice_not_editable"
    assert fake_stripe.objects("invoiceitem") == []


def test_item_without_an_invoice_waits_for_the_next(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    decoy = make_subscription(fake_stripe)
    client = fake_stripe.client()
    item = client.v1.invoice_items.create(
        {"customer": str(subscription.customer), "amount": 711, "currency": "usd"}
    )
    assert client.v1.invoice_items.list({"pending": True}).data[0].id == item.id

    fake_stripe.advance(days=31)

    totals = {
        str(one.customer): one.total for one in client.v1.invoices.list({"limit": 2})
    }
    assert totals == {str(subscription.customer): 3611, str(decoy.customer): 2900}
    assert client.v1.invoice_items.list({"pending": True}).data == []


def test_trial_begins_with_a_zero_invoice_and_ends_with_a_charge(
    fake_stripe: FakeStripe,
) -> None:
    subscription = make_subscription(fake_stripe, trial_period_days=7)
    first = _newest(fake_stripe)
    assert subscription.status == "trialing"
    assert (first.status, first.total) == ("paid", 0)
    assert subscription["items"].data[0].current_period_end == subscription.trial_end

    fake_stripe.advance(days=4)
    warned = fake_stripe.events("customer.subscription.trial_will_end")
    assert [_day(one["created"]) for one in warned] == ["2026-11-25"]
    fake_stripe.advance(days=3, hours=1)

    assert _subscription(fake_stripe, subscription.id).status == "active"
    charge = _newest(fake_stripe)
    assert (charge.status, charge.total) == ("paid", 2900)
    assert _day(charge.lines.data[0].period.end) == "2026-12-28"


def test_trial_can_be_ended_early(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe, trial_period_days=7)
    fake_stripe.advance(days=2)
    changed = fake_stripe.client().v1.subscriptions.update(
        subscription.id, {"trial_end": "now"}
    )
    assert changed.status == "active"
    assert _newest(fake_stripe).total == 2900
    assert _day(changed["items"].data[0].current_period_end) == "2026-12-23"


def test_trial_without_a_payment_method_pauses_if_configured(
    fake_stripe: FakeStripe,
) -> None:
    fake_stripe.pay("none")
    behavior: Any = {"end_behavior": {"missing_payment_method": "pause"}}
    subscription = make_subscription(
        fake_stripe, trial_period_days=7, trial_settings=behavior
    )
    fake_stripe.advance(days=8)
    assert _subscription(fake_stripe, subscription.id).status == "paused"
    assert len(fake_stripe.events("customer.subscription.paused")) == 1

    fake_stripe.pay("succeed")
    resumed = fake_stripe.client().v1.subscriptions.resume(subscription.id)
    assert resumed.status == "active"


def test_paused_collection_voids_invoices_until_it_resumes(
    fake_stripe: FakeStripe,
) -> None:
    subscription = make_subscription(fake_stripe)
    resumes = _at("2027-01-10")
    fake_stripe.client().v1.subscriptions.update(
        subscription.id,
        {
            "pause_collection": {"behavior": "void", "resumes_at": resumes},
            "metadata": {"orgdesk_pause_reason": "holiday"},
        },
    )
    fake_stripe.advance(to=_at("2026-12-22"))
    paused = _subscription(fake_stripe, subscription.id)
    assert (paused.status, _newest(fake_stripe).status) == ("active", "void")
    assert paused.pause_collection
    assert paused.pause_collection.behavior == "void"
    assert len(fake_stripe.events("invoice.voided")) == 1

    fake_stripe.advance(to=_at("2027-01-22"))
    assert _subscription(fake_stripe, subscription.id).pause_collection is None
    assert _newest(fake_stripe).status == "paid"


def test_cancel_at_period_end_ends_without_a_renewal(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    planned = fake_stripe.client().v1.subscriptions.update(
        subscription.id, {"cancel_at_period_end": True}
    )
    assert planned.cancel_at == _at("2026-12-21 12:00")

    fake_stripe.advance(days=31)

    ended = _subscription(fake_stripe, subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", planned.cancel_at)
    assert _days(fake_stripe, subscription.id) == []
    [event] = fake_stripe.events("customer.subscription.deleted")
    assert event["data"]["object"]["status"] == "canceled"


def test_cancel_at_can_be_removed(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    client = fake_stripe.client()
    client.v1.subscriptions.update(
        subscription.id, {"cancel_at": _at("2026-12-01 00:00")}
    )
    updated = client.v1.subscriptions.update(subscription.id, {"cancel_at": ""})
    assert (updated.cancel_at, updated.canceled_at) == (None, None)
    fake_stripe.advance(days=31)
    assert _subscription(fake_stripe, subscription.id).status == "active"


def test_failed_renewal_is_past_due_until_it_is_paid(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    customer = str(subscription.customer)
    fake_stripe.pay("fail", customer)
    fake_stripe.advance(to=_at("2026-12-21 13:00"))

    failed = _newest(fake_stripe)
    assert (failed.status, failed.attempt_count) == ("open", 1)
    assert failed.next_payment_attempt == _at("2026-12-24 13:00")
    assert _subscription(fake_stripe, subscription.id).status == "past_due"
    with pytest.raises(stripe.CardError) as caught:
        fake_stripe.client().v1.invoices.pay(failed.id)
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    assert _newest(fake_stripe).attempt_count == 2

    fake_stripe.pay("succeed", customer)
    fake_stripe.advance(days=10)
    assert _newest(fake_stripe).status == "paid"
    assert _subscription(fake_stripe, subscription.id).status == "active"
    assert len(fake_stripe.events("invoice.payment_failed")) == 2


def test_unpaid_first_invoice_makes_it_incomplete_then_expired(
    fake_stripe: FakeStripe,
) -> None:
    fake_stripe.pay("fail")
    subscription = make_subscription(fake_stripe)
    assert subscription.status == "incomplete"
    fake_stripe.advance(hours=24)
    ended = _subscription(fake_stripe, subscription.id)
    assert ended.status == "incomplete_expired"
    assert _newest(fake_stripe).status == "void"

    with pytest.raises(stripe.CardError):
        make_subscription(fake_stripe, payment_behavior="error_if_incomplete")
    assert len(fake_stripe.objects("subscription")) == 1


def test_sent_invoice_waits_to_be_paid(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(
        fake_stripe, collection_method="send_invoice", days_until_due=14
    )
    client = fake_stripe.client()
    assert _newest(fake_stripe).status == "draft"
    fake_stripe.advance(hours=1)

    invoice = _newest(fake_stripe)
    assert (invoice.status, invoice.due_date) == ("open", _at("2026-12-05 13:00"))
    assert len(fake_stripe.events("invoice.sent")) == 1
    client.v1.invoices.send_invoice(invoice.id)
    paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert paid.status == "paid"
    assert _subscription(fake_stripe, subscription.id).status == "active"


@pytest.mark.parametrize("end", ["void_invoice", "mark_uncollectible"])
def test_manual_invoice_from_draft_to_its_end(
    fake_stripe: FakeStripe, end: str
) -> None:
    client = fake_stripe.client()
    customer = make_customer(fake_stripe)
    draft = client.v1.invoices.create({"customer": customer.id, "currency": "eur"})
    client.v1.invoice_items.create(
        {"customer": customer.id, "invoice": draft.id, "amount": 1100}
    )
    final = client.v1.invoices.finalize_invoice(draft.id)
    assert (final.status, final.total, final.currency) == ("open", 1100, "eur")
    assert final.number

    ended = getattr(client.v1.invoices, end)(draft.id)

    assert ended.status == {"void_invoice": "void"}.get(end, "uncollectible")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.finalize_invoice(draft.id)


def test_longer_interval_begins_and_charges_now(fake_stripe: FakeStripe) -> None:
    yearly = make_price(fake_stripe, 30000, interval="year")
    subscription = make_subscription(fake_stripe)
    fake_stripe.advance(days=15)
    items: Any = [{"id": subscription["items"].data[0].id, "price": yearly.id}]
    changed = fake_stripe.client().v1.subscriptions.update(
        subscription.id, {"items": items}
    )

    invoice = _newest(fake_stripe)
    assert sorted(line.amount for line in invoice.lines.data) == [-1450, 30000]
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_update")
    assert _day(changed["items"].data[0].current_period_end) == "2027-12-06"


def test_seats_without_proration_change_only_the_next_invoice(
    fake_stripe: FakeStripe,
) -> None:
    subscription = make_subscription(fake_stripe)
    items: Any = [{"id": subscription["items"].data[0].id, "quantity": 5}]
    fake_stripe.client().v1.subscriptions.update(
        subscription.id, {"items": items, "proration_behavior": "none"}
    )
    assert fake_stripe.objects("invoiceitem") == []
    fake_stripe.advance(days=31)
    assert _newest(fake_stripe).total == 14500


def test_always_invoice_charges_the_difference_now(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    fake_stripe.advance(days=15)
    items: Any = [{"id": subscription["items"].data[0].id, "quantity": 3}]
    change: Any = {"items": items, "proration_behavior": "always_invoice"}
    client = fake_stripe.client()
    before = len(fake_stripe.events())
    preview = client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": change}
    )
    assert len(fake_stripe.events()) == before  # a preview leaves nothing behind
    client.v1.subscriptions.update(subscription.id, change)
    assert (preview.total, _newest(fake_stripe).total) == (2900, 2900)


def test_credit_is_applied_to_the_next_invoice(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    client = fake_stripe.client()
    customer = str(subscription.customer)
    client.v1.invoice_items.create(
        {"customer": customer, "amount": -5000, "currency": "usd"}
    )
    fake_stripe.advance(days=31)
    first = _newest(fake_stripe)
    assert (first.total, first.amount_due, first.status) == (-2100, 0, "paid")
    assert client.v1.customers.retrieve(customer).balance == -2100
    fake_stripe.advance(days=31)
    second = _newest(fake_stripe)
    assert (second.total, second.amount_paid) == (2900, 800)
    assert client.v1.customers.retrieve(customer).balance == 0


def test_events_expire_after_a_month(fake_stripe: FakeStripe) -> None:
    make_customer(fake_stripe)
    fake_stripe.advance(days=30)
    make_customer(fake_stripe, "bob@example.com")
    fake_stripe.advance(days=2)
    emails = [one["data"]["object"]["email"] for one in fake_stripe.events()]
    assert emails == ["bob@example.com"]


def test_running_clock_can_be_advanced(fake_stripe: FakeStripe) -> None:
    began = fake_stripe.control("reset")["now"]
    subscription = make_subscription(fake_stripe, trial_period_days=7)
    fake_stripe.advance(days=8)
    fake_stripe.advance(days=1)

    now = fake_stripe.control("health", "GET")["now"]
    assert 9 * 86_400 <= now - began < 9 * 86_400 + 60
    assert _subscription(fake_stripe, subscription.id).status == "active"


def test_many_small_steps_do_what_a_large_one_does(fake_stripe: FakeStripe) -> None:
    one = make_subscription(fake_stripe)
    for _ in range(9):
        fake_stripe.advance(days=10)
    assert len(_days(fake_stripe, one.id)) == 2
    assert fake_stripe.control("health", "GET")["now"] == _at("2027-02-19 12:00")
