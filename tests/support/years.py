"""An organization in the fake Stripe, over months, with webhooks in any order."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import time_machine
from django.test import Client
from django.utils import timezone

from billing import gateway
from billing.ledger import tasks as ledger_tasks
from billing.ledger.queries.charges import (
    list_due_periods,
    list_organizations_without_draft,
)
from billing.ledger.queries.reconciliation import reconcile_period
from billing.ledger.queries.terms import list_ended_months
from billing.models import BillingPeriod, StripeEvent
from billing.stripe import tasks as stripe_tasks
from metrics.commands.partitions import make_partitions
from orgs.models import WhiteLabel
from tests.factories import event, make_organization, make_rate, record
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import customer_of, subscribe


def make_year(
    fake: FakeStripe, clock: time_machine.Traveller, label: WhiteLabel
) -> "Year":
    """Return a year that begins."""
    year = _begun(fake, clock, label)
    year.clock = clock
    return year


@snapshot
def _begun(
    fake: FakeStripe, clock: time_machine.Traveller, label: WhiteLabel
) -> "Year":
    return Year(fake, clock, label)


class Year:
    """An organization to which Stripe delivers events, repeated and in any order."""

    def __init__(
        self, fake: FakeStripe, clock: time_machine.Traveller, label: WhiteLabel
    ) -> None:
        self.fake, self.clock, self.label = fake, clock, label
        self.organization = make_organization(label, "org-1")
        self.customer_id = customer_of(fake, self.organization)
        self.random, self.recorded = random.Random(7), 0
        self.deliveries = 2  # of each event
        self.makes_invoices = False  # as the sweep of usage invoices does
        self.first = ""  # the type of the events that are delivered before others
        self.delivered: set[str] = set()
        make_rate(label, "1.001")

    @property
    def snapshot_name(self) -> str:
        """What it is set to and has been through."""
        settings = f"{self.deliveries} {self.makes_invoices} {self.first}"
        return f"{self.customer_id} {settings} {self.delivered} {self.recorded}"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the clock, which belongs to one test."""
        return {name: value for name, value in vars(self).items() if name != "clock"}

    def subscribe(
        self, *, interval: str = "month", interval_count: int = 1, **more: Any
    ) -> None:
        price = make_price(
            self.fake, 2900, interval=interval, interval_count=interval_count
        ).id
        self.subscription_id = subscribe(self.fake, self.customer_id, price, **more)
        self.deliver_events()

    def use(self, requests: int, **changes: Any) -> None:
        """Record usage, by default of a time before everything else."""
        self.recorded += 1
        fields = {"organization": "org-1", "quantities": {"requests": requests}}
        record(self.label, [event(f"e-{self.recorded}", **fields | changes)])

    def use_now(self, requests: int, **changes: Any) -> None:
        """Record usage of this moment."""
        now = timezone.now()
        self.recorded += 1
        fields = {
            "organization": "org-1",
            "quantities": {"requests": requests},
            "timestamp": now.isoformat(),
        }
        events = [event(f"e-{self.recorded}", **fields | changes)]
        make_partitions()
        record(self.label, events, now=now)

    def wait(self, **span: float) -> None:
        """Advance both clocks, deliver Stripe's events and run the workers."""
        self.clock.shift(timedelta(**span))
        self.fake.control("clock", advance=int(timedelta(**span).total_seconds()))
        self.deliver_events()

    def bill(self) -> None:
        """Advance to the end of the cycle, until its draft is finalized and paid."""
        ends_at = gateway.get_subscription(self.subscription_id).item.period_ends_at
        rest = ends_at - timezone.now() + timedelta(minutes=6)
        self.wait(seconds=rest.total_seconds())
        self.wait(hours=2)

    def deliver_events(self) -> None:
        types = {item["id"]: item["type"] for item in self.fake.events()}
        new_ids = types.keys() - self.delivered
        self.delivered |= new_ids
        deliveries = sorted(new_ids) * self.deliveries
        self.random.shuffle(deliveries)
        deliveries.sort(key=lambda id_: types[id_] != self.first)
        for id_ in deliveries:
            self._post(id_)
        self.work()

    def _post(self, id_: str) -> None:
        body, signature = self.fake.sign(id_, at=int(timezone.now().timestamp()))
        client = Client(headers={"stripe-signature": signature})
        answer = client.post("/webhooks/stripe/", body, content_type="application/json")
        assert answer.status_code < 300

    def work(self) -> None:
        pending = StripeEvent.objects.filter(state="pending")
        for id_ in list(pending.values_list("id", flat=True)):
            stripe_tasks.handle_event(id_)
        if self.makes_invoices:
            for stripe_id in list_ended_months(10):
                ledger_tasks.close_ended_months(stripe_id)
            for organization_id in list_organizations_without_draft(10):
                ledger_tasks.make_usage_invoice(organization_id)
        for period_id in list_due_periods(10):
            ledger_tasks.send_charges(period_id)

    def billed(self) -> list[tuple[str, list[Decimal]]]:
        """Return each invoice's status and its charges, oldest first."""
        pages = gateway.list_invoices(customer_id=self.customer_id).items
        return [
            (
                invoice.status,
                sorted(
                    line.amount
                    for line in invoice.lines
                    if "orgdesk_charge" in line.metadata
                ),
            )
            for invoice in reversed(pages)
        ]

    def is_reconciled(self) -> bool:
        rows = BillingPeriod.objects.filter(organization=self.organization)
        numbers = rows.values_list("number", flat=True)
        return all(
            reconcile_period(self.organization, n).is_reconciled for n in numbers
        )
