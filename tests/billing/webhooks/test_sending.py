"""Deliveries to real servers: signed, in order, retried, and fair."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from billing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing.webhooks import receivers, tasks
from billing.webhooks.commands.endpoints import (
    IncomingEndpoint,
    create_endpoint,
    enable_endpoint,
    rotate_secret,
)
from billing.webhooks.commands.sending import outcomes, worker
from orgs.commands.editing import change_organization, delete_organization
from orgs.models import Organization, WhiteLabel
from orgs.networks import read_networks
from orgs.queue.slots import slot
from tests.factories import make_organization
from tests.support.receivers import (
    Receiver,
    Request,
    answer,
    flood,
    receiver,
)
from tests.support.webhooks import deliver, deliveries, events, make_endpoint

pytestmark = pytest.mark.django_db
Serve = Callable[..., Receiver]
OK = answer(200, b"ok")


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda script=OK: stack.enter_context(receiver(script))


def rename(org: Organization, *names: str) -> None:
    for name in names:
        change_organization(org, {"name": name})


def names_of(server: Receiver) -> list[str]:
    """Return the names of the organization in what a server received."""
    bodies = (json.loads(request.body) for request in server.requests)
    return [body["data"]["organization"]["name"] for body in bodies]


def due_now(endpoint: WebhookEndpoint) -> None:
    """Let the time of retries come."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(held_until=None)
    WebhookDelivery.objects.filter(endpoint=endpoint).update(
        next_attempt_at=F("next_attempt_at") - timedelta(hours=1)
    )


def verify(request: Request, secret: str) -> Any:
    return Webhook(secret).verify(request.body, request.headers)


def test_a_delivery_is_signed_and_logged(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve()
    incoming = IncomingEndpoint("webhook", server.url, ["organization.updated"])
    endpoint, secret = create_endpoint(acme, None, incoming, by="ann")
    rename(org, "Seven")
    deliver()

    [request] = server.requests
    [event] = events()
    body = verify(request, secret)
    assert (body["type"], body["id"]) == ("organization.updated", event.key)
    assert request.headers["webhook-id"] == event.key
    assert request.body.decode() == event.payload
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body + b" ", request.headers)
    [delivery] = deliveries(endpoint)
    assert (delivery.state, delivery.status_code) == ("done", 200)
    [attempt] = delivery.log.all()
    assert (attempt.answer, attempt.request_body) == ("ok", event.payload)
    assert attempt.request_headers["webhook-id"] == event.key


