"""Webhook events that wait for Stripe do not delay other tasks of the same worker."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from billing.gateway import read_event
from billing.models import StripeAction, StripeEvent
from billing.stripe import tasks
from billing.stripe.commands.webhook_events import intake
from metrics.models import DailyUsage
from metrics.tasks import roll_up_usage
from orgs.models import WhiteLabel
from orgs.queue.enqueue import enqueue
from tests.factories import event, make_organization, make_white_label, record
from tests.support.celery_worker import running_worker
from tests.support.fake_stripe import FakeStripe
from tests.support.stripe_events import event_of

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("committed")]
EVENTS, SECONDS_EACH = 20, 0.25


@pytest.fixture
def event_backlog(fake_stripe: FakeStripe) -> Iterator[None]:
    """Enqueue webhook events whose handling waits for a slow Stripe."""
    fake_stripe.control("script", latency=SECONDS_EACH)
    for number in range(EVENTS):
        payload = event_of(f"price_{number}", "price.updated")
        id_ = intake.receive(read_event(json.dumps(payload).encode()))
        enqueue(tasks.handle_event, id_)
    yield
    fake_stripe.control("script", latency=0)


@pytest.fixture
def label() -> WhiteLabel:
    label = make_white_label()
    make_organization(label, "org-7")
    return label


def count_pending_when(condition: Callable[[], bool]) -> int:
    """Run a worker until the condition holds; return the events still pending."""
    with running_worker():
        end = time.monotonic() + EVENTS * SECONDS_EACH
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        pending = StripeEvent.objects.filter(state="pending").count()
    assert condition()
    return pending


def test_usage_is_rolled_up_before_a_backlog_of_webhook_events(
    label: WhiteLabel, event_backlog: None
) -> None:
    record(label, [event("e-1", organization="org-7")])
    enqueue(roll_up_usage)

    assert count_pending_when(DailyUsage.objects.exists) > EVENTS / 2


def test_requested_action_runs_before_a_backlog_of_webhook_events(
    label: WhiteLabel, event_backlog: None
) -> None:
    action = StripeAction.objects.create(
        organization=label.organizations.get(external_id="org-7"),
        kind="create_customer",
        parameters={"email": "ann@example.com"},
        note="why not",
        requested_by="ann",
    )
    enqueue(tasks.do_action, action.pk)

    done = StripeAction.objects.filter(state="done")
    assert count_pending_when(done.exists) > EVENTS / 2
