"""Tests that charges reach their invoice while the beat is down."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from billing import gateway
from billing.gateway import calls
from billing.models import Charge
from tests.factories import event, make_organization, make_rate, make_white_label
from tests.factories import record as record_events
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import customer_of, subscribe
from tests.support.workers import Workers

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]


class Account:
    """An organization in Stripe; its webhooks are enqueued to workers, with no beat."""

    def __init__(
        self,
        fake: FakeStripe,
        clock: time_machine.Traveller,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.fake, self.clock = fake, clock
        self.workers = Workers(monkeypatch, clock)
        self.label = make_white_label()
        self.organization = make_organization(self.label, "org-7")
        make_rate(self.label, "1")
        self.customer_id = customer_of(fake, self.organization)
        price = make_price(fake, 2900).id
        self.subscription_id = subscribe(fake, self.customer_id, price)
        self.delivered: set[str] = set()
        self.deliver()

    def use(self, id_: str) -> None:
        record_events(self.label, [event(id_)])

    def pass_time(self, **span: float) -> None:
        """Move both clocks and let Stripe deliver its events."""
        self.clock.shift(timedelta(**span))
        self.fake.control("clock", advance=int(timedelta(**span).total_seconds()))
        self.deliver()

    def deliver(self) -> None:
        new_ids = [
            item["id"]
            for item in self.fake.events()
            if item["id"] not in self.delivered
        ]
        for id_ in new_ids:
            self._post(id_)
        self.delivered |= set(new_ids)
        self.workers.work()

    def _post(self, id_: str) -> None:
        body, signature = self.fake.sign(id_, at=int(timezone.now().timestamp()))
        client = Client(headers={"stripe-signature": signature})
        answer = client.post("/webhooks/stripe/", body, content_type="application/json")
        assert answer.status_code < 300

    def lines(self) -> list[tuple[str, list[Any]]]:
        """Return each invoice's status and charges, oldest first."""
        page = gateway.list_invoices(customer_id=self.customer_id).items
        return [
            (
                invoice.status,
                [
                    line.amount
                    for line in invoice.lines
                    if "orgdesk_charge" in line.metadata
                ],
            )
            for invoice in reversed(page)
        ]


@pytest.fixture
def account(
    fake_stripe: FakeStripe,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> Account:
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0)
    return Account(fake_stripe, frozen, monkeypatch)


def test_the_draft_gets_the_usage_before_it_is_finalized(account: Account) -> None:
    account.use("a")
    account.pass_time(days=30, minutes=1)
    assert account.lines()[-1] == ("draft", [5])

    account.pass_time(hours=2)
    assert account.lines()[-1] == ("paid", [5])
    assert not Charge.objects.exclude(state="done").exists()


@pytest.mark.parametrize("path", ["/v1/invoiceitems*", "/v1/invoices/*"])
def test_what_fails_is_tried_again_before_it_is_finalized(
    account: Account, path: str
) -> None:
    account.use("a")
    account.fake.fault("error", path, status=503, times=2)
    account.pass_time(days=30, minutes=1)
    for _ in range(6):
        cache.clear()  # an outage is remembered for half a minute of the real clock
        account.pass_time(minutes=1)

    assert account.lines()[-1] == ("draft", [5])
    account.fake.control("script", api=[])


def test_the_last_usage_of_a_canceled_subscription_is_invoiced(
    account: Account,
) -> None:
    account.use("a")
    account.fake.client().v1.subscriptions.cancel(account.subscription_id)
    account.deliver()

    assert account.lines()[-1] == ("draft", [5])
