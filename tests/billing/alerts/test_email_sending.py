"""Emails survive a mail host that hangs, rejects or hangs up: sent once, never lost."""

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
import time_machine
from django.conf import settings
from django.db import connection, transaction
from pytest_django import Settings

from billing.alerts import tasks
from billing.alerts.commands.delivery import attempts
from billing.alerts.commands.delivery.host_slots import host_slot
from billing.alerts.commands.delivery.outcomes import restart
from billing.alerts.commands.delivery.worker import deliver
from billing.alerts.commands.recipients import set_recipients
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.models import Organization, WhiteLabel
from orgs.queue import slots
from tests.factories import NOW, make_rate, make_white_label
from tests.support import forks
from tests.support.alerts import limit
from tests.support.emails import (
    alert_of,
    exceed,
    make_customer,
    recipients_of,
    send_emails,
    state_of,
    wait,
)
from tests.support.forks import end_other_sessions, fork
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server
from tests.support.snapshots import snapshot

__all__ = ["smtp_sink", "smtp_sink_server"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]


@pytest.fixture
@snapshot
def ann(acme: WhiteLabel) -> Organization:
    """Set two recipients, ann@example.com and bob@example.org, and a decoy."""
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    Organization.objects.filter(pk=decoy.pk).update(billing_email="decoy@example.com")
    return ann_and_bob(acme)


BOTH = ["ann@example.com", "bob@example.org"]


# --- hosts that work ----------------------------------------------------------------


def test_each_address_gets_a_separate_message(
    ann: Organization, smtp_sink: SmtpSink
) -> None:
    alert_email = exceed(ann)

    send_emails()

    assert smtp_sink.to() == BOTH
    assert smtp_sink.ids() == [alert_email.message_id] * 2
    one, other = smtp_sink.alert_emails
    assert one.message["To"] == "ann@example.com"
    assert b"bob@" not in one.raw
    assert b"ann@" not in other.raw
    assert "Org-1" in one.subject
    assert "$22.00" in one.body()
    assert one.message["Auto-Submitted"] == "auto-generated"
    assert recipients_of(alert_email) == [(address, "sent", None) for address in BOTH]
    assert state_of(alert_email) == ("done", 1, "sent")
    assert alert_of(alert_email).sent_at == NOW


def test_a_repeated_task_sends_nothing(ann: Organization, smtp_sink: SmtpSink) -> None:
    alert_email = exceed(ann)
    send_emails(alert_email.pk, alert_email.pk)
    send_emails(alert_email.pk)
    tasks.sweep_alert_emails()

    assert smtp_sink.to() == BOTH


