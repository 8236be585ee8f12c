"""Pushes: when they are due, what answers mean, and that no target delays another."""

import gzip
import resource
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from billing.models import Alert
from billing.needs_action.queries.reasons import find_needs, list_reasons
from billing.needs_action.queries.texts import reason_text
from metrics.commands import push_runs, pushes
from metrics.commands.integrations import (
    IncomingTarget,
    pause_integration,
    resume_integration,
    set_integrations,
)
from metrics.commands.pushes import breaker_name, claim_push, mark_changed
from metrics.models import Push
from metrics.push.remote_write import MAX_SERIES, name_series
from metrics.push.sources import SOURCES, Figure
from metrics.queries.pushes import list_due_pushes
from metrics.tasks import push_due
from orgs.models import Organization, WhiteLabel
from orgs.networks import read_networks
from orgs.outbound import Answer, ErrorKind, Target, breaker
from orgs.queue.slots import slot
from tests.factories import NOW, delete, event, make_organizations, record
from tests.support.receivers import answer, hang, receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "https://prom.example.com/push"
_MINUTE = timedelta(minutes=1)


@pytest.fixture
def push(org: Organization) -> Push:
    set_integrations(org.pk, {"prom": IncomingTarget("7", URL, "secret")})
    return Push.objects.get()


def get_answer(push: Push, given: Answer) -> Push:
    """Claim the push and record an answer to its request."""
    delivery = claim_push(push.pk)
    assert delivery is not None
    delivery.record(given)
    push.refresh_from_db()
    return push


def http(status: int, body: bytes = b"", retry_after: str = "") -> Answer:
    headers = {"retry-after": retry_after} if retry_after else {}
    return Answer(status, headers, body, ErrorKind.HTTP, f"Status {status}.", 0.25)


@pytest.mark.parametrize(
    ("given", "code", "message", "refused"),
    [
        (http(400, b"out of order sample"), "refused", "Status 400. out of", True),
        (http(404), "refused", "Status 404.", True),
        (http(401), "refused", "Status 401.", False),
        (http(408), "http", "Status 408.", False),
        (http(429), "http", "Status 429.", False),
        (http(500, b"ingester\n down"), "http", "Status 500. ingester down", False),
        (
            http(500, b"a\0b\xe2\x80\xaec \xff"),
            "http",
            "Status 500. a b c \ufffd",
            False,
        ),
        (http(500, b"<secret>"), "http", "Status 500. <********>", False),
        (http(500, b"Basic NzpzZWNyZXQ="), "http", "Status 500. Basic ****", False),
        (Answer(error=ErrorKind.DNS, message="Unknown."), "dns", "Unknown.", False),
        (Answer(error=ErrorKind.TOO_LARGE, status=200), "too_large", "", False),
    ],
)
def test_what_fails_says_why_and_waits(
    push: Push, given: Answer, code: str, message: str, refused: bool
) -> None:
    get_answer(push, given)

    assert (push.error_code, push.failures, push.failing_since) == (code, 1, NOW)
    assert push.error.startswith(message)
    assert bool(push.refused) == refused
    wait = push.next_attempt_at - NOW
    assert timedelta(seconds=11) < wait < timedelta(seconds=19)
    assert not push.is_failing


def test_waits_grow_and_end_with_a_success(
    push: Push, frozen: time_machine.Traveller
) -> None:
    waits = []
    for _ in range(8):
        get_answer(push, http(503))
        waits.append((push.next_attempt_at - NOW).total_seconds())
        Push.objects.update(next_attempt_at=NOW)
    assert waits == sorted(waits) or waits[-1] > 400
    assert max(waits) <= 720
    assert push.is_failing
    mark_changed([push.organization_id])  # does not end a backoff
    push.refresh_from_db()
    assert push.changed_at is None

    get_answer(push, Answer(204, seconds=0.5))
    assert (push.failures, push.failing_since, push.error) == (0, None, "")
    assert (push.seconds, push.items > 10, push.status) == (0.5, True, 204)


