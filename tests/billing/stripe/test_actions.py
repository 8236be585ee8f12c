"""Each action from its form to the stand-in's own state, once, by who may."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from billing import gateway
from billing.gateway import calls
from billing.models import BillingAccount, Drift, Invoice, StripeAction, Subscription
from billing.stripe import tasks
from billing.stripe.commands.actions import execution
from billing.stripe.commands.mirror.refetching import refetch_customer, refetch_invoice
from billing.stripe.queries.actions import list_due_actions
from billing.stripe.templatetags.actions import action_lead
from orgs.models import Organization, WhiteLabel
from orgs.queries.history import list_changes
from tests.factories import make_user
from tests.metrics.test_recording_parallel import together
from tests.support.actions import NOTE, Desk, seconds, work
from tests.support.fake_stripe import FakeStripe
from tests.support.stripe_mirror import customer_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
CUSTOMERS = "/v1/customers"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that fails is not tried again by the gateway itself."""
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(calls, "PATIENCE_OF_PAGES", 0)


@pytest.fixture
def desk(
    fake_stripe: FakeStripe,
    org: Organization,
    acme: WhiteLabel,
    frozen: time_machine.Traveller,
) -> Iterator[Desk]:
    yield Desk(fake_stripe, make_user("fin", "finance", white_label=acme), org, frozen)
    fake_stripe.door("script", api=[])


@pytest.fixture
def growth(desk: Desk) -> Subscription:
    """Growth by the month; Scale costs more."""
    desk.price(9900, tier="scale")
    return desk.subscribe(desk.link(), desk.price(2900))


@pytest.fixture
def team(desk: Desk) -> Subscription:
    """Seven seats of spaces."""
    price = desk.price(1100, kind="spaces", tier="team")
    return desk.subscribe(desk.link(), price, quantity=7)


def preview_of(desk: Desk, subscription: Subscription, kind: str, **chosen: Any) -> Any:
    answer = desk.client.get(desk.url(kind, subscription), chosen)
    assert answer.status_code == 200
    return answer.context


# --- customers ----------------------------------------------------------------------


def test_a_customer_is_made_and_linked(desk: Desk) -> None:
    action = desk.ask("create-customer", email="pay@example.com")

    (found,) = desk.fake.objects("customer")
    assert (action.state, action.error) == ("done", "")
    assert action.answer == {
        "customer": found["id"],
        "name": "Org-7",
        "email": "pay@example.com",
    }
    assert found["metadata"] == {
        "orgdesk_organization_id": str(desk.organization.pk),
        "orgdesk_external_id": "org-7",
    }
    account = BillingAccount.objects.get(organization=desk.organization)
    assert account.stripe_id == found["id"]
    assert desk.post("create-customer", email="b@example.com").status_code == 409


def test_a_customer_is_found_by_its_mail_and_linked(desk: Desk) -> None:
    price = desk.price(2900)
    made = desk.fake.client().v1.customers.create(
        {"email": "cfo@helios.example", "name": "Helios"}
    )
    desk.fake.client().v1.subscriptions.create(
        {"customer": made.id, "items": [{"price": price}]}
    )

    page = desk.client.get(desk.url("link-customer"), {"email": "cfo@helios.example"})
    assert "Helios" in page.content.decode()
    action = desk.ask("link-customer", customer=made.id)

    assert (action.state, action.error) == ("done", "")
    assert BillingAccount.objects.get().stripe_id == made.id
    assert Subscription.objects.get().organization == desk.organization
    assert Invoice.objects.get().total == Decimal("29.000")
    (found,) = desk.fake.objects("customer")
    assert found["metadata"]["orgdesk_organization_id"] == str(desk.organization.pk)


