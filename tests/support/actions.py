"""An organization with a subscription in the stand-in, and people who act on it."""

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
from tests.support.stripe_mirror import customer_of
from tests.support.stripe_mirror import subscribe as subscribe_in_stripe

NOTE = "asked by phone, ticket 7"


@dataclass
class StaffContext:
    """Somebody at the billing tab of an organization."""

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
        """On both clocks; whoever comes back after a day logs in again."""
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
        """Asked by the form and done by a worker; the row as it ended."""
        answer = self.post(kind, subscription, **data)
        assert answer.status_code == 302, answer.content.decode()
        return work(answer)

    def price(self, amount: int, **more: Any) -> str:
        """In Stripe, and known here."""
        made = make_price(self.fake, amount, **more).id
        refetch_price(made)
        return made

    def link(self) -> str:
        """With a customer of its own."""
        customer = customer_of(self.fake, self.organization)
        refetch_all_of(customer)
        return customer

    def subscribe(self, customer: str, price: str, **more: Any) -> Subscription:
        made = subscribe_in_stripe(self.fake, customer, price, **more)
        refetch_all_of(customer)
        return Subscription.objects.get(stripe_id=made)

    def theirs(self, subscription: Subscription) -> Json:
        """What the stand-in has."""
        found = self.fake.objects("subscription")
        return next(one for one in found if one["id"] == subscription.stripe_id)


def work(answer: Any) -> StripeAction:
    """What a worker does with the action that an answer leads to."""
    found = re.search(r"/actions/(\d+)/$", answer["Location"])
    assert found, answer["Location"]
    action_id = int(found.group(1))
    tasks.do_action(action_id)
    return StripeAction.objects.get(pk=action_id)


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
