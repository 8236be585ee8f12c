"""What waits for Stripe holds up nothing else, though one worker does all of it."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import task_postrun
from django.db import connections

from billing.gateway import read_event
from billing.models import StripeAction, StripeEvent
from billing.stripe import tasks
from billing.stripe.commands.webhook_events import receiving
from config.celery import app
from metrics.models import DailyUsage
from metrics.tasks import roll_up_usage
from orgs.models import WhiteLabel
from orgs.queue.enqueue import enqueue
from tests.billing.stripe.test_webhooks import event_of
from tests.factories import event, make_organization, make_white_label, record
from tests.support.fake_stripe import FakeStripe

pytestmark = [pytest.mark.usefixtures("committed")]
EVENTS, SECONDS_EACH = 20, 0.25


@pytest.fixture
def storm(fake_stripe: FakeStripe) -> Iterator[None]:
    """Events that wait in the queue, each of which takes Stripe a while."""
    fake_stripe.control("script", latency=SECONDS_EACH)
    for number in range(EVENTS):
        told = event_of(f"price_{number}", "price.updated")
        id_ = receiving.receive(read_event(json.dumps(told).encode()))
        enqueue(tasks.handle_event, id_)
    yield
    fake_stripe.control("script", latency=0)


@pytest.fixture
def label() -> WhiteLabel:
    label = make_white_label()
    make_organization(label, "org-7")
    return label


def waiting_when(is_so: Callable[[], bool]) -> int:
    """How many events a worker has still before it when it is so."""

    def hang_up(**_: object) -> None:
        connections.close_all()

    task_postrun.connect(hang_up)
    with start_worker(app, pool="solo", perform_ping_check=False):
        end = time.monotonic() + EVENTS * SECONDS_EACH
        while not is_so() and time.monotonic() < end:
            time.sleep(0.02)
        waiting = StripeEvent.objects.filter(state="pending").count()
    task_postrun.disconnect(hang_up)
    assert is_so()
    return waiting


def test_usage_is_folded_before_a_storm_of_events_is_over(
    label: WhiteLabel, storm: None
) -> None:
    record(label, [event("e-1", organization="org-7")])
    enqueue(roll_up_usage)

    assert waiting_when(DailyUsage.objects.exists) > EVENTS / 2


def test_who_waits_for_stripes_answer_goes_before_a_storm_of_events(
    label: WhiteLabel, storm: None
) -> None:
    asked = StripeAction.objects.create(
        organization=label.organizations.get(external_id="org-7"),
        kind="create_customer",
        parameters={"email": "ann@example.com"},
        note="why not",
        requested_by="ann",
    )
    enqueue(tasks.do_action, asked.pk)

    done = StripeAction.objects.filter(state="done")
    assert waiting_when(done.exists) > EVENTS / 2