def test_a_customer_that_stripe_has_no_more_is_unlinked(
    desk: Desk, growth: Subscription
) -> None:
    """Its subscription ended unheard; afterwards another customer is made."""
    account = BillingAccount.objects.get(organization=desk.organization)
    gone = account.stripe_id or ""
    has_it = desk.post("unlink-customer")
    assert has_it.status_code == 409
    assert "data-problem" in has_it.content.decode()
    desk.fake.client().v1.customers.delete(gone)
    refetch_customer(gone)
    page = desk.client.get(desk.tab).content.decode()
    assert desk.url("unlink-customer") in page
    assert desk.post("unlink-customer", note=" ").status_code == 422
    start = desk.post("start", price=growth.stripe_price_id)
    assert start.status_code == 409
    assert "data-problem" in start.content.decode()

    action = desk.ask("unlink-customer")

    assert (action.state, action.error) == ("done", "")
    account.refresh_from_db()
    assert account.stripe_id is None
    growth.refresh_from_db()
    assert growth.status == "canceled"
    assert not Drift.objects.filter(healed_at=None).exists()
    found = list_changes(desk.organization.id, of=["billing account"])[0]
    assert (found.verb, found.who, found.why) == ("changed", "fin", NOTE)
    assert desk.ask("create-customer", email="a@example.com").state == "done"
    account.refresh_from_db()
    assert account.stripe_id not in (None, gone)


def test_a_customer_that_stripe_has_is_not_unlinked(
    desk: Desk, growth: Subscription
) -> None:
    """The warning is of another day: Stripe is asked once more."""
    account = BillingAccount.objects.get(organization=desk.organization)
    Drift.objects.create(
        kind="no_customer",
        stripe_id=account.stripe_id or "",
        **dict.fromkeys(("theirs_at", "first_seen_at", "last_seen_at"), timezone.now()),
    )

    action = desk.ask("unlink-customer")

    assert (action.state, action.error_code) == ("failed", "billing.action_impossible")
    before = account.stripe_id
    account.refresh_from_db()
    assert account.stripe_id == before


def test_anothers_customer_is_refused_and_not_named(desk: Desk) -> None:
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    taken = customer_of(desk.fake, decoy)
    BillingAccount.objects.create(organization=decoy, stripe_id=taken)
    named = customer_of(desk.fake, decoy)  # theirs by metadata alone
    for id_ in (taken, named):
        client = desk.fake.client().v1.customers
        client.update(id_, {"email": "x@example.com", "name": "Secret Decoys Ltd"})

    page = desk.client.get(desk.url("link-customer"), {"email": "x@example.com"})
    html = page.content.decode()
    assert "Secret" not in html
    assert html.count("choices__one--off") == 2
    refused = desk.post("link-customer", customer=taken, email="x@example.com")
    assert refused.status_code == 422
    assert list(refused.context["form"].errors) == ["customer"]
    action = desk.ask("link-customer", customer=named)

    assert (action.state, action.error_code) == ("failed", "billing.customer_taken")
    assert not BillingAccount.objects.filter(organization=desk.organization).exists()
    assert BillingAccount.objects.get(organization=decoy).stripe_id == taken


def test_bad_input_asks_nothing(desk: Desk) -> None:
    no_note = desk.post("create-customer", email="a@example.com", note=" ")
    no_mail = desk.post("create-customer", email="nobody")
    no_id = desk.post("link-customer", customer="../v1/prices")
    nul = desk.post("create-customer", email="a@example.com", note="a\0b")

    assert [one.status_code for one in (no_note, no_mail, no_id, nul)] == [422] * 4
    assert set(no_note.context["form"].errors) == {"note"}
    assert set(no_mail.context["form"].errors) == {"email"}
    assert NOTE in no_mail.content.decode()  # nothing that was written is lost
    assert not StripeAction.objects.exists()


# --- a subscription's life ----------------------------------------------------------


def test_a_subscription_starts_with_a_trial(desk: Desk) -> None:
    desk.link()
    price = desk.price(2900)
    form = desk.client.get(desk.url("start")).content.decode()
    assert escape(action_lead("start")) in form

    action = desk.ask("start", price=price, trial_days=14, days_until_due=30)

    (found,) = desk.fake.objects("subscription")
    assert (action.state, action.error) == ("done", "")
    assert action.answer
    assert action.answer["status"] == "trialing"
    assert found["trial_end"] == seconds("2026-12-05T12:00")
    assert (found["collection_method"], found["days_until_due"]) == ("send_invoice", 30)
    row = Subscription.objects.get()
    assert (row.stripe_id, row.status, row.tier) == (found["id"], "trialing", "growth")
    assert desk.post("start", price=price).status_code == 409


