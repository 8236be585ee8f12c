"""Organizations with customers in the fake Stripe, and their mirrored rows."""

from typing import Any

from django.db import connection

from billing.models import Invoice, Subscription, SyncRun
from billing.stripe.commands.sync import execution, runs
from orgs.models import Organization, WhiteLabel
from tests.support.fake_stripe import FakeStripe

MIRRORED_STATUSES = {"incomplete_expired": "canceled"}


def customer_of(fake: FakeStripe, organization: Organization) -> str:
    """Create a customer whose metadata name the organization; return its id."""
    customer = fake.client().v1.customers.create(
        {
            "name": organization.name,
            "email": f"{organization.external_id}@example.com",
            "metadata": {"orgdesk_organization_id": str(organization.pk)},
        }
    )
    return customer.id


def subscribe(fake: FakeStripe, customer: str, price: str, **more: Any) -> str:
    """Create a subscription and return its id."""
    quantity = more.pop("quantity", 1)
    items = [{"price": price, "quantity": quantity}]
    parameters: Any = {"customer": customer, "items": items, **more}
    return fake.client().v1.subscriptions.create(parameters).id


def run_sync(white_label: WhiteLabel, *, repairs: bool = True) -> SyncRun:
    """Start a run and execute it to its end, as workers do."""
    run = runs.start(white_label, requested_by="ann", repairs=repairs)
    while execution.advance(run.pk):
        pass
    run.refresh_from_db()
    assert (run.state, run.error) == ("done", "")
    return run


def history() -> int:
    """Return how many versions of mirrored rows the history has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select (select count(*) from billing_subscriptionevent)"
            " + (select count(*) from billing_invoiceevent)"
            " + (select count(*) from billing_billingaccountevent)"
        )
        return int(cursor.fetchone()[0])


def mirrored_state() -> dict[str, tuple[Any, ...]]:
    """Return the state of every mirrored subscription and invoice by its id.

    A subscription's state is its status, price and period end; an invoice's is its
    status, total and paid amount in cents.
    """
    states: dict[str, tuple[Any, ...]] = {}
    # The platform's row last: it stands for a subscription that sells seats, too.
    for subscription in Subscription.objects.order_by("-kind"):
        ends_at = subscription.period_ends_at
        states[subscription.stripe_id] = (
            subscription.status,
            subscription.stripe_price_id,
            ends_at.timestamp() if ends_at else None,
        )
    for invoice in Invoice.objects.all():
        cents = int(invoice.total * 100), int(invoice.amount_paid * 100)
        states[invoice.stripe_id] = (invoice.status, *cents)
    return states


def _plan_of(subscription: Any, seats: set[str]) -> Any:
    """Return the item of the plan, or the first one of a subscription without it."""
    items = subscription["items"]["data"]
    plans = [item for item in items if item["price"]["product"] not in seats]
    return (plans or items)[0]


def stripe_state(fake: FakeStripe) -> dict[str, tuple[Any, ...]]:
    """Return what `mirrored_state` should return for the objects of the fake."""
    states: dict[str, tuple[Any, ...]] = {}
    products = fake.objects("product")
    seats = {
        product["id"]
        for product in products
        if product["metadata"].get("orgdesk_kind") == "spaces"
    }
    for subscription in fake.objects("subscription"):
        item = _plan_of(subscription, seats)
        status = subscription["status"]
        status = MIRRORED_STATUSES.get(status, status)
        if subscription["pause_collection"] and status != "canceled":
            status = "paused"
        ends_at = float(item["current_period_end"])
        states[subscription["id"]] = (status, item["price"]["id"], ends_at)
    for invoice in fake.objects("invoice"):
        amounts = invoice["total"], invoice["amount_paid"]
        states[invoice["id"]] = (invoice["status"], *amounts)
    return states
