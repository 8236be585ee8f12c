"""kill -9 at every step from the crossing to the mark: one letter, and the ledger says.

Real processes, real commits, a real host. After each, the next sweep goes on.
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
from billing.alerts.commands.delivery import sending
from billing.alerts.commands.recipients import set_recipients
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.models import Organization
from tests.factories import make_rate, make_white_label
from tests.support.alerts import limit
from tests.support.emails import make_customer, use, work
from tests.support.forks import die_at, fork
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server

__all__ = ["smtp_sink", "smtp_sink_server"]
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("committed", "frozen")]
BOTH = ["ann@example.com", "bob@example.org"]


@pytest.fixture
def over() -> Organization:
    """Over its soft and its hard limit, and nobody has looked; it tells two addresses.

    The decoy of another white label is over nothing.
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
    """As the thread of a web process does."""
    valkey = redis.Redis.from_url(settings.REDIS_URL)
    key = f"orgdesk:debounced:{tasks.evaluate_rolled_up.name}"
    valkey.sadd(key, organization.pk)


def sweep(clock: time_machine.Traveller) -> None:
    """What beat asks for, once a lease is over."""
    clock.shift(AlertEmail.retries.lease)
    tasks.sweep_alerts()
    work()


def outcome() -> tuple[list[tuple[str, str]], set[tuple[str, str]]]:
    rows = Alert.objects.order_by("kind").values_list("kind", "state")
    told = AlertEmailRecipient.objects.values_list("address", "state")
    return list(rows), set(told)


TOLD = (
    [("hard_limit", "sent"), ("soft_limit", "sent")],
    {("ann@example.com", "sent"), ("bob@example.org", "sent")},
)


# --- evaluating ---------------------------------------------------------------------

EVALUATING = [
    "-billing.alerts.tasks.debounced_ids",  # enqueued, and has not started
    "-billing.alerts.commands.evaluation._evaluate",  # it took the ids out of Valkey
    "-billing.alerts.commands.evaluation.find_changes",  # it holds the lock
    "+billing.alerts.commands.evaluation.find_changes",
    "+billing.alerts.commands.evaluation.record_access",  # who is blocked, and no alert
    "+billing.alerts.commands.ledger.freeze",
    "+billing.alerts.commands.ledger._insert",  # between row and outbox
    "+billing.alerts.commands.ledger._write_emails",
    "+billing.alerts.commands.evaluation.record",  # the last thing before the commit
    "-billing.alerts.tasks.enqueue_emails",  # committed, and not enqueued
    "+billing.alerts.tasks.enqueue",
]


@pytest.mark.parametrize("point", EVALUATING)
def test_killed_while_it_is_evaluated_it_is_told_once(
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
    assert outcome() == TOLD


def test_two_beats_and_their_workers_tell_it_once(
    over: Organization, smtp_sink: SmtpSink
) -> None:
    both = (tasks.sweep_alerts, tasks.evaluate_due, tasks.sweep_alerts)
    for child in [fork(task) for task in (*both, *both)]:
        assert os.waitpid(child, 0)[1] == 0
    ids = list(AlertEmail.objects.values_list("pk", flat=True))
    for child in [fork(partial(sending.send, id_)) for id_ in ids * 3]:
        assert os.waitpid(child, 0)[1] == 0

    assert smtp_sink.to() == sorted(BOTH * 2)
    assert outcome() == TOLD


# --- sending ------------------------------------------------------------------------

SENDING = [
    ("-billing.alerts.commands.delivery.sending.claim", 0),
    ("+billing.alerts.commands.delivery.sending.claim", 0),  # it has the lease
    ("+billing.alerts.commands.delivery.sending.renew", 0),
    ("+billing.alerts.emails.acquire_token", 0),
    ("+billing.alerts.commands.delivery.sending.words_to", 0),
    ("+billing.alerts.emails.smtp.get_connection", 0),
    ("-billing.alerts.commands.delivery.sending._mark", 1),  # accepted, and not marked
    ("-billing.alerts.commands.delivery.sending.settle", 1),
    ("+billing.alerts.commands.delivery.sending.settle", 0),
    ("+billing.alerts.emails.note_success", 0),
    ("-billing.alerts.commands.delivery.sending.end", 0),  # both took it
    ("-billing.alerts.commands.delivery.ending.tell_alerts", 0),
    ("+billing.alerts.commands.delivery.ending.tell_alerts", 0),  # in its transaction
    ("+billing.alerts.commands.delivery.sending.end", 0),
]


@pytest.mark.parametrize(("point", "again"), SENDING)
def test_killed_while_it_is_sent_it_comes_once_more_at_most(
    point: str,
    again: int,
    over: Organization,
    smtp_sink: SmtpSink,
    frozen: time_machine.Traveller,
) -> None:
    """Once more only where the host said yes and nobody could note it: the same id."""
    first, second = evaluation.evaluate([over.pk])
    die_at(point, lambda: sending.send(first))
    work(second)
    sweep(frozen)
    sweep(frozen)

    sent = Counter((one.id, one.to) for one in smtp_sink.alert_emails)
    ids = [AlertEmail.objects.get(pk=id_).message_id for id_ in (first, second)]
    assert set(sent) == {(id_, to) for id_ in ids for to in BOTH}
    assert sum(sent.values()) == 4 + again
    assert sent[ids[0], BOTH[0]] == 1 + again
    assert outcome() == TOLD


# --- one letter for many ------------------------------------------------------------

GATHERING = [
    "+billing.alerts.commands.delivery.digests._end_settled",  # in its transaction
    "+billing.alerts.commands.delivery.digests._gather",  # committed
    "-billing.alerts.commands.delivery.sending.end",
    "+billing.alerts.commands.delivery.sending.end",  # nobody knows of the digest
]


@pytest.mark.parametrize("point", GATHERING)
def test_killed_while_many_become_one_it_is_told_once(
    point: str,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    settings.DIGEST_AFTER = 2
    label = make_white_label()
    make_rate(label, "2")
    made = [make_customer(label, f"o-{n}", email="ops@acme.example") for n in range(4)]
    for one in made:
        limit(one, "soft", "20")
        use(one)
    first, *_ = evaluation.evaluate([one.pk for one in made])
    die_at(point, lambda: sending.send(first))
    sweep(frozen)
    sweep(frozen)

    told = [one.body() for one in smtp_sink.alert_emails]
    assert len(told) <= 2  # a letter with a lease stays its own
    assert [sum(f"O-{n}" in body for body in told) for n in range(4)] == [1] * 4
    assert set(Alert.objects.values_list("state", flat=True)) == {"sent"}
    assert set(AlertEmail.objects.values_list("state", flat=True)) == {"done"}
