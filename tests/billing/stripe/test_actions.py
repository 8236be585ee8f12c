"""Each Stripe action, from its form to the state of the fake: once, with permission."""

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
from billing.models import (
    BillingAccount,
    Discrepancy,
    Invoice,
    StripeAction,
    Subscription,
)
from billing.stripe import tasks
from billing.stripe.commands.actions import execution
from billing.stripe.commands.mirror.refetches import (
    refetch_customer,
    refetch_invoice,
    refetch_subscription,
)
from billing.stripe.queries.actions import list_due_actions
from billing.stripe.templatetags.actions import action_description
from orgs.commands import work as work_commands
from orgs.models import Organization, WhiteLabel
from orgs.queries.history import list_changes
from tests.factories import make_organization, make_user
from tests.support.actions import NOTE, StaffContext, make_growth, seconds, work
from tests.support.fake_stripe import FakeStripe
from tests.support.parallel import together
from tests.support.stripe_mirror import customer_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]
CUSTOMERS = "/v1/customers"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the gateway from retrying calls that fail."""
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0)
    monkeypatch.setattr(calls, "PAGE_DEADLINE_SECONDS", 0)


@pytest.fixture
def staff(
    fake_stripe: FakeStripe,
    org: Organization,
    acme: WhiteLabel,
    frozen: time_machine.Traveller,
) -> Iterator[StaffContext]:
    yield StaffContext(
        fake_stripe, make_user("fin", "finance", white_label=acme), org, frozen
    )
    fake_stripe.control("script", api=[])


@pytest.fixture
def growth(staff: StaffContext) -> Subscription:
    """Create a monthly subscription to Growth; Scale costs more."""
    return make_growth(staff.fake, staff.organization)


@pytest.fixture
def team(staff: StaffContext) -> Subscription:
    """Create a subscription with seven seats of spaces."""
    price = staff.price(1100, kind="spaces", tier="team")
    return staff.subscribe(staff.link(), price, quantity=7)


def preview_of(
    staff: StaffContext, subscription: Subscription, kind: str, **chosen: Any
) -> Any:
    answer = staff.client.get(staff.url(kind, subscription), chosen)
    assert answer.status_code == 200
    return answer.context


# --- customers ----------------------------------------------------------------------


def test_a_customer_is_created_and_linked(staff: StaffContext) -> None:
    action = staff.ask("create-customer", email="pay@example.com")

    (customer,) = staff.fake.objects("customer")
    assert (action.state, action.error) == ("done", "")
    assert action.answer == {
        "customer": customer["id"],
        "name": "Org-7",
        "email": "pay@example.com",
    }
    assert customer["metadata"] == {
        "orgdesk_organization_id": str(staff.organization.pk),
        "orgdesk_external_id": "org-7",
    }
    account = BillingAccount.objects.get(organization=staff.organization)
    assert account.stripe_id == customer["id"]
    assert staff.post("create-customer", email="b@example.com").status_code == 409


def test_a_customer_is_found_by_email_and_linked(staff: StaffContext) -> None:
    price = staff.price(2900)
    made = staff.fake.client().v1.customers.create(
        {"email": "cfo@helios.example", "name": "Helios"}
    )
    staff.fake.client().v1.subscriptions.create(
        {"customer": made.id, "items": [{"price": price}]}
    )

    page = staff.client.get(staff.url("link-customer"), {"email": "cfo@helios.example"})
    assert "Helios" in page.content.decode()
    action = staff.ask("link-customer", customer=made.id)

    assert (action.state, action.error) == ("done", "")
    assert BillingAccount.objects.get().stripe_id == made.id
    assert Subscription.objects.get().organization == staff.organization
    assert Invoice.objects.get().total == Decimal("29.000")
    (customer,) = staff.fake.objects("customer")
    assert customer["metadata"]["orgdesk_organization_id"] == str(staff.organization.pk)


def test_a_customer_deleted_in_stripe_is_unlinked(
    staff: StaffContext, growth: Subscription
) -> None:
    """The subscription ended without a webhook; a new customer can be created."""
    account = BillingAccount.objects.get(organization=staff.organization)
    deleted_id = account.stripe_id or ""
    refused = staff.post("unlink-customer")
    assert refused.status_code == 409
    assert "data-problem" in refused.content.decode()
    staff.fake.client().v1.customers.delete(deleted_id)
    refetch_customer(deleted_id)
    page = staff.client.get(staff.tab).content.decode()
    assert staff.url("unlink-customer") in page
    assert staff.post("unlink-customer", note=" ").status_code == 422
    start = staff.post("start", price=growth.stripe_price_id)
    assert start.status_code == 409
    assert "data-problem" in start.content.decode()

    action = staff.ask("unlink-customer")

    assert (action.state, action.error) == ("done", "")
    account.refresh_from_db()
    assert account.stripe_id is None
    growth.refresh_from_db()
    assert growth.status == "canceled"
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    change = list_changes(staff.organization.id, models=["billing account"])[0]
    assert (change.verb, change.user, change.reason) == ("changed", "fin", NOTE)
    assert staff.ask("create-customer", email="a@example.com").state == "done"
    account.refresh_from_db()
    assert account.stripe_id not in (None, deleted_id)


def test_a_customer_that_exists_in_stripe_is_not_unlinked(
    staff: StaffContext, growth: Subscription
) -> None:
    """The warning may be old, so Stripe is queried again."""
    account = BillingAccount.objects.get(organization=staff.organization)
    Discrepancy.objects.create(
        kind="no_customer",
        stripe_id=account.stripe_id or "",
        **dict.fromkeys(
            ("stripe_read_at", "first_seen_at", "last_seen_at"), timezone.now()
        ),
    )

    action = staff.ask("unlink-customer")

    assert (action.state, action.error_code) == ("failed", "billing.action_impossible")
    before = account.stripe_id
    account.refresh_from_db()
    assert account.stripe_id == before


def test_customers_of_other_white_labels_are_like_ones_that_do_not_exist(
    staff: StaffContext,
) -> None:
    """An address cannot be tested for being one, by search or action."""
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    linked = customer_of(staff.fake, decoy)
    BillingAccount.objects.create(organization=decoy, stripe_id=linked)
    named = customer_of(staff.fake, decoy)  # linked by its metadata only
    for id_ in (linked, named):
        client = staff.fake.client().v1.customers
        client.update(id_, {"email": "x@example.com", "name": "Secret Decoys Ltd"})

    url = staff.url("link-customer")
    linked_page, absent_page = (
        staff.client.get(url, {"email": f"{name}@example.com"}).context
        for name in ("x", "absent")
    )
    assert linked_page["customers"] == absent_page["customers"] == []
    actions = [
        staff.ask("link-customer", customer=id_) for id_ in (linked, named, "cus_none")
    ]

    answers = {
        (action.state, action.error_code, action.error.replace(id_, ""))
        for action, id_ in zip(actions, (linked, named, "cus_none"), strict=True)
    }
    assert {answer[:2] for answer in answers} == {("failed", "billing.customer_taken")}
    assert len(answers) == 1
    assert not BillingAccount.objects.filter(organization=staff.organization).exists()
    assert BillingAccount.objects.get(organization=decoy).stripe_id == linked


def test_a_customer_of_the_same_white_label_is_refused_unnamed(
    staff: StaffContext, acme: WhiteLabel
) -> None:
    neighbor = make_organization(acme, "org-8")
    linked = customer_of(staff.fake, neighbor)
    BillingAccount.objects.create(organization=neighbor, stripe_id=linked)
    client = staff.fake.client().v1.customers
    client.update(linked, {"email": "x@example.com", "name": "Secret Ltd"})

    page = staff.client.get(staff.url("link-customer"), {"email": "x@example.com"})
    refused = staff.post("link-customer", customer=linked, email="x@example.com")

    assert [customer.is_unavailable for customer in page.context["customers"]] == [True]
    assert "Secret" not in page.content.decode()
    assert refused.status_code == 422
    assert list(refused.context["form"].errors) == ["customer"]


def test_invalid_input_creates_no_action(staff: StaffContext) -> None:
    no_note = staff.post("create-customer", email="a@example.com", note=" ")
    no_mail = staff.post("create-customer", email="nobody")
    no_id = staff.post("link-customer", customer="../v1/prices")
    nul = staff.post("create-customer", email="a@example.com", note="a\0b")

    assert [one.status_code for one in (no_note, no_mail, no_id, nul)] == [422] * 4
    assert set(no_note.context["form"].errors) == {"note"}
    assert set(no_mail.context["form"].errors) == {"email"}
    assert NOTE in no_mail.content.decode()  # the form keeps its input
    assert not StripeAction.objects.exists()


# --- subscriptions ------------------------------------------------------------------


def test_a_subscription_starts_with_a_trial(staff: StaffContext) -> None:
    staff.link()
    price = staff.price(2900)
    form = staff.client.get(staff.url("start")).content.decode()
    assert escape(action_description("start")) in form

    action = staff.ask("start", price=price, trial_days=14, days_until_due=30)

    (subscription,) = staff.fake.objects("subscription")
    assert (action.state, action.error) == ("done", "")
    assert action.answer
    assert action.answer["status"] == "trialing"
    assert subscription["trial_end"] == seconds("2026-12-05T12:00")
    assert (subscription["collection_method"], subscription["days_until_due"]) == (
        "send_invoice",
        30,
    )
    row = Subscription.objects.get()
    assert (row.stripe_id, row.status, row.tier) == (
        subscription["id"],
        "trialing",
        "growth",
    )
    assert staff.post("start", price=price).status_code == 409


def test_spaces_are_sold_by_the_seat(staff: StaffContext) -> None:
    staff.link()
    platform = staff.price(2900)
    spaces = staff.price(1100, kind="spaces", tier="team")
    euros = staff.price(1100, currency="eur")

    assert staff.post("start", price=spaces).status_code == 422
    assert staff.post("start", price=platform, seats=3).status_code == 422
    assert staff.post("start", price=euros).status_code == 422
    action = staff.ask("start", price=spaces, seats=11)

    assert action.answer
    assert action.answer["seats"] == 11
    assert Subscription.objects.get().seats == 11
    assert Invoice.objects.get().total == Decimal("121.000")


def test_an_immediate_tier_change_costs_what_its_preview_shows(
    staff: StaffContext, growth: Subscription
) -> None:
    scale = staff.price(19900, tier="max")
    staff.pass_time(days=10)

    shown = preview_of(staff, growth, "change-tier", price=scale, when="now")
    preview, form = shown["preview"], shown["form"]
    assert preview.prorated > 0
    staff.pass_time(hours=0.25)
    action = staff.ask(
        "change-tier",
        growth,
        price=scale,
        when="now",
        proration_at=form["proration_at"].value(),
    )

    assert (action.state, action.error) == ("done", "")
    subscription = staff.in_stripe(growth)
    assert subscription["items"]["data"][0]["price"]["id"] == scale
    made = [one["amount"] for one in staff.fake.objects("invoiceitem")]
    assert Decimal(sum(made)) / 100 == preview.prorated
    growth.refresh_from_db()
    assert (growth.tier, growth.stripe_price_id) == ("max", scale)


def test_a_preview_prorates_only_its_change(
    staff: StaffContext, growth: Subscription
) -> None:
    chosen = {"price": staff.price(19900, tier="max"), "when": "now"}
    staff.pass_time(days=10)
    first = preview_of(staff, growth, "change-tier", **chosen)
    at = first["form"]["proration_at"].value()
    staff.ask("change-tier", growth, **chosen, proration_at=at)
    staff.pass_time(days=5)

    back = {"price": growth.stripe_price_id, "when": "now"}
    shown = preview_of(staff, growth, "change-tier", **back)["preview"]

    assert first["preview"].prorated == Decimal("113.34")  # 132.67 - 19.33
    assert shown.prorated == Decimal("-85.00")  # -170 for 15 of 30 days
    assert shown.total == Decimal("57.34")  # both, and 29 for the next month


def test_an_immediate_change_requires_a_recent_preview(
    staff: StaffContext, growth: Subscription
) -> None:
    scale = staff.price(19900, tier="max")
    old = "2026-11-21T10:00:00+0000"

    blind = staff.post("change-tier", growth, price=scale, when="now")
    late = staff.post("change-tier", growth, price=scale, when="now", proration_at=old)
    same = staff.client.get(
        staff.url("change-tier", growth),
        {"price": growth.stripe_price_id, "when": "now"},
    )

    assert (blind.status_code, late.status_code) == (422, 422)
    assert late.context["form"].non_field_errors()
    assert "preview" not in same.context
    assert not StripeAction.objects.exists()


def test_a_tier_changes_when_its_period_ends(
    staff: StaffContext, growth: Subscription
) -> None:
    scale = staff.price(19900, tier="max")
    chosen = {"price": scale, "when": "period_end"}
    shown = preview_of(staff, growth, "change-tier", **chosen)
    assert shown["scheduled_price"].unit_amount == Decimal(199)

    planned = staff.ask("change-tier", growth, **chosen)

    assert growth.period_ends_at
    assert planned.next_attempt_at == growth.period_ends_at - timedelta(hours=1)
    assert (planned.state, list_due_actions(9)) == ("pending", [])
    assert staff.post("change-tier", growth, **chosen).status_code == 409
    # A planned change does not block other actions.
    assert staff.post("pause", growth, reason="x").status_code == 302
    StripeAction.objects.exclude(pk=planned.pk).delete()
    staff.pass_time(days=29, hours=23.5)
    assert list_due_actions(9) == [planned.pk]
    tasks.do_action(planned.pk)
    staff.fake.advance(hours=1)

    planned.refresh_from_db()
    assert (planned.state, planned.error) == ("done", "")
    assert not staff.fake.objects("invoiceitem")
    newest = max(staff.fake.objects("invoice"), key=lambda one: int(one["created"]))
    assert (newest["billing_reason"], newest["total"]) == ("subscription_cycle", 19900)


def test_a_planned_change_is_canceled(
    staff: StaffContext, growth: Subscription
) -> None:
    scale = staff.price(19900, tier="max")
    planned = staff.ask("change-tier", growth, price=scale, when="period_end")
    url = f"{staff.tab}actions/{planned.pk}/"
    assert f'action="{url}cancel/"' in staff.client.get(url).content.decode()

    assert staff.client.post(f"{url}cancel/").status_code == 302
    assert staff.client.post(f"{url}cancel/").status_code == 409

    planned.refresh_from_db()
    assert (planned.state, planned.error_code) == ("canceled", "")
    assert staff.client.post(f"{url}retry/").status_code == 409
    assert "fin" in planned.error
    page = staff.client.get(url).content.decode()
    assert planned.error in page
    assert 'data-state="canceled"' in page


def test_a_planned_change_fails_after_the_end_of_its_period(
    staff: StaffContext, growth: Subscription
) -> None:
    scale = staff.price(19900, tier="max")
    planned = staff.ask("change-tier", growth, price=scale, when="period_end")
    staff.pass_time(days=31)

    tasks.do_action(planned.pk)

    planned.refresh_from_db()
    assert (planned.state, planned.error_code) == (
        "failed",
        "billing.action_impossible",
    )
    assert staff.in_stripe(growth)["items"]["data"][0]["price"]["id"] != scale


def test_another_billing_cycle_cannot_wait_for_the_period_end(
    staff: StaffContext, growth: Subscription
) -> None:
    yearly = staff.price(99_000, tier="growth", interval="year")
    chosen = {"price": yearly, "when": "period_end"}

    page = staff.client.get(staff.url("change-tier", growth), chosen)

    assert list(page.context["choice"].errors) == ["when"]
    assert staff.post("change-tier", growth, **chosen).status_code == 422


def test_a_change_of_seats_costs_what_its_preview_shows(
    staff: StaffContext, team: Subscription
) -> None:
    staff.pass_time(days=15)
    shown = preview_of(staff, team, "seats", seats=11)
    assert shown["preview"].prorated == Decimal("22.00")  # 4 x 11 for half of 30 days

    at = shown["form"]["proration_at"].value()
    action = staff.ask("seats", team, seats=11, proration_at=at)

    assert (action.state, action.error) == ("done", "")
    assert staff.in_stripe(team)["items"]["data"][0]["quantity"] == 11
    made = [one["amount"] for one in staff.fake.objects("invoiceitem")]
    assert sum(made) == 2200
    team.refresh_from_db()
    assert team.seats == 11
    assert staff.post("seats", team, seats=0).status_code == 422
    assert staff.post("seats", team, seats=2**40).status_code == 422


def test_a_subscription_is_paused_with_a_reason_and_resumed(
    staff: StaffContext, growth: Subscription
) -> None:
    assert staff.post("resume", growth).status_code == 409
    paused = staff.ask("pause", growth, reason="moves house")

    subscription = staff.in_stripe(growth)
    assert (paused.state, paused.error) == ("done", "")
    assert subscription["pause_collection"]["behavior"] == "void"
    assert subscription["metadata"]["orgdesk_pause_reason"] == "moves house"
    growth.refresh_from_db()
    assert (growth.status, growth.pause_reason) == ("paused", "moves house")
    assert staff.post("pause", growth, reason="again").status_code == 409

    staff.ask("resume", growth)

    assert staff.in_stripe(growth)["pause_collection"] is None
    growth.refresh_from_db()
    assert (growth.status, growth.pause_reason) == ("active", "")


def test_a_cancellation_is_scheduled_for_a_date_and_undone(
    staff: StaffContext, growth: Subscription
) -> None:
    past = staff.post("cancel", growth, when="date", date="2026-11-21")
    far = staff.post("cancel", growth, when="date", date="9999-12-31")
    none = staff.post("cancel", growth, when="date")
    undo = staff.post("cancel", growth, when="undo")
    assert {past.status_code, far.status_code, none.status_code} == {422}
    assert undo.status_code == 422
    assert set(far.context["form"].errors) == {"date"}

    ended = staff.ask("cancel", growth, when="date", date="2026-12-11")

    assert (ended.state, ended.error) == ("done", "")
    assert staff.in_stripe(growth)["cancel_at"] == seconds("2026-12-11T00:00")
    growth.refresh_from_db()
    assert growth.cancels_at
    assert growth.cancels_at.isoformat()[:10] == "2026-12-11"

    staff.ask("cancel", growth, when="undo")

    assert staff.in_stripe(growth)["cancel_at"] is None
    growth.refresh_from_db()
    assert growth.cancels_at is None

    staff.ask("cancel", growth, when="period_end")
    growth.refresh_from_db()
    assert growth.cancels_at == growth.period_ends_at


def test_an_action_on_a_joint_subscription_names_the_other_kind(
    staff: StaffContext, growth: Subscription
) -> None:
    assert preview_of(staff, growth, "cancel")["form"].joint_effects == []
    seats = staff.price(1100, kind="spaces", tier="team")
    more: Any = {"items": [{"price": seats, "quantity": 7}]}
    staff.fake.client().v1.subscriptions.update(growth.stripe_id, more)
    refetch_subscription(growth.stripe_id)
    team = Subscription.objects.get(kind="spaces")

    answer = staff.client.get(staff.url("cancel", team))
    canceled = staff.ask("cancel", team, when="date", date="2026-12-11")

    effect = "This also cancels Growth (Platform): Stripe has both in one subscription."
    assert answer.context["form"].joint_effects == [effect]
    assert b"data-joint" in answer.content
    assert canceled.parameters["summary"].endswith(effect)
    growth.refresh_from_db()
    assert growth.cancels_at
    for kind in ("pause", "cancel"):
        [other] = preview_of(staff, growth, kind)["form"].joint_effects
        assert "Team (Spaces)" in other
    undone = staff.ask("cancel", team, when="undo")
    assert "This also keeps Growth" in undone.parameters["summary"]
    seats_form = preview_of(staff, team, "seats", seats=8)["form"]
    assert seats_form.joint_effects == []


def test_a_trial_is_extended_or_ended_now(staff: StaffContext) -> None:
    price = staff.price(2900)
    trial = staff.subscribe(staff.link(), price, trial_period_days=7)

    moved = staff.ask("trial-end", trial, when="date", date="2026-12-24")

    assert (moved.state, moved.error) == ("done", "")
    assert staff.in_stripe(trial)["trial_end"] == seconds("2026-12-24T00:00")
    trial.refresh_from_db()
    assert trial.trial_ends_at
    assert trial.trial_ends_at.day == 24

    staff.ask("trial-end", trial, when="now")

    trial.refresh_from_db()
    assert trial.status == staff.in_stripe(trial)["status"] == "active"
    totals = sorted(Invoice.objects.values_list("total", flat=True))
    assert totals == [Decimal(0), Decimal(29)]  # the trial, and the first paid period
    assert staff.post("trial-end", trial, when="now").status_code == 409


def test_a_payment_link_is_sent(staff: StaffContext) -> None:
    customer, price = staff.link(), staff.price(2900)
    more = {"collection_method": "send_invoice", "days_until_due": 30}
    staff.subscribe(customer, price, **more)
    assert staff.post("payment-link", invoice="in_1").status_code == 409
    staff.fake.advance(hours=2)
    (invoice,) = staff.fake.objects("invoice")
    refetch_invoice(invoice["id"])
    sent_before = len(staff.fake.events("invoice.sent"))

    action = staff.ask("payment-link", invoice=invoice["id"])

    assert (action.state, action.error) == ("done", "")
    assert action.answer
    assert action.answer["link"] == Invoice.objects.get().hosted_url
    assert action.answer["due"] == "29.00 USD"
    assert action.answer["email"].startswith("sent")
    assert len(staff.fake.events("invoice.sent")) == sent_before + 1


def test_the_link_of_an_automatically_charged_invoice_is_returned(
    staff: StaffContext,
) -> None:
    staff.fake.pay("fail")
    staff.subscribe(staff.link(), staff.price(2900))
    invoice = Invoice.objects.get()

    action = staff.ask("payment-link", invoice=invoice.stripe_id)

    assert (action.state, action.error) == ("done", "")
    assert action.answer
    assert action.answer["link"] == invoice.hosted_url
    assert action.answer["email"].startswith("not sent")
    assert not staff.fake.events("invoice.sent")
    staff.fake.pay("succeed")
    staff.fake.client().v1.invoices.pay(invoice.stripe_id)  # without a webhook
    late = staff.ask("payment-link", invoice=invoice.stripe_id)
    assert (late.state, late.error_code) == ("failed", "billing.action_impossible")
    assert "paid" in late.error
    assert Invoice.objects.get().status == "paid"


def test_the_payment_links_of_several_invoices_are_sent_together(
    staff: StaffContext,
) -> None:
    staff.fake.pay("fail")
    customer = staff.link()
    staff.subscribe(customer, staff.price(2900))
    seats = staff.price(700, kind="spaces")
    staff.subscribe(customer, seats)
    first, second = Invoice.objects.order_by("id")
    form = staff.client.get(staff.url("payment-link"), {"invoice": second.stripe_id})
    both = [first.stripe_id, second.stripe_id]

    action = staff.ask("payment-link", invoice=both)

    assert form.context["form"]["invoice"].value() == [second.stripe_id]
    assert (action.state, action.error) == ("done", "")
    assert action.answer
    assert [action.answer[f"link_{number}"] for number in (1, 2)] == [
        first.hosted_url,
        second.hosted_url,
    ]


# --- exactly once -------------------------------------------------------------------


class Killed(BaseException):
    pass


STEPS: list[tuple[Any, str]] = [
    (gateway, "create_customer"),
    (execution, "_claim"),
    (work_commands, "finish"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("where", "step"), STEPS)
def test_an_action_killed_at_any_step_is_done_once(
    staff: StaffContext,
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

    response = staff.post("create-customer", email="a@example.com")
    monkeypatch.setattr(where, step, killed)
    with pytest.raises(Killed):
        work(response)
    monkeypatch.setattr(where, step, real)
    if (step, after) not in {("_claim", False), ("finish", True)}:
        # The lease of the killed worker is respected.
        assert work(response).state == "running"
    staff.pass_time(hours=0.1)

    assert work(response).state == "done"
    (customer,) = staff.fake.objects("customer")
    assert BillingAccount.objects.get().stripe_id == customer["id"]


def test_a_connection_cut_after_the_commit_acts_once(
    staff: StaffContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0)
    staff.fake.fault("disconnect_after", CUSTOMERS, method="POST")
    response = staff.post("create-customer", email="a@example.com")

    cut = work(response)

    assert (cut.state, cut.error_code) == ("pending", "stripe.unavailable")
    assert len(staff.fake.objects("customer")) == 1
    waits = staff.client.get(response["Location"]).content.decode()
    assert 'data-attempts="1"' in waits
    staff.pass_time(hours=0.002)
    assert list_due_actions(9) == [cut.pk]
    assert work(response).state == "done"
    assert len(staff.fake.objects("customer")) == 1


def test_a_form_sent_twice_creates_one_action(
    staff: StaffContext, growth: Subscription
) -> None:
    first = staff.post("pause", growth, reason="a", idempotency_key="one")
    second = staff.post("pause", growth, reason="a", idempotency_key="one")
    other = staff.post("pause", growth, reason="a", idempotency_key="two")

    assert first["Location"] == second["Location"]
    assert other.status_code == 409
    assert StripeAction.objects.count() == 1


@pytest.mark.usefixtures("committed")
def test_concurrent_requests_create_one_action(staff: StaffContext) -> None:
    """Each request runs in a separate transaction, at the same moment."""

    def ask(one: StaffContext) -> int:
        return int(one.post("create-customer", email="a@example.com").status_code)

    people = [staff.as_(staff.user) for _ in range(4)]
    statuses = together(partial(ask, one) for one in people)

    assert sorted(statuses) == [302, 409, 409, 409]
    assert StripeAction.objects.count() == 1


def test_a_refusal_shows_the_message_of_stripe_and_can_be_retried(
    staff: StaffContext, growth: Subscription
) -> None:
    client = staff.fake.client().v1.subscriptions
    client.cancel(growth.stripe_id)  # in the dashboard of Stripe, without a webhook

    action = staff.ask("pause", growth, reason="moves house")

    assert action.state == "failed"
    assert "canceled subscription" in action.error
    page = staff.client.get(f"{staff.tab}actions/{action.pk}/").content.decode()
    assert "A canceled subscription can only update" in page
    assert f"actions/{action.pk}/retry/" in page
    assert (
        len(staff.fake.requests(f"/v1/subscriptions/{growth.stripe_id}", "POST")) == 1
    )
    again = staff.client.post(f"{staff.tab}actions/{action.pk}/retry/")
    assert work(again).state == "failed"
    posts = staff.fake.requests(f"/v1/subscriptions/{growth.stripe_id}", "POST")
    keys = [post["idempotency_key"] for post in posts]
    assert keys == [f"action-{action.pk}-pause-v1", f"action-{action.pk}-pause-v2"]


def test_retries_end_after_an_hour_and_no_retry_is_possible_after_a_day(
    staff: StaffContext,
) -> None:
    staff.fake.fault("error", CUSTOMERS, times=0)
    response = staff.post("create-customer", email="a@example.com")
    start = timezone.now()
    while (action := work(response)).state != "failed":
        staff.clock.move_to(action.next_attempt_at + timedelta(seconds=1))

    assert timedelta(minutes=50) < timezone.now() - start < timedelta(hours=2)
    assert action.attempts == 24
    staff.fake.control("script", api=[])
    staff.pass_time(days=1)
    late = staff.client.post(f"{response['Location']}retry/")
    assert late.status_code == 409
    assert not staff.fake.objects("customer")


def test_history_shows_user_and_reason(
    staff: StaffContext, growth: Subscription
) -> None:
    staff.ask("pause", growth, reason="moves house")

    change = list_changes(staff.organization.id, models=["subscription"])[0]

    assert (change.verb, change.user, change.reason) == ("changed", "fin", NOTE)
    page = staff.client.get(f"/organizations/{staff.organization.pk}/history/")
    assert NOTE in page.content.decode()


# --- permissions --------------------------------------------------------------------

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
def test_each_action_requires_a_role_in_the_white_label(
    staff: StaffContext, growth: Subscription, acme: WhiteLabel, kind: str
) -> None:
    subscription = None if kind in list(ASKS)[:5] else growth
    decoy = WhiteLabel.objects.get(slug="decoy")
    people = {
        404: make_user("stranger", "finance", white_label=decoy),
        403: make_user("viewer", "viewer", white_label=acme),
    }
    for status, user in people.items():
        person = staff.as_(user)
        assert person.post(kind, subscription, **ASKS[kind]).status_code == status
        answer = person.client.get(person.url(kind, subscription))
        assert answer.status_code == status
    support = staff.as_(make_user("sup", "support", white_label=acme))
    assert support.post(kind, subscription, **ASKS[kind]).status_code == 403
    operator = staff.as_(make_user("op", "operator"))
    form = operator.client.get(operator.url(kind, subscription))
    assert form.status_code in {200, 409}
    assert not StripeAction.objects.exists()


def test_a_subscription_of_another_organization_is_not_found(
    staff: StaffContext, growth: Subscription
) -> None:
    other = Organization.objects.exclude(pk=staff.organization.pk).filter(
        white_label=staff.organization.white_label
    )[0]
    elsewhere = StaffContext(staff.fake, staff.user, other, staff.clock)

    assert elsewhere.post("pause", growth, reason="x").status_code == 404
    assert staff.post("pause", None, reason="x").status_code == 404
    assert staff.post("nothing", growth).status_code == 404


def test_an_action_is_visible_only_in_its_white_label(
    staff: StaffContext, growth: Subscription, acme: WhiteLabel
) -> None:
    action = staff.ask("pause", growth, reason="x")
    url = f"{staff.tab}actions/{action.pk}/"
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


def test_without_a_stripe_key_no_action_is_created(
    staff: StaffContext, settings: Any
) -> None:
    settings.STRIPE_SECRET_KEY = ""

    answer = staff.post("create-customer", email="a@example.com")

    assert answer.status_code == 409
    assert not StripeAction.objects.exists()
