"""Random changes of a subscription: no usage is lost, whatever order events come in."""

import itertools
import os
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import stripe
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.ledger.commands.credits import OnceOnly, grant_credit
from billing.ledger.commands.decisions import possible_decisions
from billing.ledger.queries.differences import list_organization_differences
from billing.models import StripeEvent
from billing.stripe import tasks as stripe_tasks
from billing.stripe.commands.charge_decisions import decide_charge
from orgs.models import WhiteLabel
from tests.factories import NOW, make_rate, make_white_label
from tests.support.books import check_books, check_settled, list_books
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.years import Year

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
WHO: dict[str, Any] = {"note": "why not", "by": "ann"}
MONTH = timedelta(days=31)
_numbers = itertools.count()
# The suite always runs the same sequences, so that a change is to blame for a failure
# and not chance; `make fuzz` sets a number of random ones to search for others.
SEARCHED = int(os.environ.get("FUZZ_SEQUENCES", "0"))


def examples(count: int) -> settings:
    """Return settings for a number of constant examples, or for the search."""
    return settings(
        max_examples=SEARCHED or count,
        deadline=None,
        derandomize=not SEARCHED,
        database=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
        ],
    )


class NothingToDo(Exception):
    """A step finds nothing to act on."""


class World(Year):
    """An organization whose subscription changes at random."""

    def __init__(
        self, fake: FakeStripe, clock: time_machine.Traveller, label: WhiteLabel
    ) -> None:
        super().__init__(fake, clock, label)
        self.makes_invoices, self.is_late = True, False
        self.deliveries = 1
        self.done: set[str] = set()
        make_rate(label, "0.0731", product="claude")
        start = int((timezone.now() + timedelta(days=9)).timestamp())
        self.subscribe(trial_end=start)

    def deliver_events(self) -> None:
        if not self.is_late:
            super().deliver_events()

    def _now(self, days: int) -> int:
        return int((timezone.now() + timedelta(days=days)).timestamp())

    def _update(self, **parameters: Any) -> None:
        client = self.fake.client().v1.subscriptions
        client.update(self.subscription_id, parameters)  # type: ignore[arg-type]

    def use_some(self, number: int) -> None:
        self.use_now(number + 1)

    def use_other(self, number: int) -> None:
        self.use_now(number + 3, product=("claude", "unpriced")[number % 2])

    def pass_days(self, number: int) -> None:
        self.wait(days=(1, 4, 12, 31)[number % 4], hours=number % 3)

    def end_cycle(self, number: int) -> None:
        """Advance to where the cycle's draft can be edited, at most by 31 days."""
        client = self.fake.client().v1.subscriptions
        subscription = client.retrieve(self.subscription_id)
        ends_at = subscription["items"].data[0].current_period_end
        rest = timedelta(seconds=ends_at - timezone.now().timestamp(), minutes=6)
        is_live = subscription.status != "canceled"
        self.wait(seconds=min(rest if is_live else MONTH, MONTH).total_seconds())

    def settle(self) -> None:
        """Deliver what is late, let Stripe collect, and end three cycles."""
        self.is_late = False
        self.fake.pay("succeed")
        self.do("resume", 0)
        for _ in range(3):
            self.end_cycle(0)
            self.wait(hours=2)

    def give_credit(self, number: int) -> None:
        self.give("credit", number)

    def give_free(self, number: int) -> None:
        self.give("free_balance", number)

    def give(self, kind: str, number: int) -> None:
        once, amount = OnceOnly(f"given-{next(_numbers)}"), Decimal(number + 1)
        grant_credit(self.organization.pk, kind=kind, amount=amount, once=once, **WHO)

    def end_trial(self, number: int) -> None:
        self._update(trial_end="now")

    def extend_trial(self, number: int) -> None:
        self._update(trial_end=self._now(number + 2))

    def change_interval(self, number: int) -> None:
        interval = ("month", "year")[number % 2]
        price = make_price(self.fake, 2_900, interval=interval).id
        subscription = self.fake.client().v1.subscriptions.retrieve(
            self.subscription_id
        )
        item = subscription["items"].data[0].id
        self._update(items=[{"id": item, "price": price}])

    def reset_anchor(self, number: int) -> None:
        self._update(billing_cycle_anchor="now", proration_behavior="none")

    def pause(self, number: int) -> None:
        behavior = ("void", "mark_uncollectible", "keep_as_draft")[number % 3]
        self._update(pause_collection={"behavior": behavior})

    def resume(self, number: int) -> None:
        self._update(pause_collection="")

    def cancel(self, number: int) -> None:
        if number % 2:
            self._update(cancel_at_period_end=True)
        else:
            self.fake.client().v1.subscriptions.cancel(self.subscription_id)

    def subscribe_again(self, number: int) -> None:
        client = self.fake.client().v1.subscriptions
        if client.retrieve(self.subscription_id).status != "canceled":
            raise NothingToDo
        trial = {"trial_end": self._now(5)} if number % 2 else {}
        self.subscribe(interval=("month", "year")[number // 2 % 2], **trial)

    def fail_payments(self, number: int) -> None:
        self.fake.pay(("fail", "succeed")[number % 2])

    def void_an_invoice(self, number: int) -> None:
        self._invoices("open", self.fake.client().v1.invoices.void_invoice)

    def give_up_an_invoice(self, number: int) -> None:
        self._invoices("open", self.fake.client().v1.invoices.mark_uncollectible)

    def _invoices(self, status: str, do: Callable[[str], Any]) -> None:
        for invoice in self.fake.objects("invoice"):
            if (invoice["status"], invoice["customer"]) == (status, self.customer_id):
                do(invoice["id"])
                return
        raise NothingToDo

    def remove_a_line(self, number: int) -> None:
        invoices = self.fake.objects("invoice")
        drafts = {one["id"] for one in invoices if one["status"] == "draft"}
        lines = [
            item["id"]
            for item in self.fake.objects("invoiceitem")
            if item["invoice"] in drafts and "orgdesk_charge" in item["metadata"]
        ]
        if not lines:
            raise NothingToDo
        self.fake.client().v1.invoice_items.delete(lines[number % len(lines)])

    def decide(self, number: int) -> None:
        differences = list_organization_differences(self.organization.pk)
        if not differences:
            raise NothingToDo
        for difference in differences:
            kinds = possible_decisions(difference)
            kind = kinds[number % len(kinds)]
            key = f"decided-{next(_numbers)}"
            decide_charge(difference.charge_id, kind, key=key, **WHO)

    def be_late(self, number: int) -> None:
        """Let webhooks wait from now on, or deliver all that waited."""
        self.is_late = not self.is_late

    def do(self, name: str, number: int) -> None:
        """Take a step; what Stripe refuses at this point changes nothing."""
        try:
            getattr(self, name)(number)
        except (stripe.InvalidRequestError, NothingToDo):
            return
        self.done.add(name)
        self.deliver_events()

    def do_all(self, sequence: Sequence[tuple[str, int]]) -> None:
        """Take steps, and let three cycles end; check the books after each."""
        for name, number in sequence:
            self.do(name, number)
            if not self.is_late:
                check_books(self.fake, self.organization, self.customer_id)
        self.settle()
        check_books(self.fake, self.organization, self.customer_id)
        check_settled(self.organization, loses=not self.done.isdisjoint(LOSING))


STEPS = (
    *("use_some", "use_other", "pass_days", "end_cycle", "give_credit", "give_free"),
    *("end_trial", "extend_trial", "change_interval", "reset_anchor", "pause"),
    *("resume", "cancel", "subscribe_again", "fail_payments", "void_an_invoice"),
    *("give_up_an_invoice", "remove_a_line", "decide", "be_late"),
)
# After these, usage may be on no invoice until a decision about it.
LOSING = {"void_an_invoice", "give_up_an_invoice", "remove_a_line", "pause"}
step = st.tuples(st.sampled_from(STEPS), st.integers(0, 11))
USING = st.tuples(st.sampled_from(("use_some", "use_other")), st.integers(0, 11))
# Usage between the changes, or most of them would have nothing to lose.
sequences = st.lists(st.tuples(USING, step), min_size=2, max_size=7).map(
    lambda pairs: list(itertools.chain.from_iterable(pairs))
)


# Sequences in which each step finds something to act on.
LINES = [
    *(("use_some", 7), ("pass_days", 1), ("give_free", 0), ("end_trial", 0)),
    *(("use_some", 9), ("give_credit", 4), ("end_cycle", 0), ("remove_a_line", 0)),
    *(("decide", 0), ("use_other", 4), ("end_cycle", 0), ("remove_a_line", 1)),
    ("decide", 1),
]
PAYMENTS = [
    *(("end_trial", 0), ("use_some", 11), ("fail_payments", 0), ("end_cycle", 0)),
    *(("pass_days", 0), ("give_up_an_invoice", 0), ("decide", 1), ("use_some", 3)),
    *(("end_cycle", 0), ("pass_days", 0), ("void_an_invoice", 0), ("decide", 0)),
    ("fail_payments", 1),
]
CHANGES = [
    *(("use_some", 5), ("extend_trial", 9), ("pass_days", 2), ("use_other", 1)),
    *(("change_interval", 1), ("use_some", 8), ("pass_days", 3), ("use_other", 2)),
    *(("change_interval", 0), ("use_some", 3), ("pass_days", 1), ("reset_anchor", 0)),
]
PAUSES = [
    *(("end_trial", 0), ("use_some", 5), ("pause", 2), ("end_cycle", 0)),
    *(("use_some", 6), ("resume", 0), ("end_cycle", 0), ("use_some", 7)),
    *(("pause", 0), ("end_cycle", 0)),
]
CANCELS = [
    *(("end_trial", 0), ("use_some", 6), ("pass_days", 2), ("cancel", 0)),
    *(("use_some", 3), ("pass_days", 1), ("subscribe_again", 3), ("use_some", 7)),
    *(("cancel", 1), ("pass_days", 3), ("subscribe_again", 0), ("use_some", 4)),
]
LATE = [
    *(("be_late", 0), ("use_some", 5), ("pass_days", 3), ("use_some", 3)),
    *(("be_late", 0), ("end_cycle", 0), ("be_late", 0), ("remove_a_line", 0)),
    *(("be_late", 0), ("decide", 0)),
]
CHOSEN = {
    "lines": LINES,
    "payments": PAYMENTS,
    "changes": CHANGES,
    "pauses": PAUSES,
    "cancels": CANCELS,
    "late": LATE,
}


class _Undone(Exception):
    """Ends an example: all its rows are rolled back."""


def in_new_world(
    fake: FakeStripe, run: Callable[[World], None], *, clock_at: Any = NOW
) -> None:
    """Run an example with an empty Stripe, and undo it."""
    fake.reset()
    fake.pay("succeed")
    with time_machine.travel(clock_at, tick=False) as clock:
        try:
            with transaction.atomic():
                run(World(fake, clock, make_white_label(f"label-{next(_numbers)}")))
                raise _Undone
        except _Undone:
            return


def test_the_chosen_sequences_have_every_step() -> None:
    steps = {name for sequence in CHOSEN.values() for name, _ in sequence}

    assert steps == set(STEPS)


@pytest.mark.parametrize("sequence", CHOSEN.values(), ids=CHOSEN.keys())
def test_all_usage_is_somewhere_after_chosen_steps(
    fake_stripe: FakeStripe, sequence: list[tuple[str, int]]
) -> None:
    def run(world: World) -> None:
        world.do_all(sequence)
        assert world.done >= {name for name, _ in sequence}

    in_new_world(fake_stripe, run)


@examples(1)
@given(sequence=sequences)
def test_all_usage_is_somewhere_at_every_step(
    fake_stripe: FakeStripe, sequence: list[tuple[str, int]]
) -> None:
    in_new_world(fake_stripe, lambda world: world.do_all(sequence))


@examples(2)
@given(sequence=sequences, seed=st.integers())
def test_events_in_any_order_lead_to_the_same_books(
    fake_stripe: FakeStripe, sequence: list[tuple[str, int]], seed: int
) -> None:
    """Stripe's events wait until all has happened, then come in two orders."""

    def run(world: World) -> None:
        world.is_late = True
        for name, number in sequence:
            if name not in {"remove_a_line", "decide", "be_late"}:
                world.do(name, number)
        assert replay(world, seed) == replay(world, seed + 1)

    in_new_world(fake_stripe, run)


def replay(world: World, seed: int) -> list[tuple[Any, ...]]:
    """Deliver all events in one order, and return the books; then undo it."""
    books: list[tuple[Any, ...]] = []
    try:
        with transaction.atomic():
            ids = [event["id"] for event in world.fake.events()]
            random.Random(seed).shuffle(ids)
            for id_ in ids:
                world._post(id_)
                pending = StripeEvent.objects.filter(state="pending")
                for row_id in pending.values_list("id", flat=True):
                    stripe_tasks.handle_event(row_id)
            books = list_books(world.organization)
            raise _Undone
    except _Undone:
        return books
