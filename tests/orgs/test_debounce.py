"""Debouncing: many calls cause few runs of a task, and no caller waits for it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.conf import settings

from billing.alerts.tasks import evaluate_limited, evaluate_rolled_up
from billing.models import Alert
from metrics.commands.roll_up import roll_up_usage
from orgs.models import Entitlements, Organization, WhiteLabel
from orgs.queue.debounce import debounced_ids, enqueue_debounced
from tests.factories import make_organization, make_rate
from tests.support.alerts import limit, use

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def enqueued_at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the instants at which the broker is asked for a task."""
    _wait_for_earlier_tests()
    instants: list[float] = []
    for task in (evaluate_rolled_up, evaluate_limited):
        monkeypatch.setattr(
            task, "apply_async", lambda **_: instants.append(time.monotonic())
        )
    return instants


class _LastTask:
    """Stands for a task, and knows whether the thread came to it."""

    name = "tests.last"

    def __init__(self) -> None:
        self.enqueued = threading.Event()

    def apply_async(self, **_: object) -> None:
        self.enqueued.set()


def _wait_for_earlier_tests() -> None:
    """Let the thread send what other tests left, and forget it.

    Otherwise it would mark the task as enqueued in the middle of this test.
    """
    last: Any = _LastTask()
    enqueue_debounced(last, [1])
    assert last.enqueued.wait(60)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_recording_is_evaluated_soon_after(
    acme: WhiteLabel, org: Organization, enqueued_at: list[float]
) -> None:
    make_rate(acme, "2")
    limit(org, "soft", "10")
    use(acme, 5)
    wait_until(lambda: enqueued_at)

    evaluate_limited()

    assert Alert.objects.get().organization == org


def test_organizations_without_a_limit_are_evaluated_when_usage_is_rolled_up(
    acme: WhiteLabel, org: Organization, enqueued_at: list[float]
) -> None:
    Entitlements.objects.update_or_create(
        organization=org, defaults={"gpu_seconds_per_year": 100}
    )
    limit(make_organization(acme, "org-8"), "soft", "10")
    make_rate(acme, "0", meter="gpu_seconds")
    use(acme, 1, quantities={"gpu_seconds": 60})
    wait_until(lambda: enqueued_at)
    evaluate_limited()
    assert not Alert.objects.exists()

    roll_up_usage()
    wait_until(lambda: len(enqueued_at) == 2)
    evaluate_rolled_up()

    assert [str(one.kind) for one in Alert.objects.all()] == ["usage_50"]


def test_ids_lost_by_valkey_are_evaluated_when_usage_is_rolled_up(
    acme: WhiteLabel, org: Organization, enqueued_at: list[float]
) -> None:
    make_rate(acme, "2")
    limit(org, "soft", "10")
    use(acme, 5)
    valkey = redis.Redis.from_url(settings.REDIS_URL)
    key = "orgdesk:debounced:{}".format
    wait_until(lambda: valkey.exists(key(evaluate_limited.name)))
    valkey.flushall()
    evaluate_limited()
    assert not Alert.objects.exists()

    roll_up_usage()
    wait_until(lambda: valkey.exists(key(evaluate_rolled_up.name)))
    evaluate_rolled_up()

    assert Alert.objects.get().organization == org


def test_many_calls_ask_once_until_it_has_begun(enqueued_at: list[float]) -> None:
    for number in range(1, 1_001):
        enqueue_debounced(evaluate_rolled_up, [number])
    valkey = redis.Redis.from_url(settings.REDIS_URL)
    key = f"orgdesk:debounced:{evaluate_rolled_up.name}"
    wait_until(lambda: enqueued_at and valkey.scard(key) == 1_000)
    assert len(enqueued_at) == 1

    ids = [id_ for batch in debounced_ids(evaluate_rolled_up) for id_ in batch]
    assert sorted(ids) == list(range(1, 1_001))

    enqueue_debounced(evaluate_rolled_up, [7])
    wait_until(lambda: len(enqueued_at) == 2)
    assert [7] in debounced_ids(evaluate_rolled_up)


def test_no_call_waits_for_a_broker_that_hangs(
    enqueued_at: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, answered = threading.Event(), threading.Event()
    calls: list[tuple[str, bool]] = []

    def hang() -> redis.Redis:
        waiting.set()
        calls.append((threading.current_thread().name, answered.wait(10)))
        raise redis.ConnectionError

    monkeypatch.setattr("orgs.queue.debounce._client", hang)
    enqueue_debounced(evaluate_rolled_up, [7])
    calls_before_the_answer = list(calls)
    assert waiting.wait(60)
    answered.set()
    wait_until(lambda: calls)

    assert calls_before_the_answer == []  # or the caller had waited
    assert calls == [("debounce", True)]
    assert enqueued_at == []
