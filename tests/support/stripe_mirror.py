"""Organizations with customers in the stand-in, and what we made of them."""

from typing import Any

from django.db import connection

from billing.models import Invoice, Subscription, SyncRun
from billing.stripe.commands.sync import reading, runs
from orgs.models import Organization, WhiteLabel
from tests.support.fake_stripe import FakeStripe

STATUSES = {"incomplete_expired": "canceled"}


def customer_of(fake: FakeStripe, organization: Organization) -> str:
    """A customer whose metadata name the organization."""
    made = fake.client().v1.customers.create(
        {
            "name": organization.name,
            "email": f"{organization.external_id}@example.com",
            "metadata": {"orgdesk_organization_id": str(organization.pk)},
        }
    )
    return made.id


def subscribe(fake: FakeStripe, customer: str, price: str, **more: Any) -> str:
    quantity = more.pop("quantity", 1)
    items = [{"price": price, "quantity": quantity}]
    found: Any = {"customer": customer, "items": items, **more}
    return fake.client().v1.subscriptions.create(found).id


def run_sync(white_label: WhiteLabel, *, repairs: bool = True) -> SyncRun:
    """A run to its end, as workers do it."""
    asked = runs.start(white_label, requested_by="ann", repairs=repairs)
    while reading.advance(asked.pk):
        pass
    asked.refresh_from_db()
    assert (asked.state, asked.error) == ("done", "")
    return asked


def history() -> int:
    """How many versions of mirrored rows were kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select (select count(*) from billing_subscriptionevent)"
            " + (select count(*) from billing_invoiceevent)"
            " + (select count(*) from billing_billingaccountevent)"
        )
        return int(cursor.fetchone()[0])


def our_state() -> dict[str, tuple[Any, ...]]:
    """What we say of every subscription and invoice, in words of Stripe's."""
    found: dict[str, tuple[Any, ...]] = {}
    for sub in Subscription.objects.all():
        ends = sub.period_ends_at.timestamp() if sub.period_ends_at else None
        found[sub.stripe_id] = (sub.status, sub.stripe_price_id, ends)
    for one in Invoice.objects.all():
        cents = int(one.total * 100), int(one.amount_paid * 100)
        found[one.stripe_id] = (one.status, *cents)
    return found


def their_state(fake: FakeStripe) -> dict[str, tuple[Any, ...]]:
    """The same of the stand-in's own objects."""
    found: dict[str, tuple[Any, ...]] = {}
    for sub in fake.objects("subscription"):
        item = sub["items"]["data"][0]
        status = STATUSES.get(sub["status"], sub["status"])
        is_paused = sub["pause_collection"] and status != "canceled"
        status = "paused" if is_paused else status
        end = float(item["current_period_end"])
        found[sub["id"]] = (status, item["price"]["id"], end)
    for one in fake.objects("invoice"):
        found[one["id"]] = (one["status"], one["total"], one["amount_paid"])
    return found
