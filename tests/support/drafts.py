"""An organization in the fake Stripe whose cycles end in drafts."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import time_machine
from django.utils import timezone

from billing import gateway
from billing.ledger.commands.invoicing import close_period_for_invoice
from billing.ledger.queries.charges import list_charges
from billing.models import BillingAccount, BillingPeriod, Invoice, Subscription
from orgs.models import WhiteLabel
from tests.factories import NOW, event, make_organization, make_rate, record
from tests.support.fake_stripe import FakeStripe
from tests.support.fake_stripe import make_subscription as subscribe
from tests.support.snapshots import snapshot


def make_draft(
    fake: FakeStripe, clock: time_machine.Traveller, label: WhiteLabel
) -> "Draft":
    """Return an organization whose first cycle ended, at that time."""
    draft, instant = _ended_cycle(fake, label)
    clock.move_to(instant)
    draft.clock = clock
    return draft


@snapshot
def _ended_cycle(fake: FakeStripe, label: WhiteLabel) -> tuple["Draft", datetime]:
    with time_machine.travel(NOW, tick=False) as clock:
        draft = Draft(fake, clock, label)
        draft.wait()
        return draft, timezone.now()


class Draft:
    """An organization with usage, and the draft of its cycle that bills it."""

    def __init__(
        self,
        fake: FakeStripe,
        clock: time_machine.Traveller,
        label: WhiteLabel,
        name: str = "org-1",
    ) -> None:
        self.fake, self.clock = fake, clock
        self.organization = make_organization(label, name)
        made = subscribe(fake)
        self.subscription_id, self.customer_id = made.id, str(made.customer)
        BillingAccount.objects.create(
            organization=self.organization, stripe_id=self.customer_id
        )
        Subscription.objects.create(
            organization=self.organization,
            stripe_id=made.id,
            status="active",
            tier="growth",
            stripe_price_id="price_1",
        )
        make_rate(label, "3.001")
        make_rate(label, "2.501", product="claude")
        record(
            label,
            [
                event("a", organization=name),
                event("b", organization=name, product="claude"),
            ],
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the clock: `start` sets another one's."""
        return {name: value for name, value in vars(self).items() if name != "clock"}

    def pass_time(self, *, days: float = 0, hours: float = 0) -> None:
        """Advance both clocks."""
        self.clock.shift(timedelta(days=days, hours=hours))
        self.fake.advance(days=days, hours=hours)

    def wait(self, *, days: float = 30) -> str:
        """Advance until a cycle ends; mirror the new draft and return its id."""
        self.pass_time(days=days, hours=0.1)
        invoice = gateway.list_invoices(customer_id=self.customer_id).items[0]
        assert invoice.status == "draft"
        assert invoice.billing_reason == "subscription_cycle"
        self.invoice = invoice
        Invoice.objects.create(
            organization=self.organization,
            stripe_id=invoice.id,
            status=invoice.status,
            currency=invoice.currency,
            total=invoice.total,
            amount_due=invoice.amount_due,
            issued_at=invoice.created_at,
        )
        return invoice.id

    def close(self) -> BillingPeriod:
        period = close_period_for_invoice(
            self.invoice.id,
            reason=self.invoice.billing_reason,
            subscription_id=self.invoice.subscription_id,
            period_ends_at=self.invoice.ends_at,
        )
        assert period is not None
        return period

    def items(self, invoice_id: str = "") -> list[tuple[str, Decimal]]:
        items = gateway.list_invoice_items(invoice_id=invoice_id or self.invoice.id)
        return sorted((item.description, item.amount) for item in items)

    def states(self) -> list[tuple[str, str, str]]:
        charges = list_charges(self.organization.id)
        return [(row.product, row.state, row.error_code) for row in charges]