def test_spaces_are_sold_by_the_seat(desk: Desk) -> None:
    desk.link()
    platform = desk.price(2900)
    spaces = desk.price(1100, kind="spaces", tier="team")
    euros = desk.price(1100, currency="eur")

    assert desk.post("start", price=spaces).status_code == 422
    assert desk.post("start", price=platform, seats=3).status_code == 422
    assert desk.post("start", price=euros).status_code == 422
    action = desk.ask("start", price=spaces, seats=11)

    assert action.answer
    assert action.answer["seats"] == 11
    assert Subscription.objects.get().seats == 11
    assert Invoice.objects.get().total == Decimal("121.000")


def test_a_tier_changes_now_for_what_the_preview_said(
    desk: Desk, growth: Subscription
) -> None:
    scale = desk.price(19900, tier="max")
    desk.pass_time(days=10)

    shown = preview_of(desk, growth, "change-tier", price=scale, when="now")
    preview, form = shown["preview"], shown["form"]
    assert preview.prorated > 0
    desk.pass_time(hours=0.25)
    action = desk.ask(
        "change-tier",
        growth,
        price=scale,
        when="now",
        proration_at=form["proration_at"].value(),
    )

    assert (action.state, action.error) == ("done", "")
    found = desk.theirs(growth)
    assert found["items"]["data"][0]["price"]["id"] == scale
    made = [one["amount"] for one in desk.fake.objects("invoiceitem")]
    assert Decimal(sum(made)) / 100 == preview.prorated
    growth.refresh_from_db()
    assert (growth.tier, growth.stripe_price_id) == ("max", scale)


def test_a_preview_is_of_this_change_alone(desk: Desk, growth: Subscription) -> None:
    chosen = {"price": desk.price(19900, tier="max"), "when": "now"}
    desk.pass_time(days=10)
    first = preview_of(desk, growth, "change-tier", **chosen)
    at = first["form"]["proration_at"].value()
    desk.ask("change-tier", growth, **chosen, proration_at=at)
    desk.pass_time(days=5)

    back = {"price": growth.stripe_price_id, "when": "now"}
    shown = preview_of(desk, growth, "change-tier", **back)["preview"]

    assert first["preview"].prorated == Decimal("113.34")  # 132.67 - 19.33
    assert shown.prorated == Decimal("-85.00")  # -170 for 15 of 30 days
    assert shown.total == Decimal("57.34")  # both, and 29 for the next month


def test_a_change_now_needs_a_preview_of_this_hour(
    desk: Desk, growth: Subscription
) -> None:
    scale = desk.price(19900, tier="max")
    old = "2026-11-21T10:00:00+0000"

    blind = desk.post("change-tier", growth, price=scale, when="now")
    late = desk.post("change-tier", growth, price=scale, when="now", proration_at=old)
    same = desk.client.get(
        desk.url("change-tier", growth),
        {"price": growth.stripe_price_id, "when": "now"},
    )

    assert (blind.status_code, late.status_code) == (422, 422)
    assert late.context["form"].non_field_errors()
    assert "preview" not in same.context
    assert not StripeAction.objects.exists()


