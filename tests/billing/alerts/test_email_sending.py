"""Letters over SMTP to a host that hangs, refuses, hangs up: told once, never lost."""

import os
import re
import signal
import subprocess
import sys
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
from billing.alerts.commands.delivery import delivering, sending
from billing.alerts.commands.delivery.ending import revive
from billing.alerts.commands.recipients import set_recipients
from billing.alerts.emails import slots
from billing.alerts.emails.slots import host_slot
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.models import Organization, WhiteLabel
from tests import ROOT
from tests.factories import NOW, make_rate, make_white_label
from tests.support import forks
from tests.support.alerts import limit
from tests.support.emails import (
    alert_of,
    exceed,
    make_customer,
    state_of,
    told,
    wait,
    work,
)
from tests.support.forks import end_other_sessions, fork
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server

__all__ = ["smtp_sink", "smtp_sink_server"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def ann(acme: WhiteLabel) -> Organization:
    """Told by ann@example.com and bob@example.org; the decoy's letters are not sent."""
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    Organization.objects.filter(pk=decoy.pk).update(billing_email="decoy@example.com")
    return ann_and_bob(acme)


BOTH = ["ann@example.com", "bob@example.org"]


# --- as it should be ----------------------------------------------------------------


def test_each_address_gets_a_letter_of_its_own(
    ann: Organization, smtp_sink: SmtpSink
) -> None:
    alert_email = exceed(ann)

    work()

    assert smtp_sink.to() == BOTH
    assert smtp_sink.ids() == [alert_email.message_id] * 2
    one, other = smtp_sink.alert_emails
    assert one.message["To"] == "ann@example.com"
    assert b"bob@" not in one.raw
    assert b"ann@" not in other.raw
    assert "Org-1" in one.subject
    assert "$22.00" in one.body()
    assert one.message["Auto-Submitted"] == "auto-generated"
    assert told(alert_email) == [(one, "sent", None) for one in BOTH]
    assert state_of(alert_email) == ("done", 1, "sent")
    assert alert_of(alert_email).sent_at == NOW


def test_told_again_a_worker_sends_nothing(
    ann: Organization, smtp_sink: SmtpSink
) -> None:
    alert_email = exceed(ann)
    work(alert_email.pk, alert_email.pk)
    work(alert_email.pk)
    tasks.sweep_alert_emails()

    assert smtp_sink.to() == BOTH


def test_a_letter_nobody_was_told_of_is_swept(
    ann: Organization, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert_email = exceed(ann)
    enqueued: list[int] = []
    monkeypatch.setattr(
        "billing.alerts.tasks.enqueue", lambda _, id_: enqueued.append(id_)
    )

    tasks.sweep_alert_emails()

    assert enqueued == [alert_email.pk]


def test_soft_and_hard_are_two_letters(ann: Organization, smtp_sink: SmtpSink) -> None:
    limit(ann, "hard", "21")
    exceed(ann)
    work()

    limits = {
        one.id: re.findall(r"\$[\d.]+", one.subject) for one in smtp_sink.alert_emails
    }
    assert sorted(limits.values()) == [["$20.00"], ["$21.00"]]
    assert len(set(smtp_sink.ids())) == 2


# --- what hosts do ------------------------------------------------------------------


def test_a_refused_address_is_refused_alone(
    ann: Organization, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    smtp_sink.script("rcpt", "550 no such user", to="bob@example.org")
    alert_email = exceed(ann)
    work()
    wait(frozen, 3)

    assert smtp_sink.to() == ["ann@example.com"]
    assert told(alert_email) == [
        ("ann@example.com", "sent", None), ("bob@example.org", "refused", 550),
    ]  # fmt: skip
    assert state_of(alert_email) == ("done", 1, "sent")
    reason = alert_of(alert_email).reason
    assert "1 of 2" in reason
    assert "bob@example.org: 550 no such user" in reason


def test_all_refused_is_a_failed_alert(ann: Organization, smtp_sink: SmtpSink) -> None:
    smtp_sink.script("rcpt", "550 no such user")
    alert_email = exceed(ann)
    work()

    assert state_of(alert_email) == ("done", 1, "failed")


def test_only_who_has_not_taken_it_is_tried_again(
    ann: Organization, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    smtp_sink.script("rcpt", "451 later", to="bob@example.org")
    alert_email = exceed(ann)
    work()
    assert state_of(alert_email) == ("pending", 1, "sending")
    assert told(alert_email)[1] == ("bob@example.org", "pending", 451)

    smtp_sink.relent()
    wait(frozen, 2)

    assert smtp_sink.to() == BOTH
    assert state_of(alert_email)[0::2] == ("done", "sent")


def test_a_domain_that_hangs_does_not_hold_the_others(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    make_rate(acme, "2")
    smtp_sink.script("rcpt", "hang", to="slow.example")
    slow = [
        exceed(make_customer(acme, f"slow-{n}", email=f"{n}@slow.example"), price=False)
        for n in range(4)
    ]
    quick = exceed(make_customer(acme, "quick", email="q@quick.example"), price=False)
    work()

    assert state_of(quick) == ("done", 1, "sent")
    # Two tried it and waited; the rest did not ask, and have lost no attempt.
    assert [state_of(alert_email)[:2] for alert_email in slow] == [
        ("pending", 1), ("pending", 1), ("pending", 0), ("pending", 0),
    ]  # fmt: skip
    assert "slow.example" in slow[3].error

    smtp_sink.relent()
    wait(frozen, 4)
    assert [state_of(alert_email)[0] for alert_email in slow] == ["done"] * 4
    assert len(smtp_sink.alert_emails) == 5


def test_421_for_ten_minutes_loses_and_doubles_nothing(
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
    work()
    wait(frozen, 10)
    assert smtp_sink.alert_emails == []
    assert smtp_sink.conversations <= 12  # about one a minute, not one a letter

    smtp_sink.relent()
    wait(frozen, 15)

    assert sorted(smtp_sink.ids()) == sorted(
        alert_email.message_id for alert_email in made
    )
    assert {state_of(alert_email)[0::2] for alert_email in made} == {("done", "sent")}


def test_cut_off_after_it_was_taken_it_comes_again_as_the_same(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    """The host has it and did not say so: nobody can know."""
    smtp_sink.script("data", "cut")
    alert_email = exceed(make_customer(acme))
    work()
    smtp_sink.relent()
    wait(frozen, 2)

    assert smtp_sink.ids() == [alert_email.message_id] * 2
    assert state_of(alert_email)[0::2] == ("done", "sent")


def test_a_letter_nobody_takes_is_given_up_with_the_reason(
    acme: WhiteLabel, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    smtp_sink.script("rcpt", "450 greylisted", to="bob@example.org")
    alert_email = exceed(ann_and_bob(acme))
    for _ in range(AlertEmail.retries.attempts):
        work()
        frozen.shift(timedelta(hours=2))

    assert state_of(alert_email) == ("failed", AlertEmail.retries.attempts, "sent")
    assert told(alert_email)[1] == ("bob@example.org", "failed", 450)
    assert alert_email.error == "bob@example.org: greylisted"

    smtp_sink.relent()
    revive(alert_email.pk)
    work()
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


def test_no_transaction_is_open_while_a_host_is_spoken_to(
    committed: None, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert_email = exceed(make_customer(make_white_label()))
    seen: list[bool] = []
    what = SmtpSink.what

    def looked(sink: SmtpSink, step: str, address: str = "") -> str:
        seen.append(open_transactions() > 0)
        return what(sink, step, address)

    monkeypatch.setattr(SmtpSink, "what", looked)
    work(alert_email.pk)
    connection.close()

    assert seen
    assert not any(seen)


def open_transactions() -> int:
    """Of everybody else, as PostgreSQL sees it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and state like 'idle in transaction%%' and pid <> pg_backend_pid()"
        )
        found: int = cursor.fetchone()[0]
    connection.close()
    return found


# --- killed -------------------------------------------------------------------------

KILLED = """
import django
django.setup()
from django.conf import settings
settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", {port}
settings.DATABASES["default"]["NAME"] = {name!r}
import time_machine
from tests.support.clocks import follow_python
follow_python()
with time_machine.travel({now!r}, tick=False):
    from billing.alerts.commands.delivery import sending
    sending.send({id})
"""


@pytest.fixture
def email_to_kill(
    committed: None, frozen: time_machine.Traveller, smtp_sink: SmtpSink
) -> Iterator[AlertEmail]:
    yield exceed(ann_and_bob(make_white_label()))
    smtp_sink.relent()


def worker_on(alert_email: AlertEmail, sink: SmtpSink) -> subprocess.Popen[bytes]:
    code = KILLED.format(
        port=sink.port,
        name=connection.settings_dict["NAME"],
        now=NOW.isoformat(),
        id=alert_email.pk,
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT)


def kill(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)


@pytest.mark.parametrize(
    ("step", "to"),
    [
        ("connect", ""),
        ("rcpt", "bob@example.org"),
        ("body", "ann@example.com"),
        ("data", "bob@example.org"),
    ],
)
def test_killed_at_any_step_it_arrives(
    step: str,
    to: str,
    email_to_kill: AlertEmail,
    smtp_sink: SmtpSink,
    frozen: time_machine.Traveller,
) -> None:
    """Twice only where the host had taken it and nobody could note it: the same id."""
    smtp_sink.script(step, "hang", to=to)
    worker = worker_on(email_to_kill, smtp_sink)
    smtp_sink.await_(step)
    kill(worker)
    smtp_sink.relent()
    work()  # the lease holds: nobody else may be at it
    assert state_of(email_to_kill) == ("running", 1, "sending")

    frozen.shift(AlertEmail.retries.lease)
    work()

    assert smtp_sink.to() == BOTH + [to] * (step == "data")
    assert set(smtp_sink.ids()) == {email_to_kill.message_id}
    assert state_of(email_to_kill) == ("done", 2, "sent")


def test_killed_before_it_is_marked_it_comes_once_more(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink, frozen: time_machine.Traveller
) -> None:
    """The row is held by somebody else, so the worker stands between yes and mark."""
    first = AlertEmailRecipient.objects.filter(alert_email=email_to_kill).order_by("id")
    with transaction.atomic():
        first.select_for_update().get(address="ann@example.com")
        smtp_sink.script("data", "250 taken", to="ann@example.com")
        worker = worker_on(email_to_kill, smtp_sink)
        smtp_sink.await_("data")
        kill(worker)
        end_other_sessions()

    frozen.shift(AlertEmail.retries.lease)
    work()

    assert smtp_sink.to() == ["ann@example.com", *BOTH]
    assert set(smtp_sink.ids()) == {email_to_kill.message_id}


def test_many_workers_at_once_send_each_letter_once(
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
        sending.send(id_)
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, [alert_email.pk for alert_email in made] * 4))

    assert sorted(smtp_sink.ids()) == sorted(
        alert_email.message_id for alert_email in made
    )


# --- slots --------------------------------------------------------------------------


@pytest.mark.process
def test_who_waits_for_the_host_leaves_the_other_workers_alone(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink
) -> None:
    """And goes on, when it is let go, with what they left."""
    label = make_white_label("other")
    later = exceed(make_customer(label, "later", email="c@quick.example"))
    smtp_sink.script("rcpt", "hang")
    worker = fork(lambda: delivering.deliver(email_to_kill.pk))
    smtp_sink.await_("rcpt")
    start = time.monotonic()
    delivering.deliver(later.pk)

    assert time.monotonic() - start < 0.5
    assert state_of(later) == ("pending", 0, "pending")

    smtp_sink.relent()
    os.waitpid(worker, 0)
    assert later.message_id in smtp_sink.ids()


@pytest.mark.process
def test_a_slot_of_a_worker_that_was_killed_is_free_soon(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script("rcpt", "hang")
    worker = fork(lambda: delivering.deliver(email_to_kill.pk))
    smtp_sink.await_("rcpt")
    forks.kill(worker)

    valkey = redis.Redis.from_url(settings.REDIS_URL)
    left = valkey.pttl("orgdesk:email_slot:0")
    assert 0 < left <= 30_000
    valkey.flushdb()
    with host_slot() as is_free:
        assert is_free


def test_a_host_that_hangs_longer_than_a_slot_lasts_gets_no_second_worker(
    email_to_kill: AlertEmail, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot is renewed while the host hangs, and free when it answers."""
    monkeypatch.setattr(slots, "SLOT_SECONDS", 0.6)
    smtp_sink.script("rcpt", "hang")
    worker = fork(lambda: delivering.deliver(email_to_kill.pk))
    smtp_sink.await_("rcpt")

    seen = set()
    for _ in range(20):
        time.sleep(0.1)
        seen.add(is_slot_free())
    assert seen == {False}

    smtp_sink.relent()
    os.waitpid(worker, 0)
    assert is_slot_free()


def is_slot_free() -> bool:
    with host_slot() as is_free:
        return is_free


@pytest.mark.parametrize(("a_minute", "sent"), [(120, [3, 0, 1, 2, 4]), (6, [3])])
def test_with_its_slot_a_worker_sends_what_is_due(
    a_minute: int,
    sent: list[int],
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
) -> None:
    """As many as may go at once; none takes a token that is not there."""
    settings.EMAILS_PER_MINUTE = a_minute
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email=f"a@{n}.example"), price=False)
        for n in range(5)
    ]
    delivering.deliver(made[3].pk)

    assert smtp_sink.ids() == [made[n].message_id for n in sent]
    left = [state_of(one) for n, one in enumerate(made) if n not in sent]
    assert set(left) <= {("pending", 0, "pending")}


# --- storms -------------------------------------------------------------------------


def figures(subject: str) -> list[str]:
    """Numbers of a digest's subject: alerts and organizations."""
    return re.findall(r"\d+", subject)


def test_many_letters_to_one_address_are_one(
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
    work()

    assert len(smtp_sink.alert_emails) == 2
    digest = next(one for one in smtp_sink.alert_emails if one.id != theirs.message_id)
    assert figures(digest.subject) == ["7", "7"]
    assert "Acme" in digest.subject
    assert all(f"O-{n}" in digest.body() for n in range(7))
    assert "D-1" not in digest.body()
    assert {state_of(alert_email) for alert_email in made} >= {("done", 1, "sent")}
    assert {state_of(alert_email)[2] for alert_email in made} == {"sent"}

    wait(frozen, 12)
    assert len(smtp_sink.alert_emails) == 2


def test_after_a_digest_the_next_waits_until_its_time_is_over(
    acme: WhiteLabel,
    smtp_sink: SmtpSink,
    settings: Settings,
    frozen: time_machine.Traveller,
) -> None:
    settings.DIGEST_AFTER, settings.DIGEST_MINUTES = 2, 10
    make_rate(acme, "2")
    for n in range(3):
        exceed(make_customer(acme, f"o-{n}", email="ops@acme.example"), price=False)
    work()
    for n in range(3, 6):
        exceed(make_customer(acme, f"o-{n}", email="ops@acme.example"), price=False)
    work()
    wait(frozen, 8)
    assert len(smtp_sink.alert_emails) == 1

    wait(frozen, 4)

    assert [figures(one.subject) for one in smtp_sink.alert_emails] == [["3", "3"]] * 2
    assert set(Alert.objects.values_list("state", flat=True)) == {"sent"}


def test_a_digest_that_fails_is_said_of_each_alert(
    acme: WhiteLabel, smtp_sink: SmtpSink, settings: Settings
) -> None:
    settings.DIGEST_AFTER = 1
    smtp_sink.script("rcpt", "550 gone")
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email="ops@acme.example"), price=False)
        for n in range(3)
    ]
    work()

    assert {state_of(alert_email)[2] for alert_email in made} == {"failed"}
    reasons = set(Alert.objects.values_list("reason", flat=True))
    assert reasons == {"ops@acme.example: 550 gone"}


def test_no_more_a_minute_than_the_host_is_sent(
    acme: WhiteLabel, smtp_sink: SmtpSink, settings: Settings
) -> None:
    settings.EMAILS_PER_MINUTE = 12  # two at once
    make_rate(acme, "2")
    made = [
        exceed(make_customer(acme, f"o-{n}", email=f"a@{n}.example"), price=False)
        for n in range(5)
    ]
    work()

    assert len(smtp_sink.alert_emails) == 2
    assert [state_of(alert_email)[:2] for alert_email in made[2:]] == [
        ("pending", 0)
    ] * 3


@pytest.mark.usefixtures("without_valkey")
def test_without_valkey_letters_go(acme: WhiteLabel, smtp_sink: SmtpSink) -> None:
    alert_email = exceed(make_customer(acme))
    tasks.send_alert_email(alert_email.pk)

    assert smtp_sink.ids() == [alert_email.message_id]