def test_both_secrets_sign_until_the_overlap_ends(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve()
    incoming = IncomingEndpoint("webhook", server.url, ["organization.updated"])
    endpoint, old = create_endpoint(acme, None, incoming, by="ann")
    _, new = rotate_secret(endpoint)
    rename(org, "A")
    deliver()
    WebhookEndpoint.objects.update(overlap_ends_at=timezone.now())
    rename(org, "B")
    deliver()

    verify(server.requests[1], new)
    with pytest.raises(WebhookVerificationError):
        verify(server.requests[1], old)
    for secret in (old, new):
        verify(server.requests[0], secret)


def test_events_of_an_object_keep_their_order_through_failures(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve(answer(500))
    other = make_organization(acme, "org-9")
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    rename(org, "A", "B")
    rename(other, "C")
    for _ in range(2):
        deliver()
        due_now(endpoint)
    assert set(names_of(server)) == {"A", "C"}  # B waits for A

    server.script = answer(200)
    for _ in range(2):
        due_now(endpoint)
        deliver()

    accepted = names_of(server)[-3:]
    assert sorted(accepted) == ["A", "B", "C"]
    assert accepted.index("A") < accepted.index("B")
    assert {row.state for row in deliveries(endpoint)} == {"done"}


def test_a_failed_delivery_is_tried_later_and_the_endpoint_left_alone(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve(answer(429, b"slow down", "Retry-After: 600"))
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    rename(org, "A")
    deliver()
    deliver()

    [delivery] = deliveries(endpoint)
    endpoint.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.status_code) == (
        "pending",
        1,
        429,
    )
    assert "slow down" in delivery.error
    assert len(server.requests) == 1
    assert endpoint.failing_since
    assert endpoint.held_until
    assert endpoint.held_until > timezone.now() + timedelta(seconds=590)


def test_410_disables_the_endpoint_and_cancels_the_rest(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve(answer(410))
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    rename(org, "A", "B")

    assert deliver() == [endpoint.pk]

    endpoint.refresh_from_db()
    assert endpoint.disabled_because == "gone"
    assert [row.state for row in deliveries(endpoint)] == ["failed", "canceled"]
    rename(org, "C")
    assert len(deliveries(endpoint)) == 2


@pytest.mark.parametrize("succeeds", [True, False])
def test_an_endpoint_that_fails_for_three_days_is_disabled(
    succeeds: bool, acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve(answer(500))
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    rename(org, "A")
    deliver()
    if succeeds:
        server.script = answer(204)
        due_now(endpoint)
        deliver()
        server.script = answer(500)
        rename(org, "B")
        deliver()
    ago = timedelta(days=3, seconds=1)
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    if not succeeds:
        rows.update(failing_since=F("failing_since") - ago)
    due_now(endpoint)

    disabled = deliver()

    assert disabled == ([] if succeeds else [endpoint.pk])
    endpoint.refresh_from_db()
    assert endpoint.disabled_because == ("" if succeeds else "failing")
    if not succeeds:
        assert enable_endpoint(endpoint).failing_since is None


def test_a_delivery_is_given_up_after_three_days(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    endpoint = make_endpoint(acme, "organization.updated", url=serve(answer(500)).url)
    rename(org, "A", "B")
    first = deliveries(endpoint)[0]
    ago = timezone.now() - timedelta(days=3, minutes=1)
    WebhookDelivery.objects.filter(pk=first.pk).update(created_at=ago)
    deliver()
    due_now(endpoint)
    deliver()

    states = [(row.state, row.attempts) for row in deliveries(endpoint)]
    assert states == [("failed", 1), ("pending", 1)]  # B does not wait any more


def test_retries_last_three_days() -> None:
    waits, policy = timedelta(), WebhookDelivery.retries
    for attempt in range(1, policy.attempts):
        waits += min(policy.first_wait * 2 ** (attempt - 1), policy.longest_wait)

    assert timedelta(days=3) <= waits < timedelta(days=3, hours=6)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (answer(302, b"", "Location: http://127.0.0.1/"), "redirect"),
        (flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536), "too_large"),
        (answer(200, b"short", "Content-Length: 900"), "connect"),
        (answer(200, b"\x00\xff\x00"), ""),
    ],
)
def test_whatever_the_endpoint_answers_is_logged(
    script: Any, kind: str, acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    make_endpoint(acme, "organization.updated", url=serve(script).url)
    rename(org, "A")
    deliver()

    [attempt] = WebhookAttempt.objects.all()
    assert attempt.error_kind == kind
    assert len(attempt.answer) <= 8_192


def test_an_endpoint_at_a_private_address_is_not_contacted(
    acme: WhiteLabel, org: Organization, serve: Serve, settings: Any
) -> None:
    server = serve()
    settings.OUTBOUND_ALLOWED_NETWORKS = ()
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    rename(org, "A")
    deliver()

    assert server.requests == []
    assert deliveries(endpoint)[0].error_code == "refused_address"


def test_endpoints_that_hang_or_flood_do_not_delay_the_others(
    acme: WhiteLabel, serve: Serve
) -> None:
    orgs = [make_organization(acme, f"o-{n}") for n in range(3)]
    all_received, outlasted = threading.Event(), []

    def hang_until_then(request: Request, connection: Any) -> None:
        outlasted.append(all_received.wait(worker.DEADLINE_SECONDS))
        answer(200)(request, connection)

    def count(request: Request, connection: Any) -> None:
        answer(200)(request, connection)
        if sum(len(server.requests) for server in healthy) == 6 * len(healthy):
            all_received.set()

    healthy = [serve(count) for _ in range(4)]
    flooding = serve(flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536))
    for server in [serve(hang_until_then), flooding, *healthy]:
        make_endpoint(acme, "organization.updated", url=server.url)
    for org in orgs:
        rename(org, "A", "B")
    deliver()

    assert [len(server.requests) for server in healthy] == [6] * 4
    assert outlasted[0]  # the first request hung until all others were answered
    assert len(flooding.requests) <= 2


def test_a_worker_that_dies_repeats_a_delivery_and_loses_none(
    acme: WhiteLabel,
    org: Organization,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve()
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    rename(org, "A")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(worker, "record_outcome", die)
        with pytest.raises(KeyboardInterrupt):
            deliver()
    assert deliveries(endpoint)[0].state == "running"
    deliver()
    assert len(server.requests) == 1  # its lease goes on
    WebhookDelivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    deliver()

    first, second = server.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert deliveries(endpoint)[0].state == "done"


def test_a_deleted_organization_and_unreadable_secret_do_not_stop_the_sender(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve()
    broken = make_endpoint(acme, url=server.url)
    make_endpoint(acme, "organization.deleted", url=server.url)
    WebhookEndpoint.objects.filter(pk=broken.pk).update(secret=b"x")
    delete_organization(org)
    deliver()

    assert len(server.requests) == 1
    assert {row.error_code for row in deliveries(broken)} == {"secret_unreadable"}


def test_the_hold_of_an_endpoint_has_an_end() -> None:
    longest = outcomes._FIRST_HOLD * 2**outcomes._MAX_DOUBLINGS

    assert longest >= outcomes._LONGEST_HOLD


def test_the_task_sends_unless_another_worker_does(
    acme: WhiteLabel, org: Organization, serve: Serve
) -> None:
    server = serve()
    endpoint = make_endpoint(acme, "organization.updated", url=server.url)
    rename(org, "A")
    with slot("webhook_sender", 1) as has_slot:
        assert has_slot
        tasks.deliver_webhooks()
        assert server.requests == []
    tasks.deliver_webhooks()

    assert names_of(server) == ["A"]
    assert deliveries(endpoint)[0].state == "done"


def test_a_committed_event_and_a_due_retry_enqueue_the_sender(
    acme: WhiteLabel,
    org: Organization,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enqueued: list[object] = []
    monkeypatch.setattr(
        receivers, "enqueue_debounced", lambda task, ids: enqueued.append((task, ids))
    )
    monkeypatch.setattr(tasks, "enqueue", enqueued.append)
    endpoint = make_endpoint(acme, "organization.updated", url=serve(answer(500)).url)
    rename(org, "A")
    assert enqueued == [(tasks.deliver_webhooks, [endpoint.pk])]
    tasks.sweep_webhooks()
    deliver()
    tasks.sweep_webhooks()  # the endpoint is left alone for a moment
    assert enqueued[1:] == [tasks.deliver_webhooks]