def test_a_tier_changes_when_its_period_ends(desk: Desk, growth: Subscription) -> None:
    scale = desk.price(19900, tier="max")
    chosen = {"price": scale, "when": "period_end"}
    shown = preview_of(desk, growth, "change-tier", **chosen)
    assert shown["later"].unit_amount == Decimal(199)

    planned = desk.ask("change-tier", growth, **chosen)

    assert growth.period_ends_at
    assert planned.next_attempt_at == growth.period_ends_at - timedelta(hours=1)
    assert (planned.state, list_due_actions(9)) == ("pending", [])
    assert desk.post("change-tier", growth, **chosen).status_code == 409
    assert desk.post("pause", growth, reason="x").status_code == 302  # not in its way
    StripeAction.objects.exclude(pk=planned.pk).delete()
    desk.pass_time(days=29, hours=23.5)
    assert list_due_actions(9) == [planned.pk]
    tasks.do_action(planned.pk)
    desk.fake.advance(hours=1)

    planned.refresh_from_db()
    assert (planned.state, planned.error) == ("done", "")
    assert not desk.fake.objects("invoiceitem")
    newest = max(desk.fake.objects("invoice"), key=lambda one: int(one["created"]))
    assert (newest["billing_reason"], newest["total"]) == ("subscription_cycle", 19900)


def test_a_planned_change_is_canceled(desk: Desk, growth: Subscription) -> None:
    scale = desk.price(19900, tier="max")
    planned = desk.ask("change-tier", growth, price=scale, when="period_end")
    url = f"{desk.tab}actions/{planned.pk}/"
    assert f'action="{url}cancel/"' in desk.client.get(url).content.decode()

    assert desk.client.post(f"{url}cancel/").status_code == 302
    assert desk.client.post(f"{url}cancel/").status_code == 409

    planned.refresh_from_db()
    assert (planned.state, planned.error_code) == ("canceled", "")
    assert desk.client.post(f"{url}retry/").status_code == 409
    assert "fin" in planned.error
    page = desk.client.get(url).content.decode()
    assert planned.error in page
    assert 'data-state="canceled"' in page


def test_a_period_that_is_over_is_not_changed(desk: Desk, growth: Subscription) -> None:
    scale = desk.price(19900, tier="max")
    planned = desk.ask("change-tier", growth, price=scale, when="period_end")
    desk.pass_time(days=31)

    tasks.do_action(planned.pk)

    planned.refresh_from_db()
    assert (planned.state, planned.error_code) == (
        "failed",
        "billing.action_impossible",
    )
    assert desk.theirs(growth)["items"]["data"][0]["price"]["id"] != scale


def test_another_cycle_does_not_wait(desk: Desk, growth: Subscription) -> None:
    yearly = desk.price(99_000, tier="growth", interval="year")
    chosen = {"price": yearly, "when": "period_end"}

    page = desk.client.get(desk.url("change-tier", growth), chosen)

    assert list(page.context["choice"].errors) == ["when"]
    assert desk.post("change-tier", growth, **chosen).status_code == 422


def test_seats_change_for_what_the_preview_said(desk: Desk, team: Subscription) -> None:
    desk.pass_time(days=15)
    shown = preview_of(desk, team, "seats", seats=11)
    assert shown["preview"].prorated == Decimal("22.00")  # 4 x 11 for half of 30 days

    at = shown["form"]["proration_at"].value()
    action = desk.ask("seats", team, seats=11, proration_at=at)

    assert (action.state, action.error) == ("done", "")
    assert desk.theirs(team)["items"]["data"][0]["quantity"] == 11
    made = [one["amount"] for one in desk.fake.objects("invoiceitem")]
    assert sum(made) == 2200
    team.refresh_from_db()
    assert team.seats == 11
    assert desk.post("seats", team, seats=0).status_code == 422
    assert desk.post("seats", team, seats=2**40).status_code == 422


def test_paused_with_a_reason_and_resumed(desk: Desk, growth: Subscription) -> None:
    assert desk.post("resume", growth).status_code == 409
    paused = desk.ask("pause", growth, reason="moves house")

    found = desk.theirs(growth)
    assert (paused.state, paused.error) == ("done", "")
    assert found["pause_collection"]["behavior"] == "void"
    assert found["metadata"]["orgdesk_pause_reason"] == "moves house"
    growth.refresh_from_db()
    assert (growth.status, growth.pause_reason) == ("paused", "moves house")
    assert desk.post("pause", growth, reason="again").status_code == 409

    desk.ask("resume", growth)

    assert desk.theirs(growth)["pause_collection"] is None
    growth.refresh_from_db()
    assert (growth.status, growth.pause_reason) == ("active", "")


