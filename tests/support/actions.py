"""Stripe actions of staff on an organization with a subscription in the fake."""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from django.test import Client

from billing.models import StripeAction, Subscription
from billing.stripe import tasks
from billing.stripe.commands.mirror.refetches import refetch_all_of, refetch_price
from orgs.models import Organization, User
from tests.support.fake_stripe import FakeStripe, Json, make_price
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import customer_of
from tests.support.stripe_mirror import subscribe as subscribe_in_stripe

NOTE = "asked by phone, ticket 7"


@dataclass
class StaffContext:
    """A staff member at the billing tab of an organization."""

    fake: FakeStripe
    user: User
    organization: Organization
    clock: time_machine.Traveller

    def __post_init__(self) -> None:
        self.client = Client()
        self.client.force_login(self.user)

    def as_(self, user: User) -> "StaffContext":
        return StaffContext(self.fake, user, self.organization, self.clock)

    def pass_time(self, *, days: float = 0, hours: float = 0) -> None:
        """Advance both clocks, and log in again: the session may have expired."""
        self.clock.shift(timedelta(days=days, hours=hours))
        self.fake.advance(days=days, hours=hours)
        self.client.force_login(self.user)

    @property
    def tab(self) -> str:
        return f"/organizations/{self.organization.pk}/billing/"

    def url(self, kind: str, subscription: Subscription | None = None) -> str:
        if subscription is None:
            return f"{self.tab}actions/new/{kind}/"
        return f"{self.tab}subscriptions/{subscription.pk}/actions/new/{kind}/"

    def post(
        self, kind: str, subscription: Subscription | None = None, **data: Any
    ) -> Any:
        data = {"note": NOTE, "idempotency_key": secrets.token_hex(16), **data}
        return self.client.post(self.url(kind, subscription), data)

    def ask(
        self, kind: str, subscription: Subscription | None = None, **data: Any
    ) -> StripeAction:
        """Submit the form of an action, run it as a worker does, and return its row."""
        answer = self.post(kind, subscription, **data)
        assert answer.status_code == 302, answer.content.decode()
        return work(answer)

    def price(self, amount: int, **more: Any) -> str:
        """Create a price in the fake Stripe, mirror it and return its id."""
        return mirror_price(self.fake, amount, **more)

    def link(self) -> str:
        """Create a customer for the organization, mirror it and return its id."""
        return link(self.fake, self.organization)

    def subscribe(self, customer: str, price: str, **more: Any) -> Subscription:
        return mirror_subscription(self.fake, customer, price, **more)

    def in_stripe(self, subscription: Subscription) -> Json:
        """Return the subscription as the fake Stripe has it."""
        rows = self.fake.objects("subscription")
        return next(row for row in rows if row["id"] == subscription.stripe_id)


def mirror_price(fake: FakeStripe, amount: int, **more: Any) -> str:
    made = make_price(fake, amount, **more).id
    refetch_price(made)
    return made


def link(fake: FakeStripe, organization: Organization) -> str:
    customer = customer_of(fake, organization)
    refetch_all_of(customer)
    return customer


def mirror_subscription(
    fake: FakeStripe, customer: str, price: str, **more: Any
) -> Subscription:
    made = subscribe_in_stripe(fake, customer, price, **more)
    refetch_all_of(customer)
    return Subscription.objects.get(stripe_id=made)


@snapshot
def make_growth(fake: FakeStripe, organization: Organization) -> Subscription:
    """Create a monthly subscription to Growth; Scale costs more."""
    mirror_price(fake, 9900, tier="scale")
    customer = link(fake, organization)
    return mirror_subscription(fake, customer, mirror_price(fake, 2900))


def work(answer: Any) -> StripeAction:
    """Run the action that a response redirects to, as a worker does."""
    match = re.search(r"/actions/(\d+)/$", answer["Location"])
    assert match, answer["Location"]
    action_id = int(match.group(1))
    tasks.do_action(action_id)
    return StripeAction.objects.get(pk=action_id)


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
