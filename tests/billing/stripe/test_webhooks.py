"""The webhook's door and the inbox behind it, over HTTP and in any order."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu.exceptions import OperationalError
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing import gateway
from billing.gateway import calls
from billing.models import (
    BillingAccount,
    BillingPeriod,
    Discrepancy,
    Invoice,
    StripeEvent,
    Subscription,
)
from billing.stripe import tasks
from billing.stripe.commands.mirror.fetches import Fetch
from billing.stripe.commands.mirror.refetching import (
    refetch_all_of,
    refetch_invoice,
    refetch_subscription,
)
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions
from billing.stripe.commands.webhook_events import handling, leases
from billing.stripe.commands.webhook_events.leases import take_forgotten
from billing.stripe.commands.webhook_events.receiving import ENQUEUED_WITHIN
from billing.stripe.queries.webhook_events import list_webhook_events
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_white_label
from tests.metrics.test_recording_parallel import together
from tests.support.fake_stripe import SECRET, FakeStripe, make_customer, make_price
from tests.support.stripe_mirror import (
    customer_of,
    history,
    our_state,
    run_sync,
    subscribe,
    their_state,
)

pytestmark = pytest.mark.usefixtures("frozen")
URL = "/webhooks/stripe/"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0.2)


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    yield fake_stripe
    fake_stripe.control("script", api=[])


@pytest.fixture
def price(fake: FakeStripe) -> str:
    return make_price(fake, 2900).id


def post(body: bytes, signature: str, *, url: str = URL) -> int:
    headers = {"stripe-signature": signature}
    answer = Client(headers=headers).post(url, body, content_type="application/json")
    return answer.status_code


def deliver(fake: FakeStripe, event_id: str, **more: Any) -> int:
    """As Stripe delivers it; answers the status."""
    return post(*fake.sign(event_id, at=int(NOW.timestamp()), **more))


def handle_all() -> None:
    for id_ in StripeEvent.objects.filter(state="pending").values_list("id", flat=True):
        tasks.handle_event(id_)


def event_of(
    object_id: str, type_: str = "invoice.paid", **more: Any
) -> dict[str, Any]:
    thing = {"id": object_id, "object": type_.partition(".")[0]}
    return {
        "id": f"evt_{type_}_{object_id}",
        "object": "event",
        "type": type_,
        "api_version": "2026-10-28.endive",
        "created": int(NOW.timestamp()),
        "data": {"object": thing},
        **more,
    }


def receive(event: dict[str, Any]) -> StripeEvent:
    """Into the inbox by its own door."""
    body = json.dumps(event).encode()
    assert post(body, _signed(body)) == 200
    return StripeEvent.objects.get(event_id=event["id"])


def _signed(body: bytes, secret: str = SECRET) -> str:
    import stripe  # noqa: PLC0415

    header: str = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(NOW.timestamp())
    )
    return header


def outcome(event: StripeEvent) -> tuple[str, str]:
    tasks.handle_event(event.pk)
    event.refresh_from_db()
    return event.state, event.reason


# --- the door -----------------------------------------------------------------------


@pytest.mark.parametrize("url", [URL, "/webhooks/stripe"])
def test_an_event_is_kept_and_handled(
    fake: FakeStripe, org: Organization, price: str, url: str
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    event = fake.events("customer.subscription.created")[0]
    body, signature = fake.sign(event["id"], at=int(NOW.timestamp()))

    assert post(body, signature, url=url) == 200

    row = StripeEvent.objects.get()
    assert (row.event_id, row.object_id, row.state) == (event["id"], sub, "pending")
    assert outcome(row) == ("done", "")
    assert row.organization == org
    found = Subscription.objects.get()
    assert (found.organization, found.tier, found.status) == (org, "growth", "active")


BODY = json.dumps(event_of("in_1")).encode()


@pytest.mark.parametrize(
    ("body", "signature", "status"),
    [
        (BODY, "", 400),
        (BODY, "t=1,v1=" + "0" * 64, 400),
        (BODY, _signed(BODY, "whsec_other"), 400),
        (BODY, _signed(BODY).replace("v1=", "v1=\xe9"), 400),
        (BODY, _signed(BODY).replace("v1", "v0"), 400),
        (BODY + b" ", _signed(BODY), 400),
        (b"", _signed(b""), 400),
        (b"{", _signed(b"{"), 400),
        (b"[]", _signed(b"[]"), 400),
        (b"null", _signed(b"null"), 400),
        (b'{"id": 7, "type": "x"}', _signed(b'{"id": 7, "type": "x"}'), 400),
        (b'{"id": "evt_1"}', _signed(b'{"id": "evt_1"}'), 400),
        (b" " * 2_000_000, "", 413),
    ],
)
def test_what_is_no_event_is_refused(
    fake_stripe: FakeStripe, db: None, body: bytes, signature: str, status: int
) -> None:
    assert post(body, signature) == status
    assert not StripeEvent.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "delete", "options", "head"])
def test_other_methods_are_refused(
    fake_stripe: FakeStripe, db: None, method: str
) -> None:
    assert getattr(Client(), method)(URL).status_code == 405


def test_without_a_secret_there_is_nothing(
    fake_stripe: FakeStripe, db: None, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = [" "]

    assert post(BODY, _signed(BODY, " ")) == 404


def test_without_a_secret_one_is_warned_at_the_start(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_1", []
    call_command("check")
    assert "billing.W001" in capsys.readouterr().err
    settings.STRIPE_WEBHOOK_SECRET = ["whsec_1"]
    call_command("check")
    assert "W001" not in capsys.readouterr().err


def test_no_login_no_form_token_no_tls_is_asked_for(
    fake_stripe: FakeStripe, db: None, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    headers = {"stripe-signature": _signed(BODY)}
    client = Client(enforce_csrf_checks=True, headers=headers)

    answer = client.post(URL, BODY, content_type="application/json")

    assert answer.status_code == 200


def test_either_secret_is_taken_while_one_replaces_the_other(
    fake_stripe: FakeStripe, db: None, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ["whsec_new", SECRET]

    assert post(BODY, _signed(BODY)) == 200
    assert post(BODY, _signed(BODY, "whsec_new")) == 200
    assert StripeEvent.objects.count() == 1


def test_what_postgresql_cannot_hold_is_kept_without_it(
    fake_stripe: FakeStripe, db: None
) -> None:
    event = receive(event_of("in_1", name="a\0b", nested=[{"x\0": "\0"}]))

    assert event.payload["name"] == "ab"
    assert event.payload["nested"] == [{"x": ""}]


@pytest.mark.parametrize("name", ["id", "type", "api_version"])
def test_a_nul_in_what_an_event_is_called_is_left_out(
    fake_stripe: FakeStripe, db: None, name: str
) -> None:
    event = event_of("in_1\0")
    body = json.dumps(event | {name: event[name] + "\0"}).encode()

    assert post(body, _signed(body)) == 200

    row = StripeEvent.objects.get()
    assert (row.event_id, row.type) == (event["id"].replace("\0", ""), "invoice.paid")
    assert (row.api_version, row.object_id) == ("2026-10-28.endive", "in_1")


@pytest.mark.usefixtures("committed")
def test_a_hundred_at_once_are_one(
    fake: FakeStripe, live_server: LiveServer, price: str
) -> None:
    org = make_organization(make_white_label("acme"), "org-7")
    subscribe(fake, customer_of(fake, org), price)
    body, signature = fake.sign(
        fake.events("customer.subscription.created")[0]["id"], at=int(NOW.timestamp())
    )
    headers = {"stripe-signature": signature, "content-type": "application/json"}

    def send() -> int:
        request = Request(f"{live_server.url}{URL}", body, headers=headers)
        with urlopen(request, timeout=20) as answer:
            return int(answer.status)

    assert together([send] * 100) == [200] * 100
    row = StripeEvent.objects.get()
    together([lambda: tasks.handle_event(row.pk)] * 8)

    row.refresh_from_db()
    assert (row.state, row.attempts) == ("done", 1)
    assert Subscription.objects.count() == 1
    before = history()
    StripeEvent.objects.update(received_at=NOW - timedelta(days=31))
    assert leases.prune() == 1
    assert send() == 200
    handle_all()
    assert (history(), Subscription.objects.count()) == (before, 1)


# --- what becomes of an event ---------------------------------------------------------


@pytest.mark.parametrize(
    "type_",
    ["charge.succeeded", "invoice.upcoming", "customer.source.created", "plan.updated",
     "payment_intent.succeeded", "invoiceitem.created", "nonsense", "x.y.z.w"],
)  # fmt: skip
def test_what_is_not_needed_is_done(fake: FakeStripe, db: None, type_: str) -> None:
    event = receive(event_of("ch_1", type_))

    assert outcome(event) == ("done", "not needed")
    assert fake.requests() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"api_version": "v2"}, "unsupported version v2"),
        ({"object": "v2.core.event"}, "unsupported version 2026-10-28.endive"),
        ({"data": {"object": {}}}, "no object ID"),
        ({"data": {"object": {"id": 7}}}, "no object ID"),
        ({"data": None}, "no object ID"),
        ({}, "no such object in Stripe"),
        (
            {"account": "acct_1"},
            "no such object in Stripe: it is of the connected account acct_1",
        ),
        (
            {"livemode": True},
            "no such object in Stripe: it is a live one, and our key is for tests",
        ),
        (
            {"object": "v2.core.event", "type": "v1.invoice.paid"},
            "unsupported version 2026-10-28.endive",
        ),
    ],
)
def test_what_needs_somebody_is_parked(
    fake: FakeStripe, db: None, change: dict[str, Any], reason: str
) -> None:
    event = receive(event_of("in_0") | change)

    assert outcome(event) == ("parked", reason)


@pytest.mark.parametrize("version", ["2020-08-27", "2024-06-20", "2025-03-31.basil"])
def test_an_older_version_is_refetched_in_ours(
    fake: FakeStripe, org: Organization, price: str, version: str
) -> None:
    subscribe(fake, customer_of(fake, org), price)
    event = fake.events("customer.subscription.created")[0]["id"]
    body, signature = fake.sign(event, at=int(NOW.timestamp()), api_version=version)
    assert post(body, signature) == 200

    assert outcome(StripeEvent.objects.get()) == ("done", "")
    ends_at = Subscription.objects.get().period_ends_at
    assert str(ends_at)[:19] == "2026-12-21 12:00:00"


def test_a_customer_of_nobody_is_parked_and_warned_of(
    fake: FakeStripe, org: Organization
) -> None:
    id_ = make_customer(fake, "who@example.com").id

    event = receive(event_of(id_, "customer.updated"))

    assert outcome(event) == ("parked", "customer is not linked to an organization")
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.stripe_id, discrepancy.theirs) == (
        "no_organization",
        id_,
        "who@example.com",
    )
    BillingAccount.objects.create(organization=org, stripe_id=id_)
    assert leases.resend(event.pk)
    assert outcome(event) == ("done", "")
    discrepancy.refresh_from_db()
    assert discrepancy.resolved_at == NOW


def test_an_answer_without_a_field_parks_the_event(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    fake.change(sub, currency="xyz")

    state, reason = outcome(receive(event_of(sub, "customer.subscription.updated")))

    assert state == "parked"
    assert "subscription.currency" in reason
    assert not Subscription.objects.exists()


def test_a_deleted_draft_is_forgotten(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    subscribe(fake, customer_of(fake, org), price)
    fake.advance(days=30, hours=0.5)
    draft = next(one for one in fake.objects("invoice") if one["status"] == "draft")
    outcome(receive(event_of(draft["id"], "invoice.created")))
    assert Invoice.objects.get().status == "draft"
    fake.control("remove", id=draft["id"])

    event = receive(event_of(draft["id"], "invoice.deleted"))

    assert outcome(event) == ("done", "")
    assert not Invoice.objects.exists()
    nobodys = receive(event_of("in_nobodys", "invoice.deleted"))
    assert outcome(nobodys)[0] == "done"


def test_a_draft_brings_the_subscription_it_bills(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    """Its own events were lost; the period closes at the end of the cycle."""
    sub = subscribe(fake, customer_of(fake, org), price)
    fake.advance(days=30, hours=0.5)
    draft = next(one for one in fake.objects("invoice") if one["status"] == "draft")

    with time_machine.travel(NOW + timedelta(days=30, hours=0.5), tick=False):
        refetch_invoice(draft["id"])
        refetch_invoice(draft["id"])

    assert Subscription.objects.get().stripe_id == sub
    closed = BillingPeriod.objects.get(organization=org, number=1)
    assert closed.ends_at == NOW + timedelta(days=30)
    assert Invoice.objects.get().period == closed
    assert BillingPeriod.objects.filter(organization=org).count() == 2


def test_a_renamed_tier_is_followed(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    outcome(receive(event_of(sub, "customer.subscription.created")))
    product = fake.objects("product")[0]["id"]
    fake.client().v1.products.update(product, {"metadata": {"orgdesk_tier": "plus"}})

    outcome(receive(event_of(product, "product.updated")))

    assert Subscription.objects.get().tier == "plus"


# --- trouble --------------------------------------------------------------------------


def test_an_outage_is_waited_for_and_then_given_up(
    fake: FakeStripe, org: Organization, price: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    once_more = replace(StripeEvent.retries, attempts=2)
    monkeypatch.setattr(StripeEvent, "retries", once_more)
    sub = subscribe(fake, customer_of(fake, org), price)
    event = receive(event_of(sub, "customer.subscription.updated"))
    fake.control("script", api=[{"do": "error", "path": "/v1/*", "times": 0}])

    assert outcome(event) == ("pending", "Stripe does not answer just now.")
    assert event.next_attempt_at == NOW + timedelta(seconds=15)
    assert take_forgotten(10) == []
    with time_machine.travel(event.next_attempt_at, tick=False):
        assert take_forgotten(10) == [event.pk]
        assert outcome(event)[0] == "pending"  # another one waited in vain just now
    assert event.attempts == 1
    cache.clear()
    with time_machine.travel(event.next_attempt_at, tick=False):
        assert outcome(event)[0] == "failed"

    fake.control("script", api=[])
    cache.clear()
    assert leases.resend(event.pk)
    assert outcome(event) == ("done", "")
    assert Subscription.objects.count() == 1


def test_evidence_of_a_failure_stays_without_secrets(
    fake: FakeStripe, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("with sk_live_4711 in it")

    monkeypatch.setitem(handling._FAMILIES, "invoice", broken)
    event = receive(event_of("in_1"))

    assert outcome(event) == ("pending", "RuntimeError")
    assert "in broken" in event.error
    assert "4711" not in event.error


class Killed(BaseException):
    """As a signal: nothing of ours catches it."""


@pytest.mark.process
@pytest.mark.parametrize("step", ["claimed", "asked", "mirrored", "before done"])
def test_killed_at_any_step_it_is_done_by_the_next(
    fake: FakeStripe,
    org: Organization,
    price: str,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    event = receive(event_of(sub, "customer.subscription.created"))
    with monkeypatch.context() as patch:
        _die_at(step, patch)
        with pytest.raises(Killed):
            tasks.handle_event(event.pk)
    event.refresh_from_db()
    assert (event.state, event.attempts) == ("running", 1)
    assert outcome(event)[0] == "running"  # its lease goes on

    with time_machine.travel(NOW + StripeEvent.retries.lease, tick=False):
        tasks.sweep_webhook_events()
        assert outcome(event) == ("done", "")

    assert event.attempts == 2
    assert Subscription.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from billing_subscriptionevent")
        assert cursor.fetchone() == (1,)


def _die_at(step: str, patch: pytest.MonkeyPatch) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    if step == "claimed":
        patch.setattr(handling, "_settle", die)
    elif step == "before done":
        patch.setattr(handling, "_end_met", die)
    elif step == "asked":
        patch.setattr(
            "billing.stripe.commands.mirror.refetching.mirror_subscriptions", die
        )
    else:
        real = refetch_subscription

        def after(id_: str, *, by: str) -> None:
            real(id_, by=by)
            raise Killed

        patch.setattr(handling, "refetch_subscription", after)


def test_an_overtaken_answer_writes_nothing(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    """Asked before, written after: what was asked later stays."""
    sub = subscribe(fake, customer_of(fake, org), price)
    refetch_subscription(sub)
    old = gateway.get_subscription(sub)
    fake.client().v1.subscriptions.cancel(sub)
    with time_machine.travel(NOW + timedelta(seconds=2), tick=False):
        refetch_subscription(sub)

    earlier = Fetch(NOW + timedelta(seconds=1))
    assert mirror_subscriptions([old], earlier).written == 0

    assert Subscription.objects.get().status == "canceled"


@pytest.mark.usefixtures("committed")
def test_nothing_waits_for_the_network_in_a_transaction(
    fake: FakeStripe, price: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = make_white_label("acme")
    customer = customer_of(fake, make_organization(acme, "org-7"))
    sub = subscribe(fake, customer, price)
    fake.advance(days=30, hours=0.5)
    ask, asked = calls._request, list[str]()

    def watched(method: str, path: str, params: Any) -> Any:
        assert not connection.in_atomic_block
        asked.append(path)
        return ask(method, path, params)

    monkeypatch.setattr(calls, "_request", watched)
    refetch_all_of(customer)
    run_sync(acme)
    outcome(receive(event_of(sub, "customer.subscription.updated")))
    tasks.pull_events()

    assert len(asked) > 9


# --- the sweep, the pull, and people ------------------------------------------------


def test_what_nobody_was_told_of_is_swept_once(
    fake: FakeStripe, db: None, django_capture_on_commit_callbacks: Any
) -> None:
    receive(event_of("ch_1", "charge.captured"))
    with django_capture_on_commit_callbacks() as early:
        tasks.sweep_webhook_events()
    later = NOW + ENQUEUED_WITHIN
    with (
        time_machine.travel(later, tick=False),
        django_capture_on_commit_callbacks() as enqueues,
    ):
        tasks.sweep_webhook_events()
        tasks.sweep_webhook_events()

    assert (len(early), len(enqueues)) == (0, 1)


def test_without_a_broker_it_is_kept_and_swept_later(
    fake: FakeStripe,
    db: None,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(tasks.handle_event, "apply_async", refused)
        with django_capture_on_commit_callbacks(execute=True) as enqueues:
            event = receive(event_of("ch_1", "charge.captured"))
    assert len(enqueues) == 1

    with time_machine.travel(NOW + ENQUEUED_WITHIN, tick=False):
        assert take_forgotten(10) == [event.pk]


def test_what_was_not_delivered_is_pulled(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    fake.send_to("http://127.0.0.1:9/nobody")
    fake.script(attempts=1)
    make_customer(fake)  # one that is no event of Stripe's takes none with it
    fake.change(fake.events("customer.created")[-1]["id"], type="x" * 300)
    subscribe(fake, customer_of(fake, org), price)
    fake.settle()

    tasks.pull_events()
    tasks.pull_events()
    handle_all()

    assert set(StripeEvent.objects.values_list("source", flat=True)) == {"pull"}
    assert StripeEvent.objects.count() == len(set(_types()))
    assert our_state() == their_state(fake)
    fake.control("webhooks", "DELETE")


def _types() -> list[str]:
    return list(StripeEvent.objects.values_list("event_id", flat=True))


def test_earlier_hints_at_the_same_object_are_done_with_it(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    earlier = receive(event_of(sub, "customer.subscription.created"))
    other = receive(event_of(sub, "charge.captured"))
    with time_machine.travel(NOW + timedelta(seconds=1), tick=False):
        last = receive(event_of(sub, "customer.subscription.updated"))
        assert outcome(last) == ("done", "")

    earlier.refresh_from_db()
    other.refresh_from_db()
    assert (earlier.state, other.state) == ("done", "pending")
    assert earlier.reason == f"with {last.event_id}"


def test_people_ignore_and_resend(fake: FakeStripe, acme: WhiteLabel) -> None:
    event = receive(event_of("in_0"))
    assert not leases.resend(event.pk)
    outcome(event)

    assert leases.ignore(event.pk, by="ann")

    event.refresh_from_db()
    assert (event.state, event.reason) == ("ignored", "by ann")
    assert not leases.ignore(event.pk, by="ann")
    assert leases.resend(event.pk)
    assert [row.state for row in list_webhook_events(None)] == ["pending"]
    assert list_webhook_events([acme]) == []


def test_pruning_keeps_what_needs_somebody(fake: FakeStripe, db: None) -> None:
    done, parked = receive(event_of("ch_1", "charge.x")), receive(event_of("in_0"))
    outcome(done)
    outcome(parked)
    with time_machine.travel(NOW + timedelta(days=29), tick=False):
        assert leases.prune() == 0
    with time_machine.travel(NOW + timedelta(days=31), tick=False):
        assert leases.prune() == 1

    assert StripeEvent.objects.get() == parked


# --- any order ------------------------------------------------------------------------


def _live(fake: FakeStripe, sub: str, customer: str) -> Iterator[None]:
    """A life of a subscription, a step at a time."""
    client = fake.client().v1
    yield
    client.subscriptions.update(sub, {"metadata": {"orgdesk_pause_reason": "x"}})
    client.subscriptions.update(sub, {"pause_collection": {"behavior": "void"}})
    yield
    client.subscriptions.update(sub, {"pause_collection": ""})
    fake.pay("fail", customer)
    yield
    fake.advance(days=31)
    yield
    client.subscriptions.cancel(sub)
    yield


@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(chance=st.randoms(use_true_random=False), lost=st.floats(0, 0.5))
def test_any_order_ends_in_stripes_own_state(
    fake: FakeStripe, acme: WhiteLabel, chance: Any, lost: float
) -> None:
    """Shuffled, duplicated, handled between the steps; what was lost a run heals."""
    with transaction.atomic():
        fake.reset()
        organization = make_organization(acme, "storm")
        customer = customer_of(fake, organization)
        sub = subscribe(fake, customer, make_price(fake).id)
        known: set[str] = set()
        waiting: list[str] = []
        for _ in _live(fake, sub, customer):
            new = [one["id"] for one in fake.events() if one["id"] not in known]
            known |= set(new)
            waiting += [id_ for id_ in new for _ in range(chance.randint(1, 2))]
            chance.shuffle(waiting)
            now, waiting = waiting[: len(waiting) // 2], waiting[len(waiting) // 2 :]
            for id_ in now:
                assert deliver(fake, id_) == 200
            handle_all()
        kept = [id_ for id_ in waiting if chance.random() >= lost]
        for id_ in kept:
            deliver(fake, id_)
        handle_all()
        if len(kept) < len(waiting):
            run_sync(acme)

        assert our_state() == their_state(fake)
        assert not StripeEvent.objects.exclude(state="done").exists()
        assert run_sync(acme).written == 0
        transaction.set_rollback(True)


@pytest.mark.usefixtures("committed")
def test_thirty_in_a_hundred_lost_and_one_run_heals_all(
    fake: FakeStripe, live_server: LiveServer, price: str
) -> None:
    """Real deliveries, duplicated, shuffled, in old versions, a third never."""
    acme = make_white_label("acme")
    organizations = [make_organization(acme, f"o-{n}") for n in range(9)]
    fake.send_to(f"{live_server.url}{URL}")
    fake.script(drop=0.3, duplicate=1, shuffle=5, seed=7, attempts=1)
    with time_machine.travel(NOW, tick=True):
        subs = [
            subscribe(fake, customer_of(fake, organization), price)
            for organization in organizations
        ]
        fake.settle(20)
        handle_all()
        for sub in subs[:-1]:
            fake.client().v1.subscriptions.cancel(sub)
        fake.settle(20)
        fake.script(drop=1, attempts=1)  # by chance all of the others may have come
        fake.client().v1.subscriptions.cancel(subs[-1])
        fake.settle(20)
        handle_all()
        assert our_state() != their_state(fake)

        run_sync(acme)

        assert our_state() == their_state(fake)
        before = history()
        again = run_sync(acme)
    assert (again.written, again.discrepancy_count) == (0, 0)
    assert history() == before
    fake.control("webhooks", "DELETE")


@pytest.mark.usefixtures("committed")
def test_a_clock_moved_on_still_signs_for_today(
    fake: FakeStripe, live_server: LiveServer
) -> None:
    """The stand-in of a demo lives a month ahead; its deliveries arrive now."""
    fake.control("clock", running=True)
    fake.advance(days=31)
    fake.send_to(f"{live_server.url}{URL}")
    fake.script(attempts=1)
    with time_machine.travel(time_machine.escape_hatch.time.time(), tick=True):
        make_customer(fake)
        fake.settle(20)
    fake.control("webhooks", "DELETE")

    assert StripeEvent.objects.get().type == "customer.created"