def test_it_ends_on_a_day_and_that_is_undone(desk: Desk, growth: Subscription) -> None:
    past = desk.post("cancel", growth, when="date", date="2026-11-21")
    far = desk.post("cancel", growth, when="date", date="9999-12-31")
    none = desk.post("cancel", growth, when="date")
    undo = desk.post("cancel", growth, when="undo")
    assert {past.status_code, far.status_code, none.status_code} == {422}
    assert undo.status_code == 422
    assert set(far.context["form"].errors) == {"date"}

    ended = desk.ask("cancel", growth, when="date", date="2026-12-11")

    assert (ended.state, ended.error) == ("done", "")
    assert desk.theirs(growth)["cancel_at"] == seconds("2026-12-11T00:00")
    growth.refresh_from_db()
    assert growth.cancels_at
    assert growth.cancels_at.isoformat()[:10] == "2026-12-11"

    desk.ask("cancel", growth, when="undo")

    assert desk.theirs(growth)["cancel_at"] is None
    growth.refresh_from_db()
    assert growth.cancels_at is None

    desk.ask("cancel", growth, when="period_end")
    growth.refresh_from_db()
    assert growth.cancels_at == growth.period_ends_at


def test_a_trial_ends_later_or_now(desk: Desk) -> None:
    price = desk.price(2900)
    trial = desk.subscribe(desk.link(), price, trial_period_days=7)

    moved = desk.ask("trial-end", trial, when="date", date="2026-12-24")

    assert (moved.state, moved.error) == ("done", "")
    assert desk.theirs(trial)["trial_end"] == seconds("2026-12-24T00:00")
    trial.refresh_from_db()
    assert trial.trial_ends_at
    assert trial.trial_ends_at.day == 24

    desk.ask("trial-end", trial, when="now")

    trial.refresh_from_db()
    assert trial.status == desk.theirs(trial)["status"] == "active"
    totals = sorted(Invoice.objects.values_list("total", flat=True))
    assert totals == [Decimal(0), Decimal(29)]  # of the trial, and what it costs now
    assert desk.post("trial-end", trial, when="now").status_code == 409


def test_a_payment_link_is_sent(desk: Desk) -> None:
    customer, price = desk.link(), desk.price(2900)
    more = {"collection_method": "send_invoice", "days_until_due": 30}
    desk.subscribe(customer, price, **more)
    assert desk.post("payment-link", invoice="in_1").status_code == 409
    desk.fake.advance(hours=2)
    (found,) = desk.fake.objects("invoice")
    refetch_invoice(found["id"])
    sent_before = len(desk.fake.events("invoice.sent"))

    action = desk.ask("payment-link", invoice=found["id"])

    assert (action.state, action.error) == ("done", "")
    assert action.answer
    assert action.answer["link"] == Invoice.objects.get().hosted_url
    assert action.answer["due"] == "29.00 USD"
    assert action.answer["email"].startswith("sent")
    assert len(desk.fake.events("invoice.sent")) == sent_before + 1


def test_of_an_invoice_that_stripe_charges_the_link_is_answered(desk: Desk) -> None:
    desk.fake.pay("fail")
    desk.subscribe(desk.link(), desk.price(2900))
    invoice = Invoice.objects.get()

    action = desk.ask("payment-link", invoice=invoice.stripe_id)

    assert (action.state, action.error) == ("done", "")
    assert action.answer
    assert action.answer["link"] == invoice.hosted_url
    assert action.answer["email"].startswith("not sent")
    assert not desk.fake.events("invoice.sent")
    desk.fake.pay("succeed")
    desk.fake.client().v1.invoices.pay(invoice.stripe_id)  # and no webhook came
    late = desk.ask("payment-link", invoice=invoice.stripe_id)
    assert (late.state, late.error_code) == ("failed", "billing.action_impossible")
    assert "paid" in late.error
    assert Invoice.objects.get().status == "paid"


