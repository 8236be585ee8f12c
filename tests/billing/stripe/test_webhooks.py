"""Webhooks of Stripe: received over HTTP, stored once, handled in any order."""

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
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.refetches import (
    refetch_all_of,
    refetch_invoice,
    refetch_subscription,
)
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions
from billing.stripe.commands.webhook_events import execution, queue
from billing.stripe.commands.webhook_events.intake import ENQUEUED_WITHIN
from billing.stripe.commands.webhook_events.queue import take_forgotten
from billing.stripe.queries.webhook_events import list_webhook_events
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_white_label
from tests.support.fake_stripe import SECRET, FakeStripe, make_customer, make_price
from tests.support.parallel import together
from tests.support.stripe_events import event_of
from tests.support.stripe_mirror import (
    customer_of,
    history,
    mirrored_state,
    run_sync,
    stripe_state,
    subscribe,
)

pytestmark = pytest.mark.usefixtures("frozen")
URL = "/webhooks/stripe/"


@pytest.fixture(autouse=True)
def short_waits(fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between retries."""
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0.2)


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    """Fake Stripe whose faults end with the test."""
    yield fake_stripe
    fake_stripe.control("script", api=[])


@pytest.fixture
def price(fake: FakeStripe) -> str:
    """Id of a monthly price."""
    return make_price(fake, 2900).id


def post(body: bytes, signature: str, *, url: str = URL) -> int:
    """Post a webhook and return the status of the answer."""
    headers = {"stripe-signature": signature}
    answer = Client(headers=headers).post(url, body, content_type="application/json")
    return answer.status_code


def deliver(fake: FakeStripe, event_id: str, **more: Any) -> int:
    """Post an event of the fake as Stripe does; return the status of the answer."""
    return post(*fake.sign(event_id, at=int(NOW.timestamp()), **more))


def handle_all() -> None:
    """Handle all pending events."""
    for id_ in StripeEvent.objects.filter(state="pending").values_list("id", flat=True):
        tasks.handle_event(id_)


def receive(event: dict[str, Any]) -> StripeEvent:
    """Post an event and return its row."""
    body = json.dumps(event).encode()
    assert post(body, _signature(body)) == 200
    return StripeEvent.objects.get(event_id=event["id"])


def _signature(body: bytes, secret: str = SECRET) -> str:
    """Return the signature header of a webhook's body."""
    import stripe  # noqa: PLC0415

    header: str = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(NOW.timestamp())
    )
    return header


def outcome(event: StripeEvent) -> tuple[str, str]:
    """Handle an event and return its state and reason."""
    tasks.handle_event(event.pk)
    event.refresh_from_db()
    return event.state, event.reason


@pytest.mark.parametrize("url", [URL, "/webhooks/stripe"])
def test_event_is_stored_and_handled(
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
    subscription = Subscription.objects.get()
    assert subscription.organization == org
    assert (subscription.tier, subscription.status) == ("growth", "active")


BODY = json.dumps(event_of("in_1")).encode()


@pytest.mark.parametrize(
    ("body", "signature", "status"),
    [
        (BODY, "", 400),
        (BODY, "t=1,v1=" + "0" * 64, 400),
        (BODY, _signature(BODY, "whsec_other"), 400),
        (BODY, _signature(BODY).replace("v1=", "v1=\xe9"), 400),
        (BODY, _signature(BODY).replace("v1", "v0"), 400),
        (BODY + b" ", _signature(BODY), 400),
        (b"", _signature(b""), 400),
        (b"{", _signature(b"{"), 400),
        (b"[]", _signature(b"[]"), 400),
        (b"null", _signature(b"null"), 400),
        (b'{"id": 7, "type": "x"}', _signature(b'{"id": 7, "type": "x"}'), 400),
        (b'{"id": "evt_1"}', _signature(b'{"id": "evt_1"}'), 400),
        (b" " * 2_000_000, "", 413),
    ],
)
def test_unsigned_or_invalid_body_is_refused(
    fake_stripe: FakeStripe, db: None, body: bytes, signature: str, status: int
) -> None:
    assert post(body, signature) == status
    assert not StripeEvent.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "delete", "options", "head"])
def test_other_methods_are_refused(
    fake_stripe: FakeStripe, db: None, method: str
) -> None:
    assert getattr(Client(), method)(URL).status_code == 405