def test_an_email_that_was_not_enqueued_is_swept(
    ann: Organization, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert_email = exceed(ann)
    enqueued: list[int] = []
    monkeypatch.setattr(
        "billing.alerts.tasks.enqueue", lambda _, id_: enqueued.append(id_)
    )

    tasks.sweep_alert_emails()

    assert enqueued == [alert_email.pk]


def test_soft_and_hard_limits_send_two_emails(
    ann: Organization, smtp_sink: SmtpSink
) -> None:
    limit(ann, "hard", "21")
    exceed(ann)
    send_emails()

    limits = {
        email.id: re.findall(r"\$[\d.]+", email.subject)
        for email in smtp_sink.alert_emails
    }
    assert sorted(limits.values()) == [["$20.00"], ["$21.00"]]
    assert len(set(smtp_sink.ids())) == 2


# --- hosts that fail ----------------------------------------------------------------


def test_a_rejected_address_does_not_affect_others(
    ann: Organization, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    smtp_sink.script("rcpt", "550 no such user", to="bob@example.org")
    alert_email = exceed(ann)
    send_emails()
    wait(frozen, 3)

    assert smtp_sink.to() == ["ann@example.com"]
    assert recipients_of(alert_email) == [
        ("ann@example.com", "sent", None), ("bob@example.org", "refused", 550),
    ]  # fmt: skip
    assert state_of(alert_email) == ("done", 1, "sent")
    reason = alert_of(alert_email).reason
    assert "1 of 2" in reason
    assert "bob@example.org: 550 no such user" in reason


def test_an_alert_fails_when_all_addresses_are_rejected(
    ann: Organization, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script("rcpt", "550 no such user")
    alert_email = exceed(ann)
    send_emails()

    assert state_of(alert_email) == ("done", 1, "failed")


def test_only_pending_recipients_are_retried(
    ann: Organization, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    smtp_sink.script("rcpt", "451 later", to="bob@example.org")
    alert_email = exceed(ann)
    send_emails()
    assert state_of(alert_email) == ("pending", 1, "sending")
    assert recipients_of(alert_email)[1] == ("bob@example.org", "pending", 451)

    smtp_sink.accept_all()
    wait(frozen, 2)

    assert smtp_sink.to() == BOTH
    assert state_of(alert_email)[0::2] == ("done", "sent")


def test_a_domain_that_hangs_does_not_delay_others(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    make_rate(acme, "2")
    smtp_sink.script("rcpt", "hang", to="slow.example")
    slow = [
        exceed(make_customer(acme, f"slow-{n}", email=f"{n}@slow.example"), price=False)
        for n in range(4)
    ]
    quick = exceed(make_customer(acme, "quick", email="q@quick.example"), price=False)
    send_emails()

    assert state_of(quick) == ("done", 1, "sent")
    # Two tried and waited; the others did not connect and keep their attempts.
    assert [state_of(alert_email)[:2] for alert_email in slow] == [
        ("pending", 1), ("pending", 1), ("pending", 0), ("pending", 0),
    ]  # fmt: skip
    assert "slow.example" in slow[3].error

    smtp_sink.accept_all()
    wait(frozen, 4)
    assert [state_of(alert_email)[0] for alert_email in slow] == ["done"] * 4
    assert len(smtp_sink.alert_emails) == 5


def test_a_host_that_is_busy_for_ten_minutes_loses_no_email(
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    settings.EMAILS_PER_MINUTE = 6_000
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email=f"a@{n}.example"), price=False)
        for n in range(12)
    ]
    smtp_sink.script("connect", "421 busy")
    send_emails()
    wait(frozen, 10)
    assert smtp_sink.alert_emails == []
    assert smtp_sink.connections <= 12  # about one per minute, not one per email

    smtp_sink.accept_all()
    wait(frozen, 15)

    assert sorted(smtp_sink.ids()) == sorted(
        alert_email.message_id for alert_email in made
    )
    assert {state_of(alert_email)[0::2] for alert_email in made} == {("done", "sent")}


def test_a_connection_lost_after_acceptance_repeats_the_same_message(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    """The host accepted it and could not answer: no sender can know."""
    smtp_sink.script("data", "cut")
    alert_email = exceed(make_customer(acme))
    send_emails()
    smtp_sink.accept_all()
    wait(frozen, 2)

    assert smtp_sink.ids() == [alert_email.message_id] * 2
    assert state_of(alert_email)[0::2] == ("done", "sent")


def test_an_email_with_exhausted_retries_fails_with_the_reason(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    smtp_sink.script("rcpt", "450 greylisted", to="bob@example.org")
    alert_email = exceed(ann_and_bob(acme))
    for _ in range(AlertEmail.retries.attempts):
        send_emails()
        frozen.shift(timedelta(hours=2))

    assert state_of(alert_email) == ("failed", AlertEmail.retries.attempts, "sent")
    assert recipients_of(alert_email)[1] == ("bob@example.org", "failed", 450)
    assert alert_email.error == "bob@example.org: greylisted"

    smtp_sink.accept_all()
    restart(alert_email.pk)
    send_emails()
    assert smtp_sink.to() == BOTH
    assert state_of(alert_email) == ("done", 1, "sent")


def ann_and_bob(label: WhiteLabel) -> Organization:
    made = make_customer(label)
    set_recipients(
        made.pk,
        notifies_billing_email=True,
        member_ids=[],
        addresses=["bob@example.org"],
    )
    return made


def test_no_transaction_is_open_during_smtp(
    committed: None, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert_email = exceed(make_customer(make_white_label()))
    seen: list[bool] = []
    original = SmtpSink.behavior

    def observed(sink: SmtpSink, step: str, address: str = "") -> str:
        seen.append(open_transactions() > 0)
        return original(sink, step, address)

    monkeypatch.setattr(SmtpSink, "behavior", observed)
    send_emails(alert_email.pk)
    connection.close()

    assert seen
    assert not any(seen)


def open_transactions() -> int:
    """Return the transactions of other sessions, as PostgreSQL lists them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and state like 'idle in transaction%%' and pid <> pg_backend_pid()"
        )
        count: int = cursor.fetchone()[0]
    connection.close()
    return count


# --- killed -------------------------------------------------------------------------


@pytest.fixture
def email_to_kill(
    committed: None, frozen: time_machine.Traveller, smtp_sink: SmtpSink
) -> Iterator[AlertEmail]:
    yield exceed(ann_and_bob(make_white_label()))
    smtp_sink.accept_all()


@pytest.mark.process
@pytest.mark.parametrize(
    ("step", "to"),
    [
        ("connect", ""),
        ("rcpt", "bob@example.org"),
        ("body", "ann@example.com"),
        ("data", "bob@example.org"),
    ],
)
def test_an_email_arrives_although_its_worker_is_killed(
    step: str,
    to: str,
    email_to_kill: AlertEmail,
    smtp_sink: SmtpSink,
    frozen: time_machine.Traveller,
) -> None:
    """The message is repeated, with the same id, if its acceptance was not recorded."""
    smtp_sink.script(step, "hang", to=to)
    worker = fork(lambda: deliver(email_to_kill.pk))
    smtp_sink.await_(step)
    forks.kill(worker)
    smtp_sink.accept_all()
    send_emails()  # the lease is valid: no other worker may send it
    assert state_of(email_to_kill) == ("running", 1, "sending")

    frozen.shift(AlertEmail.retries.lease)
    send_emails()

    assert smtp_sink.to() == BOTH + [to] * (step == "data")
    assert set(smtp_sink.ids()) == {email_to_kill.message_id}
    assert state_of(email_to_kill) == ("done", 2, "sent")


@pytest.mark.process
def test_a_worker_killed_before_recording_repeats_the_message(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    """A lock on the row stops the worker between acceptance and its record."""
    first = AlertEmailRecipient.objects.filter(alert_email=email_to_kill).order_by("id")
    with transaction.atomic():
        first.select_for_update().get(address="ann@example.com")
        smtp_sink.script("data", "250 taken", to="ann@example.com")
        worker = fork(lambda: deliver(email_to_kill.pk))
        smtp_sink.await_("data")
        forks.kill(worker)
        end_other_sessions()

    frozen.shift(AlertEmail.retries.lease)
    send_emails()

    assert smtp_sink.to() == ["ann@example.com", *BOTH]
    assert set(smtp_sink.ids()) == {email_to_kill.message_id}


def test_concurrent_workers_send_each_email_once(
    committed: None, smtp_sink: SmtpSink, settings: Settings
) -> None:
    settings.EMAILS_PER_MINUTE = 6_000
    label = make_white_label()
    make_rate(label, "2")
    made = [
        exceed(make_customer(label, f"o-{n}", email=f"a@{n}.example"), price=False)
        for n in range(4)
    ]

    def send(id_: int) -> None:
        attempts.attempt(id_)
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, [alert_email.pk for alert_email in made] * 4))

    assert sorted(smtp_sink.ids()) == sorted(
        alert_email.message_id for alert_email in made
    )


# --- slots --------------------------------------------------------------------------


@pytest.mark.process
def test_workers_without_a_slot_do_not_wait_for_the_host(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink
) -> None:
    """The waiting worker continues with what the others left."""
    label = make_white_label("other")
    later = exceed(make_customer(label, "later", email="c@quick.example"))
    smtp_sink.script("rcpt", "hang")
    worker = fork(lambda: deliver(email_to_kill.pk))
    smtp_sink.await_("rcpt")
    start = time.monotonic()
    deliver(later.pk)

    assert time.monotonic() - start < 0.5
    assert state_of(later) == ("pending", 0, "pending")

    smtp_sink.accept_all()
    os.waitpid(worker, 0)
    assert later.message_id in smtp_sink.ids()


@pytest.mark.process
def test_the_slot_of_a_killed_worker_expires(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script("rcpt", "hang")
    worker = fork(lambda: deliver(email_to_kill.pk))
    smtp_sink.await_("rcpt")
    forks.kill(worker)

    valkey = redis.Redis.from_url(settings.REDIS_URL)
    left = valkey.pttl("orgdesk:email_slot:0")
    assert 0 < left <= 30_000
    valkey.flushdb()
    with host_slot() as is_free:
        assert is_free


def test_the_slot_is_renewed_while_the_host_hangs(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot is renewed while the host hangs, and released when it answers."""
    monkeypatch.setattr(slots, "SLOT_SECONDS", 0.6)
    smtp_sink.script("rcpt", "hang")
    worker = fork(lambda: deliver(email_to_kill.pk))
    smtp_sink.await_("rcpt")

    seen = set()
    for _ in range(20):
        time.sleep(0.1)
        seen.add(is_slot_free())
    assert seen == {False}

    smtp_sink.accept_all()
    os.waitpid(worker, 0)
    assert is_slot_free()


def is_slot_free() -> bool:
    with host_slot() as is_free:
        return is_free


@pytest.mark.parametrize(("a_minute", "sent"), [(120, [3, 0, 1, 2, 4]), (6, [3])])
def test_a_worker_with_a_slot_sends_all_due_emails(
    a_minute: int,
    sent: list[int],
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
) -> None:
    """A worker sends until the tokens are used up."""
    settings.EMAILS_PER_MINUTE = a_minute
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email=f"a@{n}.example"), price=False)
        for n in range(5)
    ]
    deliver(made[3].pk)

    assert smtp_sink.ids() == [made[n].message_id for n in sent]
    left = [state_of(one) for n, one in enumerate(made) if n not in sent]
    assert set(left) <= {("pending", 0, "pending")}


# --- storms -------------------------------------------------------------------------


def figures(subject: str) -> list[str]:
    """Return the numbers in the subject of a digest: alerts and organizations."""
    return re.findall(r"\d+", subject)


def test_many_emails_to_one_address_become_a_digest(
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    settings.DIGEST_AFTER = 3
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email="ops@acme.example"), price=False)
        for n in range(7)
    ]
    decoy = WhiteLabel.objects.get(slug="decoy")
    theirs = exceed(make_customer(decoy, "d-1", email="ops@acme.example"))
    send_emails()

    assert len(smtp_sink.alert_emails) == 2
    digest = next(
        email for email in smtp_sink.alert_emails if email.id != theirs.message_id
    )
    assert figures(digest.subject) == ["7", "7"]
    assert "Acme" in digest.subject
    assert all(f"O-{n}" in digest.body() for n in range(7))
    assert "D-1" not in digest.body()
    assert {state_of(alert_email) for alert_email in made} >= {("done", 1, "sent")}
    assert {state_of(alert_email)[2] for alert_email in made} == {"sent"}

    wait(frozen, 12)
    assert len(smtp_sink.alert_emails) == 2


def test_the_next_digest_waits_for_the_window_to_end(
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    settings.DIGEST_AFTER, settings.DIGEST_MINUTES = 2, 10
    make_rate(acme, "2")
    for n in range(3):
        exceed(make_customer(acme, f"o-{n}", email="ops@acme.example"), price=False)
    send_emails()
    for n in range(3, 6):
        exceed(make_customer(acme, f"o-{n}", email="ops@acme.example"), price=False)
    send_emails()
    wait(frozen, 8)
    assert len(smtp_sink.alert_emails) == 1

    wait(frozen, 4)

    assert [figures(email.subject) for email in smtp_sink.alert_emails] == [
        ["3", "3"]
    ] * 2
    assert set(Alert.objects.values_list("state", flat=True)) == {"sent"}


def test_a_failed_digest_fails_each_of_its_alerts(
    acme: WhiteLabel, smtp_sink: SmtpSink, settings: Settings
) -> None:
    settings.DIGEST_AFTER = 1
    smtp_sink.script("rcpt", "550 gone")
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email="ops@acme.example"), price=False)
        for n in range(3)
    ]
    send_emails()

    assert {state_of(alert_email)[2] for alert_email in made} == {"failed"}
    reasons = set(Alert.objects.values_list("reason", flat=True))
    assert reasons == {"ops@acme.example: 550 gone"}


def test_the_rate_limit_of_emails_is_respected(
    acme: WhiteLabel, smtp_sink: SmtpSink, settings: Settings
) -> None:
    settings.EMAILS_PER_MINUTE = 12  # two at once
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email=f"a@{n}.example"), price=False)
        for n in range(5)
    ]
    send_emails()

    assert len(smtp_sink.alert_emails) == 2
    assert [state_of(alert_email)[:2] for alert_email in made[2:]] == [
        ("pending", 0)
    ] * 3


@pytest.mark.usefixtures("without_valkey")
def test_emails_are_sent_without_valkey(acme: WhiteLabel, smtp_sink: SmtpSink) -> None:
    alert_email = exceed(make_customer(acme))
    tasks.send_alert_email(alert_email.pk)

    assert smtp_sink.ids() == [alert_email.message_id]