def test_retry_after_is_obeyed_up_to_an_hour(push: Push) -> None:
    get_answer(push, http(429, retry_after="300"))
    assert push.next_attempt_at == NOW + 5 * _MINUTE


def test_a_change_during_a_push_is_not_lost(
    push: Push, frozen: time_machine.Traveller
) -> None:
    delivery = claim_push(push.pk)
    frozen.shift(timedelta(seconds=3))
    mark_changed([push.organization_id])
    assert delivery is not None
    delivery.record(Answer(204))

    push.refresh_from_db()
    assert push.next_attempt_at == NOW + timedelta(seconds=63)


def test_samples_never_go_back_in_time(
    push: Push, frozen: time_machine.Traveller
) -> None:
    get_answer(push, Answer(204))
    first = push.cursor["at"]
    frozen.shift(-timedelta(seconds=30))
    Push.objects.update(next_attempt_at=NOW - _MINUTE)
    get_answer(push, Answer(204))
    assert push.cursor["at"] == first + 1


def test_a_push_waits_while_it_is_paused_or_the_organization_deleted(
    org: Organization, push: Push
) -> None:
    assert list_due_pushes(9) == [push.pk]
    assert pause_integration(org, "prom")
    assert not pause_integration(org, "prom")
    assert list_due_pushes(9) == []
    assert resume_integration(org, "prom")
    assert list_due_pushes(9) == [push.pk]
    delete(org)
    assert list_due_pushes(9) == []


def test_a_target_that_is_set_again_is_tried_at_once(
    org: Organization,
    push: Push,
    django_capture_on_commit_callbacks: Any,
) -> None:
    get_answer(push, http(500))
    name = breaker_name(push.integration_id)
    for _ in range(6):
        breaker.record(name, is_failure=True)
    assert not breaker.may_send(name)
    with django_capture_on_commit_callbacks(execute=True):
        set_integrations(org.pk, {"prom": IncomingTarget("7", URL, "other")})
    assert breaker.may_send(name)
    push.refresh_from_db()
    assert (push.failures, push.failing_since, push.error) == (0, None, "")
    assert list_due_pushes(9) == [push.pk]