# --- once, whatever happens ---------------------------------------------------------


class Killed(BaseException):
    pass


STEPS: list[tuple[Any, str]] = [
    (gateway, "create_customer"),
    (execution, "_claim"),
    (execution, "_done"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("where", "step"), STEPS)
def test_killed_at_any_step_it_is_done_once(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    step: str,
    after: bool,
) -> None:
    real = getattr(where, step)

    def killed(*args: Any, **options: Any) -> Any:
        if after:
            real(*args, **options)
        raise Killed

    asked = desk.post("create-customer", email="a@example.com")
    monkeypatch.setattr(where, step, killed)
    with pytest.raises(Killed):
        work(asked)
    monkeypatch.setattr(where, step, real)
    if (step, after) not in {("_claim", False), ("_done", True)}:
        assert work(asked).state == "running"  # somebody's lease is respected
    desk.pass_time(hours=0.1)

    assert work(asked).state == "done"
    (found,) = desk.fake.objects("customer")
    assert BillingAccount.objects.get().stripe_id == found["id"]


def test_a_connection_cut_after_the_commit_acts_once(desk: Desk) -> None:
    desk.fake.fault("disconnect_after", CUSTOMERS, method="POST")
    asked = desk.post("create-customer", email="a@example.com")

    cut = work(asked)

    assert (cut.state, cut.error_code) == ("pending", "stripe.unavailable")
    assert len(desk.fake.objects("customer")) == 1
    waits = desk.client.get(asked["Location"]).content.decode()
    assert 'data-attempts="1"' in waits
    desk.pass_time(hours=0.002)
    assert list_due_actions(9) == [cut.pk]
    assert work(asked).state == "done"
    assert len(desk.fake.objects("customer")) == 1


def test_a_form_sent_twice_asks_once(desk: Desk, growth: Subscription) -> None:
    first = desk.post("pause", growth, reason="a", form="one")
    second = desk.post("pause", growth, reason="a", form="one")
    other = desk.post("pause", growth, reason="a", form="two")

    assert first["Location"] == second["Location"]
    assert other.status_code == 409
    assert StripeAction.objects.count() == 1


@pytest.mark.usefixtures("committed")
def test_of_two_at_once_one_is_asked(desk: Desk) -> None:
    """Each in a transaction of its own, at the same moment."""

    def ask(one: Desk) -> int:
        return int(one.post("create-customer", email="a@example.com").status_code)

    people = [desk.as_(desk.user) for _ in range(4)]
    statuses = together(partial(ask, one) for one in people)

    assert sorted(statuses) == [302, 409, 409, 409]
    assert StripeAction.objects.count() == 1


def test_a_refusal_is_said_in_stripes_words_and_asked_again(
    desk: Desk, growth: Subscription
) -> None:
    client = desk.fake.client().v1.subscriptions
    client.cancel(growth.stripe_id)  # in Stripe's own pages, and no webhook came

    action = desk.ask("pause", growth, reason="moves house")

    assert action.state == "failed"
    assert "canceled subscription" in action.error
    page = desk.client.get(f"{desk.tab}actions/{action.pk}/").content.decode()
    assert "A canceled subscription can only update" in page
    assert f"actions/{action.pk}/retry/" in page
    assert len(desk.fake.requests(f"/v1/subscriptions/{growth.stripe_id}", "POST")) == 1
    again = desk.client.post(f"{desk.tab}actions/{action.pk}/retry/")
    assert work(again).state == "failed"
    posts = desk.fake.requests(f"/v1/subscriptions/{growth.stripe_id}", "POST")
    keys = [post["idempotency_key"] for post in posts]
    assert keys == [f"action-{action.pk}-pause-v1", f"action-{action.pk}-pause-v2"]


def test_given_up_after_an_hour_and_never_blindly_after_a_day(desk: Desk) -> None:
    desk.fake.fault("error", CUSTOMERS, times=0)
    asked = desk.post("create-customer", email="a@example.com")
    start = timezone.now()
    while (action := work(asked)).state != "failed":
        desk.clock.move_to(action.next_attempt_at + timedelta(seconds=1))

    assert timedelta(minutes=50) < timezone.now() - start < timedelta(hours=2)
    assert action.attempts == 24
    desk.fake.door("script", api=[])
    desk.pass_time(days=1)
    late = desk.client.post(f"{asked['Location']}retry/")
    assert late.status_code == 409
    assert not desk.fake.objects("customer")


def test_history_says_who_and_why(desk: Desk, growth: Subscription) -> None:
    desk.ask("pause", growth, reason="moves house")

    found = list_changes(desk.organization.id, of=["subscription"])[0]

    assert (found.verb, found.who, found.why) == ("changed", "fin", NOTE)
    page = desk.client.get(f"/organizations/{desk.organization.pk}/history/")
    assert NOTE in page.content.decode()


# --- who may ------------------------------------------------------------------------

ASKS: dict[str, dict[str, Any]] = {
    "create-customer": {"email": "a@example.com"},
    "link-customer": {"customer": "cus_1"},
    "unlink-customer": {},
    "start": {"price": "price_1"},
    "payment-link": {"invoice": "in_1"},
    "change-tier": {"price": "price_1", "when": "now"},
    "seats": {"seats": 3},
    "trial-end": {"when": "now"},
    "pause": {"reason": "x"},
    "resume": {},
    "cancel": {"when": "period_end"},
}


@pytest.mark.parametrize("kind", ASKS)
def test_each_action_is_its_own_peoples_with_the_role(
    desk: Desk, growth: Subscription, acme: WhiteLabel, kind: str
) -> None:
    subscription = None if kind in list(ASKS)[:5] else growth
    decoy = WhiteLabel.objects.get(slug="decoy")
    people = {
        404: make_user("stranger", "finance", white_label=decoy),
        403: make_user("viewer", "viewer", white_label=acme),
    }
    for status, user in people.items():
        theirs = desk.as_(user)
        assert theirs.post(kind, subscription, **ASKS[kind]).status_code == status
        answer = theirs.client.get(theirs.url(kind, subscription))
        assert answer.status_code == status
    support = desk.as_(make_user("sup", "support", white_label=acme))
    assert support.post(kind, subscription, **ASKS[kind]).status_code == 403
    operator = desk.as_(make_user("op", "operator"))
    mine = operator.client.get(operator.url(kind, subscription))
    assert mine.status_code in {200, 409}
    assert not StripeAction.objects.exists()


def test_another_organizations_subscription_is_not_there(
    desk: Desk, growth: Subscription
) -> None:
    other = Organization.objects.exclude(pk=desk.organization.pk).filter(
        white_label=desk.organization.white_label
    )[0]
    elsewhere = Desk(desk.fake, desk.user, other, desk.clock)

    assert elsewhere.post("pause", growth, reason="x").status_code == 404
    assert desk.post("pause", None, reason="x").status_code == 404
    assert desk.post("nothing", growth).status_code == 404


def test_an_action_is_seen_by_its_own_people(
    desk: Desk, growth: Subscription, acme: WhiteLabel
) -> None:
    action = desk.ask("pause", growth, reason="x")
    url = f"{desk.tab}actions/{action.pk}/"
    stranger = make_user(
        "s", "finance", white_label=WhiteLabel.objects.get(slug="decoy")
    )
    viewer = make_user("v", "viewer", white_label=acme)

    statuses = []
    for user in (stranger, viewer):
        client = Client()
        client.force_login(user)
        posts = [
            client.post(f"{url}{verb}/").status_code for verb in ("retry", "cancel")
        ]
        statuses.append([client.get(url).status_code, *posts])

    assert statuses == [[404, 404, 404], [200, 403, 403]]


def test_without_an_account_nothing_is_asked(desk: Desk, settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = ""

    answer = desk.post("create-customer", email="a@example.com")

    assert answer.status_code == 409
    assert not StripeAction.objects.exists()