def test_webhook_is_not_found_without_a_secret(
    fake_stripe: FakeStripe, db: None, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = [" "]

    assert post(BODY, _signature(BODY, " ")) == 404


def test_check_warns_of_a_missing_secret(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_1", []
    call_command("check")
    assert "billing.W001" in capsys.readouterr().err
    settings.STRIPE_WEBHOOK_SECRET = ["whsec_1"]
    call_command("check")
    assert "W001" not in capsys.readouterr().err


def test_webhook_needs_no_login_csrf_token_or_tls(
    fake_stripe: FakeStripe, db: None, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    headers = {"stripe-signature": _signature(BODY)}
    client = Client(enforce_csrf_checks=True, headers=headers)

    answer = client.post(URL, BODY, content_type="application/json")

    assert answer.status_code == 200


def test_either_of_two_secrets_is_accepted(
    fake_stripe: FakeStripe, db: None, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ["whsec_new", SECRET]

    assert post(BODY, _signature(BODY)) == 200
    assert post(BODY, _signature(BODY, "whsec_new")) == 200
    assert StripeEvent.objects.count() == 1


def test_nul_characters_in_a_payload_are_removed(
    fake_stripe: FakeStripe, db: None
) -> None:
    event = receive(event_of("in_1", name="a\0b", nested=[{"x\0": "\0"}]))

    assert event.payload["name"] == "ab"
    assert event.payload["nested"] == [{"x": ""}]


@pytest.mark.parametrize("name", ["id", "type", "api_version"])
def test_nul_characters_in_the_columns_of_an_event_are_removed(
    fake_stripe: FakeStripe, db: None, name: str
) -> None:
    event = event_of("in_1\0")
    body = json.dumps(event | {name: event[name] + "\0"}).encode()

    assert post(body, _signature(body)) == 200

    row = StripeEvent.objects.get()
    assert (row.event_id, row.type) == (event["id"].replace("\0", ""), "invoice.paid")
    assert (row.api_version, row.object_id) == ("2026-10-28.endive", "in_1")


@pytest.mark.usefixtures("committed")
def test_hundred_parallel_deliveries_store_one_event(
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
        with urlopen(request, timeout=60) as answer:
            return int(answer.status)

    assert together([send] * 100) == [200] * 100
    row = StripeEvent.objects.get()
    together([lambda: tasks.handle_event(row.pk)] * 8)

    row.refresh_from_db()
    assert (row.state, row.attempts) == ("done", 1)
    assert Subscription.objects.count() == 1
    before = history()
    StripeEvent.objects.update(received_at=NOW - timedelta(days=31))
    assert queue.prune() == 1
    assert send() == 200
    handle_all()
    assert (history(), Subscription.objects.count()) == (before, 1)


@pytest.mark.parametrize(
    "type_",
    ["charge.succeeded", "invoice.upcoming", "customer.source.created", "plan.updated",
     "payment_intent.succeeded", "setup_intent.created", "nonsense", "x.y.z.w"],
)  # fmt: skip
def test_event_that_needs_no_refetch_is_done(
    fake: FakeStripe, db: None, type_: str
) -> None:
    event = receive(event_of("ch_1", type_))

    assert outcome(event) == ("done", "not needed")
    assert fake.requests() == []


_LIVE_MODE = (
    "no such object in Stripe: it is in live mode, and the secret key is for test mode"
)


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
            "no such object in Stripe: it belongs to the connected account acct_1",
        ),
        (
            {"livemode": True},
            _LIVE_MODE,
        ),
        (
            {"object": "v2.core.event", "type": "v1.invoice.paid"},
            "unsupported version 2026-10-28.endive",
        ),
    ],
)
def test_event_that_cannot_be_handled_is_parked(
    fake: FakeStripe, db: None, change: dict[str, Any], reason: str
) -> None:
    event = receive(event_of("in_0") | change)

    assert outcome(event) == ("parked", reason)


@pytest.mark.parametrize("version", ["2020-08-27", "2024-06-20", "2025-03-31.basil"])
def test_object_of_an_older_version_is_refetched(
    fake: FakeStripe, org: Organization, price: str, version: str
) -> None:
    subscribe(fake, customer_of(fake, org), price)
    event = fake.events("customer.subscription.created")[0]["id"]
    body, signature = fake.sign(event, at=int(NOW.timestamp()), api_version=version)
    assert post(body, signature) == 200

    assert outcome(StripeEvent.objects.get()) == ("done", "")
    ends_at = Subscription.objects.get().period_ends_at
    assert str(ends_at)[:19] == "2026-12-21 12:00:00"


def test_event_of_an_unlinked_customer_is_parked(
    fake: FakeStripe, org: Organization
) -> None:
    id_ = make_customer(fake, "unlinked@example.com").id

    event = receive(event_of(id_, "customer.updated"))

    assert outcome(event) == ("parked", "customer is not linked to an organization")
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.stripe_id, discrepancy.stripe_value) == (
        "no_organization",
        id_,
        "unlinked@example.com",
    )
    BillingAccount.objects.create(organization=org, stripe_id=id_)
    assert queue.resend(event.pk)
    assert outcome(event) == ("done", "")
    discrepancy.refresh_from_db()
    assert discrepancy.resolved_at == NOW


def test_malformed_answer_parks_the_event(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    fake.change(sub, currency="xyz")

    state, reason = outcome(receive(event_of(sub, "customer.subscription.updated")))

    assert state == "parked"
    assert "subscription.currency" in reason
    assert not Subscription.objects.exists()


def test_deleted_draft_is_deleted(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    subscribe(fake, customer_of(fake, org), price)
    fake.advance(days=30, hours=0.5)
    draft = _find_draft(fake)
    outcome(receive(event_of(draft["id"], "invoice.created")))
    assert Invoice.objects.get().status == "draft"
    fake.control("remove", id=draft["id"])

    event = receive(event_of(draft["id"], "invoice.deleted"))

    assert outcome(event) == ("done", "")
    assert not Invoice.objects.exists()
    unknown = receive(event_of("in_unknown", "invoice.deleted"))
    assert outcome(unknown)[0] == "done"


def _find_draft(fake: FakeStripe) -> dict[str, Any]:
    """Return the only draft invoice of the fake."""
    invoices = fake.objects("invoice")
    return next(invoice for invoice in invoices if invoice["status"] == "draft")


def test_draft_of_an_unseen_subscription_closes_the_period(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    """The events of the subscription were lost."""
    sub = subscribe(fake, customer_of(fake, org), price)
    fake.advance(days=30, hours=0.5)
    draft = _find_draft(fake)

    with time_machine.travel(NOW + timedelta(days=30, hours=0.5), tick=False):
        refetch_invoice(draft["id"])
        refetch_invoice(draft["id"])

    assert Subscription.objects.get().stripe_id == sub
    closed = BillingPeriod.objects.get(organization=org, number=1)
    assert closed.ends_at == NOW + timedelta(days=30)
    assert Invoice.objects.get().period == closed
    assert BillingPeriod.objects.filter(organization=org).count() == 2


def test_subscription_gets_the_renamed_tier_of_its_product(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    outcome(receive(event_of(sub, "customer.subscription.created")))
    product = fake.objects("product")[0]["id"]
    fake.client().v1.products.update(product, {"metadata": {"orgdesk_tier": "plus"}})

    outcome(receive(event_of(product, "product.updated")))

    assert Subscription.objects.get().tier == "plus"


def test_event_is_retried_after_an_outage_and_then_fails(
    fake: FakeStripe, org: Organization, price: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_attempts = replace(StripeEvent.retries, attempts=2)
    monkeypatch.setattr(StripeEvent, "retries", two_attempts)
    sub = subscribe(fake, customer_of(fake, org), price)
    event = receive(event_of(sub, "customer.subscription.updated"))
    fake.control("script", api=[{"do": "error", "path": "/v1/*", "times": 0}])

    assert outcome(event) == ("pending", "Stripe is not answering at the moment.")
    assert event.next_attempt_at == NOW + timedelta(seconds=15)
    assert take_forgotten(10) == []
    with time_machine.travel(event.next_attempt_at, tick=False):
        assert take_forgotten(10) == [event.pk]
        assert outcome(event)[0] == "pending"  # the outage is remembered
    assert event.attempts == 1
    cache.clear()
    with time_machine.travel(event.next_attempt_at, tick=False):
        assert outcome(event)[0] == "failed"

    fake.control("script", api=[])
    cache.clear()
    assert queue.resend(event.pk)
    assert outcome(event) == ("done", "")
    assert Subscription.objects.count() == 1


def test_error_of_an_event_is_stored_without_keys(
    fake: FakeStripe, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("with sk_live_4711 in it")

    monkeypatch.setitem(execution._REFETCHES, "invoice", broken)
    event = receive(event_of("in_1"))

    assert outcome(event) == ("pending", "RuntimeError")
    assert "in broken" in event.error
    assert "4711" not in event.error


class Killed(BaseException):
    """Death of a worker, which no code catches."""


@pytest.mark.process
@pytest.mark.parametrize("step", ["claimed", "fetched", "mirrored", "before done"])
def test_event_of_a_killed_worker_is_handled_by_the_next(
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
    assert outcome(event)[0] == "running"  # it still has its lease

    with time_machine.travel(NOW + StripeEvent.retries.lease, tick=False):
        tasks.sweep_webhook_events()
        assert outcome(event) == ("done", "")

    assert event.attempts == 2
    assert Subscription.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from billing_subscriptionevent")
        assert cursor.fetchone() == (1,)


def _die_at(step: str, patch: pytest.MonkeyPatch) -> None:
    """Let the worker die at a step of handling an event."""

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    if step == "claimed":
        patch.setattr(execution, "_refetch_object", die)
    elif step == "before done":
        patch.setattr(execution, "_end_mirrored", die)
    elif step == "fetched":
        patch.setattr(
            "billing.stripe.commands.mirror.refetches.mirror_subscriptions", die
        )
    else:

        def refetch_and_die(id_: str, *, by: str) -> None:
            refetch_subscription(id_, by=by)
            raise Killed

        patch.setattr(execution, "refetch_subscription", refetch_and_die)


def test_older_answer_does_not_overwrite_a_newer_one(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    sub = subscribe(fake, customer_of(fake, org), price)
    refetch_subscription(sub)
    old = gateway.get_subscription(sub)
    fake.client().v1.subscriptions.cancel(sub)
    with time_machine.travel(NOW + timedelta(seconds=2), tick=False):
        refetch_subscription(sub)

    earlier = FetchContext(NOW + timedelta(seconds=1))
    assert mirror_subscriptions([old], earlier).written == 0

    assert Subscription.objects.get().status == "canceled"


@pytest.mark.usefixtures("committed")
def test_no_request_to_stripe_is_made_in_a_transaction(
    fake: FakeStripe, price: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = make_white_label("acme")
    customer = customer_of(fake, make_organization(acme, "org-7"))
    sub = subscribe(fake, customer, price)
    fake.advance(days=30, hours=0.5)
    request, paths = calls._request, list[str]()

    def watched_request(method: str, path: str, params: Any) -> Any:
        assert not connection.in_atomic_block
        paths.append(path)
        return request(method, path, params)

    monkeypatch.setattr(calls, "_request", watched_request)
    refetch_all_of(customer)
    run_sync(acme)
    outcome(receive(event_of(sub, "customer.subscription.updated")))
    tasks.pull_events()

    assert len(paths) > 9


def test_event_that_was_not_enqueued_is_swept_once(
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


def test_event_is_swept_after_an_outage_of_the_broker(
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


def test_undelivered_events_are_pulled(
    fake: FakeStripe, org: Organization, price: str
) -> None:
    fake.send_to("http://127.0.0.1:9/closed")
    fake.script(attempts=1)
    make_customer(fake)  # a malformed event does not prevent the others
    fake.change(fake.events("customer.created")[-1]["id"], type="x" * 300)
    subscribe(fake, customer_of(fake, org), price)
    fake.settle()

    tasks.pull_events()
    tasks.pull_events()
    handle_all()

    assert set(StripeEvent.objects.values_list("source", flat=True)) == {"pull"}
    assert StripeEvent.objects.count() == len(set(_event_ids()))
    assert mirrored_state() == stripe_state(fake)
    fake.control("webhooks", "DELETE")


def _event_ids() -> list[str]:
    return list(StripeEvent.objects.values_list("event_id", flat=True))


def test_earlier_events_of_the_same_object_are_done_too(
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


def test_event_is_ignored_and_resent(fake: FakeStripe, acme: WhiteLabel) -> None:
    event = receive(event_of("in_0"))
    assert not queue.resend(event.pk)
    outcome(event)

    assert queue.ignore(event.pk, by="ann")

    event.refresh_from_db()
    assert (event.state, event.reason) == ("ignored", "by ann")
    assert not queue.ignore(event.pk, by="ann")
    assert queue.resend(event.pk)
    assert [row.state for row in list_webhook_events(None)] == ["pending"]
    assert list_webhook_events([acme]) == []


def test_prune_deletes_only_events_without_review(fake: FakeStripe, db: None) -> None:
    done, parked = receive(event_of("ch_1", "charge.x")), receive(event_of("in_0"))
    outcome(done)
    outcome(parked)
    with time_machine.travel(NOW + timedelta(days=29), tick=False):
        assert queue.prune() == 0
    with time_machine.travel(NOW + timedelta(days=31), tick=False):
        assert queue.prune() == 1

    assert StripeEvent.objects.get() == parked


def _lifetime(fake: FakeStripe, sub: str, customer: str) -> Iterator[None]:
    """Change a subscription from its start to its end, step by step."""
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


@pytest.mark.slow
@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(chance=st.randoms(use_true_random=False), lost=st.floats(0, 0.5))
def test_events_in_any_order_end_in_the_state_of_stripe(
    fake: FakeStripe, acme: WhiteLabel, chance: Any, lost: float
) -> None:
    """Shuffled, repeated and partly lost; a sync run repairs what was lost."""
    with transaction.atomic():
        fake.reset()
        organization = make_organization(acme, "storm")
        customer = customer_of(fake, organization)
        sub = subscribe(fake, customer, make_price(fake).id)
        known: set[str] = set()
        waiting: list[str] = []
        for _ in _lifetime(fake, sub, customer):
            ids = [event["id"] for event in fake.events()]
            new = [id_ for id_ in ids if id_ not in known]
            known |= set(new)
            waiting += [id_ for id_ in new for _ in range(chance.randint(1, 2))]
            chance.shuffle(waiting)
            half = len(waiting) // 2
            delivered, waiting = waiting[:half], waiting[half:]
            for id_ in delivered:
                assert deliver(fake, id_) == 200
            handle_all()
        delivered = [id_ for id_ in waiting if chance.random() >= lost]
        for id_ in delivered:
            deliver(fake, id_)
        handle_all()
        if len(delivered) < len(waiting):
            run_sync(acme)

        assert mirrored_state() == stripe_state(fake)
        assert not StripeEvent.objects.exclude(state="done").exists()
        assert run_sync(acme).written == 0
        transaction.set_rollback(True)


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_one_run_repairs_the_loss_of_a_third_of_all_events(
    fake: FakeStripe, live_server: LiveServer, price: str
) -> None:
    """Deliveries over HTTP, repeated and shuffled."""
    acme = make_white_label("acme")
    organizations = [make_organization(acme, f"o-{n}") for n in range(4)]
    fake.send_to(f"{live_server.url}{URL}")
    fake.script(drop=0.3, duplicate=1, shuffle=5, seed=7, attempts=1)
    with time_machine.travel(NOW, tick=True):
        subs = [
            subscribe(fake, customer_of(fake, organization), price)
            for organization in organizations
        ]
        fake.settle(60)
        handle_all()
        for sub in subs[:-1]:
            fake.client().v1.subscriptions.cancel(sub)
        fake.settle(60)
        fake.script(drop=1, attempts=1)  # the others may all have come by chance
        fake.client().v1.subscriptions.cancel(subs[-1])
        fake.settle(60)
        handle_all()
        assert mirrored_state() != stripe_state(fake)

        run_sync(acme)

        assert mirrored_state() == stripe_state(fake)
        before = history()
        again = run_sync(acme)
    assert (again.written, again.discrepancy_count) == (0, 0)
    assert history() == before
    fake.control("webhooks", "DELETE")


@pytest.mark.usefixtures("committed")
def test_webhook_of_a_fake_in_the_future_is_signed_for_today(
    fake: FakeStripe, live_server: LiveServer
) -> None:
    """The clock of a demo's fake is a month ahead; its webhooks arrive now."""
    fake.control("clock", running=True)
    fake.advance(days=31)
    fake.send_to(f"{live_server.url}{URL}")
    fake.script(attempts=1)
    with time_machine.travel(time_machine.escape_hatch.time.time(), tick=True):
        make_customer(fake)
        fake.settle(60)
    fake.control("webhooks", "DELETE")

    assert StripeEvent.objects.get().type == "customer.created"