def test_a_source_that_raises_fails_only_its_push(
    push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("x")

    monkeypatch.setattr(SOURCES, "figures", [fail])
    assert claim_push(push.pk) is None
    push.refresh_from_db()
    assert (push.error_code, push.failures, push.lease) == ("unexpected", 1, None)


def test_what_raises_while_sending_costs_the_other_pushes_nothing(
    org: Organization, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_integrations(org.pk, {"loki": IncomingTarget("7", f"{URL}/logs", "x")})
    Push.objects.exclude(pk=push.pk).update(
        cursor={"alerts": {"until": (NOW - _MINUTE).isoformat(), "sent": {}}}
    )
    make_alert(org)

    def send(address: Target, *_: object) -> Answer:
        if address.url == URL:
            raise RuntimeError("x")
        return Answer(204)

    monkeypatch.setattr(push_runs, "send", send)
    push_runs.run_pushes()

    rows = Push.objects.order_by("pk").values_list("state", "pushed_at")
    assert list(rows) == [("running", None), ("pending", NOW)]  # until the lease ends


def make_alert(org: Organization) -> None:
    Alert.objects.create(
        organization=org,
        kind="spike",
        threshold=1,
        period="1",
        billing_period=1,
        facts={},
        reached_at=NOW - _MINUTE,
    )


def test_the_figures_cost_a_bounded_number_of_queries(
    acme: WhiteLabel, org: Organization, push: Push
) -> None:
    products = [event(f"e-{n}", product=f"p-{n}") for n in range(30)]
    record(acme, products)
    with CaptureQueriesContext(connection) as queries:
        assert claim_push(push.pk)
    assert len(queries) <= 22


def test_a_push_whose_worker_died_is_sent_by_another_one(
    push: Push, frozen: time_machine.Traveller
) -> None:
    lost = claim_push(push.pk)
    assert lost is not None
    assert claim_push(push.pk) is None
    frozen.shift(2 * _MINUTE)
    assert list_due_pushes(9) == [push.pk]
    delivery = claim_push(push.pk)
    assert delivery is not None

    lost.record(Answer(204))
    assert Push.objects.get().pushed_at is None  # the other worker has it
    delivery.record(Answer(204))
    push.refresh_from_db()
    assert (push.pushed_at, push.attempts) == (NOW + 2 * _MINUTE, 0)


def test_a_push_that_kills_its_workers_waits_and_says_so(push: Push) -> None:
    Push.objects.update(attempts=Push.retries.attempts)
    assert claim_push(push.pk) is None
    push.refresh_from_db()
    assert (push.error_code, push.attempts, push.state) == ("worker_died", 0, "pending")


def test_one_worker_pushes_at_a_time(push: Push) -> None:
    with slot("pushes", 1) as has_slot:
        assert has_slot
        push_due()
    assert Push.objects.get().tried_at is None


def test_series_above_the_limit_are_left_out_and_counted() -> None:
    figures = [Figure("orgdesk_a", n, (("n", str(n)),)) for n in range(MAX_SERIES + 4)]

    values, left_out = name_series(figures, (("organization", "x"),))

    assert (len(values), left_out) == (MAX_SERIES, 5)
    assert values[("__name__", "orgdesk_series_left_out"), ("organization", "x")] == 5
    assert all(labels == tuple(sorted(labels)) for labels in values)


def test_an_integration_that_keeps_failing_needs_action(
    acme: WhiteLabel, org: Organization, push: Push
) -> None:
    for _ in range(2):
        Push.objects.update(next_attempt_at=NOW)
        get_answer(push, http(503))
    assert reasons(acme, org) == []
    Push.objects.update(next_attempt_at=NOW)
    get_answer(push, http(503))
    assert reasons(acme, org) == ["Pushes to Prometheus failing"]
    pause_integration(org, "prom")
    assert reasons(acme, org) == []


def reasons(label: WhiteLabel, org: Organization) -> list[str]:
    """Return the texts of the reasons, which are the same for page and fleet."""
    need = list_reasons([org.pk], now=NOW).get(org.pk)
    fleet = find_needs([label.pk], now=NOW).organizations
    rows = list(need.reasons) if need else []
    assert [row.kind for row in rows] == [r.kind for n in fleet for r in n.reasons]
    return [reason_text(row, label, NOW) for row in rows]


@pytest.mark.slow
def test_targets_that_hang_flood_or_refuse_delay_no_healthy_one(
    acme: WhiteLabel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = read_networks("127.0.0.0/8")
    monkeypatch.setattr(pushes, "PUSH_SECONDS", 2.0)
    bomb = gzip.compress(b"0" * 50_000_000)
    lines = [{"external_id": f"t-{number:02}"} for number in range(23)]
    make_organizations(acme, lines)
    organizations = Organization.objects.filter(external_id__startswith="t-")
    with (
        receiver(hang) as hanging,
        receiver(answer(200, bomb * 2, "Content-Encoding: gzip")) as bombing,
        receiver(answer(400, b"no")) as refusing,
        receiver(answer()) as healthy,
    ):
        bad = [hanging, bombing, refusing]
        for number, organization in enumerate(organizations.order_by("pk")):
            server = bad[number] if number < len(bad) else healthy
            target = IncomingTarget("1", server.url, "t")
            set_integrations(organization.pk, {"prom": target})
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.monotonic()
        push_runs.run_pushes()
        seconds = time.monotonic() - begin

    pushed = Push.objects.filter(failures=0)
    assert (pushed.count(), len(healthy.requests)) == (20, 20)
    codes = Push.objects.filter(failures=1).order_by("pk")
    assert list(codes.values_list("error_code", flat=True)) == [
        "timeout",
        "too_large",
        "refused",
    ]
    assert seconds < 10
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 40_000  # KiB; the bomb inflates to 100 MB
