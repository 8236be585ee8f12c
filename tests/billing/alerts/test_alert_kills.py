"""Workers killed with SIGKILL at each step send one email and record its outcome.

Real processes, real commits and a real mail host. After each kill, the next sweep
continues.
"""

import os
from collections import Counter
from functools import partial

import pytest
import redis
import time_machine
from django.conf import settings
from pytest_django import Settings

from billing.alerts import tasks
from billing.alerts.commands import evaluation
from billing.alerts.commands.delivery import attempts
from billing.alerts.commands.recipients import set_recipients
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.models import Organization
from tests.factories import make_rate, make_white_label
from tests.support.alerts import limit
from tests.support.emails import make_customer, send_emails, use
from tests.support.forks import die_at, fork
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server

__all__ = ["smtp_sink", "smtp_sink_server"]
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("committed", "frozen")]
BOTH = ["ann@example.com", "bob@example.org"]


@pytest.fixture
def over() -> Organization:
    """Create an organization above both limits, not evaluated yet, with two recipients.

    The decoy of another white label has reached no limit.
    """
    decoy = make_customer(make_white_label("decoy"), email="decoy@example.com")
    limit(decoy, "hard", "20")
    label = make_white_label()
    made = make_customer(label)
    set_recipients(
        made.pk,
        notifies_billing_email=True,
        member_ids=[],
        addresses=["bob@example.org"],
    )
    make_rate(label, "2")
    limit(made, "soft", "20")
    limit(made, "hard", "22")
    use(made)
    return made


def enqueue_by_hand(organization: Organization) -> None:
    """Queue an evaluation, as the thread of a web process does."""
    valkey = redis.Redis.from_url(settings.REDIS_URL)
    key = f"orgdesk:debounced:{tasks.evaluate_rolled_up.name}"
    valkey.sadd(key, organization.pk)


def sweep(clock: time_machine.Traveller) -> None:
    """Run the periodic sweeps after leases have expired."""
    clock.shift(AlertEmail.retries.lease)
    tasks.sweep_alerts()
    send_emails()


def outcome() -> tuple[list[tuple[str, str]], set[tuple[str, str]]]:
    rows = Alert.objects.order_by("kind").values_list("kind", "state")
    states = AlertEmailRecipient.objects.values_list("address", "state")
    return list(rows), set(states)


ALL_SENT = (
    [("hard_limit", "sent"), ("soft_limit", "sent")],
    {("ann@example.com", "sent"), ("bob@example.org", "sent")},
)


# --- evaluating ---------------------------------------------------------------------

EVALUATION_POINTS = [
    "-billing.alerts.tasks.debounced_ids",  # queued, not begun
    "-billing.alerts.commands.evaluation._evaluate",  # it removed the ids from Valkey
    "-billing.alerts.commands.evaluation.find_changes",  # holds the lock
    "+billing.alerts.commands.evaluation.find_changes",
    "+billing.alerts.commands.evaluation.record_access",  # access, and no alert
    "+billing.alerts.commands.records.build_facts",
    "+billing.alerts.commands.records._insert",  # between row and outbox
    "+billing.alerts.commands.records._write_emails",
    "+billing.alerts.commands.evaluation.record",  # the last thing before the commit
    "-billing.alerts.tasks.enqueue_emails",  # committed, not enqueued
    "+billing.alerts.tasks.enqueue",
]


@pytest.mark.parametrize("point", EVALUATION_POINTS)
def test_a_killed_evaluation_leads_to_one_email(
    point: str,
    over: Organization,
    smtp_sink: SmtpSink,
    frozen: time_machine.Traveller,
) -> None:
    enqueue_by_hand(over)
    die_at(point, tasks.evaluate_rolled_up)
    sweep(frozen)
    sweep(frozen)

    assert smtp_sink.to() == sorted(BOTH * 2)
    assert len(set(smtp_sink.ids())) == 2
    assert outcome() == ALL_SENT


def test_concurrent_sweeps_and_workers_send_one_email(
    over: Organization, smtp_sink: SmtpSink
) -> None:
    both = (tasks.sweep_alerts, tasks.evaluate_due, tasks.sweep_alerts)
    for child in [fork(task) for task in (*both, *both)]:
        assert os.waitpid(child, 0)[1] == 0
    ids = list(AlertEmail.objects.values_list("pk", flat=True))
    for child in [fork(partial(attempts.attempt, id_)) for id_ in ids * 3]:
        assert os.waitpid(child, 0)[1] == 0

    assert smtp_sink.to() == sorted(BOTH * 2)
    assert outcome() == ALL_SENT


# --- sending ------------------------------------------------------------------------

SENDING_POINTS = [
    ("-billing.alerts.commands.delivery.attempts.claim", 0),
    ("+billing.alerts.commands.delivery.attempts.claim", 0),  # it has the lease
    ("+billing.alerts.commands.delivery.attempts.renew", 0),
    ("+billing.alerts.commands.delivery.attempts.acquire_token", 0),
    ("+billing.alerts.commands.delivery.attempts.build_message", 0),
    ("+billing.alerts.commands.delivery.smtp.get_connection", 0),
    ("-billing.alerts.commands.delivery.attempts._record", 1),  # accepted
    ("-billing.alerts.commands.delivery.attempts.finish_recipient", 1),
    ("+billing.alerts.commands.delivery.attempts.finish_recipient", 0),
    ("+billing.alerts.commands.delivery.attempts.record_success", 0),
    ("-billing.alerts.commands.delivery.attempts.end_attempt", 0),  # both took it
    ("-billing.alerts.commands.delivery.outcomes.update_alerts", 0),
    (
        "+billing.alerts.commands.delivery.outcomes.update_alerts",
        0,
    ),  # in its transaction
    ("+billing.alerts.commands.delivery.attempts.end_attempt", 0),
]


@pytest.mark.parametrize(("point", "again"), SENDING_POINTS)
def test_a_killed_sender_repeats_at_most_one_email(
    point: str,
    again: int,
    over: Organization,
    smtp_sink: SmtpSink,
    frozen: time_machine.Traveller,
) -> None:
    """The message is repeated, with the same id, if its acceptance was not recorded."""
    first, second = evaluation.evaluate([over.pk])
    die_at(point, lambda: attempts.attempt(first))
    send_emails(second)
    sweep(frozen)
    sweep(frozen)

    sent = Counter((email.id, email.to) for email in smtp_sink.alert_emails)
    ids = [AlertEmail.objects.get(pk=id_).message_id for id_ in (first, second)]
    assert set(sent) == {(id_, to) for id_ in ids for to in BOTH}
    assert sum(sent.values()) == 4 + again
    assert sent[ids[0], BOTH[0]] == 1 + again
    assert outcome() == ALL_SENT


# --- digests ------------------------------------------------------------------------

DIGEST_POINTS = [
    "+billing.alerts.commands.delivery.digests._finish_emails",  # in its transaction
    "+billing.alerts.commands.delivery.digests._combine",  # committed
    "-billing.alerts.commands.delivery.attempts.end_attempt",
    "+billing.alerts.commands.delivery.attempts.end_attempt",  # not enqueued
]


@pytest.mark.parametrize("point", DIGEST_POINTS)
def test_a_killed_digest_sends_each_alert_once(
    point: str,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    settings.DIGEST_AFTER = 2
    label = make_white_label()
    make_rate(label, "2")
    made = [make_customer(label, f"o-{n}", email="ops@acme.example") for n in range(4)]
    for organization in made:
        limit(organization, "soft", "20")
        use(organization)
    first, *_ = evaluation.evaluate([organization.pk for organization in made])
    die_at(point, lambda: attempts.attempt(first))
    sweep(frozen)
    sweep(frozen)

    bodies = [email.body() for email in smtp_sink.alert_emails]
    assert len(bodies) <= 2  # a leased email is sent alone
    assert [sum(f"O-{n}" in body for body in bodies) for n in range(4)] == [1] * 4
    assert set(Alert.objects.values_list("state", flat=True)) == {"sent"}
    assert set(AlertEmail.objects.values_list("state", flat=True)) == {"done"}
