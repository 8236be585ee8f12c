"""Tests of leases and backoff, the same cases for all six kinds of work."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from billing import gateway
from billing.alerts import tasks as alerts_tasks
from billing.alerts.commands.delivery import attempts
from billing.ledger import tasks as ledger_tasks
from billing.ledger.commands.charges import send_charge
from billing.models import (
    AlertEmail,
    BillingPeriod,
    Charge,
    StripeAction,
    StripeEvent,
    SyncRun,
)
from billing.stripe import tasks as stripe_tasks
from billing.stripe.commands.actions import execution as action_execution
from billing.stripe.commands.sync import execution as sync_execution
from billing.stripe.commands.webhook_events import execution as event_execution
from billing.stripe.commands.webhook_events.queue import take_forgotten
from billing.stripe.queries.failed_jobs import list_failed_jobs
from billing.stripe.queries.webhook_events import list_webhook_events
from orgs.commands import work
from orgs.commands.jobs import run_job
from orgs.models import Job, Organization, WhiteLabel
from orgs.models.work import DatabaseClock, RetryPolicy, Work
from orgs.tasks import sweep_jobs
from tests.factories import NOW, make_organization, make_white_label
from tests.support.clocks import real_clock
from tests.support.parallel import together

pytestmark = pytest.mark.usefixtures("frozen")


@dataclass(frozen=True)
class Kind:
    """A kind of work: how a row of it is made, done, swept and shown when it failed."""

    model: type[Any]
    make: Callable[[Organization], Any]
    do: Callable[[int], object]
    sweep: Callable[[], None]
    list_failed: Callable[[WhiteLabel], list[int]]
    enqueued: str = "pk"  # what the message names

    def __str__(self) -> str:
        return self.model.__name__


def make_charge(organization: Organization) -> Charge:
    period = BillingPeriod.objects.get_or_create(
        organization=organization, defaults={"number": 1, "starts_at": NOW}
    )[0]
    return Charge.objects.create(
        period=period,
        product="gpt",
        cost=7,
        amount=7,
        currency="usd",
        invoice_stripe_id="in_1",
    )


def make_action(organization: Organization) -> StripeAction:
    return StripeAction.objects.create(
        organization=organization, kind="pause", note="moves house", requested_by="ann"
    )


def make_email(organization: Organization) -> AlertEmail:
    return AlertEmail.objects.create(
        organization=organization, kind="digest", message_id="<one@example.com>"
    )


def make_event(organization: Organization) -> StripeEvent:
    return StripeEvent.objects.create(
        event_id="evt_1", type="invoice.paid", payload={}, happened_at=NOW
    )


def make_job(organization: Organization) -> Job:
    return Job.objects.create(organization=organization, kind="usage_report")


def make_run(organization: Organization) -> SyncRun:
    return SyncRun.objects.create(white_label=organization.white_label)


def failed_jobs(kind: str, label: WhiteLabel) -> list[int]:
    """Read what the page of failed jobs shows."""
    return [job.id for job in list_failed_jobs([label]) if job.kind == kind]


def failed_rows(model: type[Any], _: WhiteLabel) -> list[int]:
    return list(model.objects.filter(state="failed").values_list("pk", flat=True))


def failed_events(_: WhiteLabel) -> list[int]:
    return [row.id for row in list_webhook_events(None, states=["failed"])]


KINDS = [
    Kind(
        Charge,
        make_charge,
        send_charge,
        ledger_tasks.sweep_charges,
        partial(failed_jobs, "charge"),
        "period_id",
    ),
    Kind(
        StripeAction,
        make_action,
        action_execution.do,
        stripe_tasks.sweep_actions,
        partial(failed_jobs, "action"),
    ),
    Kind(
        AlertEmail,
        make_email,
        attempts.attempt,
        alerts_tasks.sweep_alert_emails,
        partial(failed_rows, AlertEmail),
    ),
    Kind(
        StripeEvent,
        make_event,
        event_execution.handle,
        stripe_tasks.sweep_webhook_events,
        failed_events,
    ),
    Kind(Job, make_job, run_job, sweep_jobs, partial(failed_jobs, "job")),
    Kind(
        SyncRun,
        make_run,
        sync_execution.advance,
        stripe_tasks.sweep_syncs,
        partial(failed_rows, SyncRun),
    ),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the ids that sweeps enqueue, with Stripe connected."""
    enqueued: list[int] = []
    for module in ("billing.alerts", "billing.ledger", "billing.stripe", "orgs"):
        monkeypatch.setattr(
            f"{module}.tasks.enqueue", lambda _, id_: enqueued.append(id_)
        )
    monkeypatch.setattr(gateway, "is_on", lambda: True)
    return enqueued


def claim(kind: Kind, pk: int) -> Any:
    return work.claim(kind.model.objects.all(), pk)


# --- claiming -------------------------------------------------------------------------


@every_kind
@pytest.mark.usefixtures("committed")
def test_one_of_four_concurrent_workers_claims_a_row(kind: Kind) -> None:
    """Claim one row from four connections at once."""
    row = kind.make(make_organization(make_white_label()))

    claimed = together([partial(claim, kind, row.pk)] * 4)

    assert len([one for one in claimed if one is not None]) == 1
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("running", 1)


@every_kind
def test_a_lease_is_respected_until_it_is_over(
    kind: Kind, org: Organization, frozen: time_machine.Traveller
) -> None:
    first = claim(kind, kind.make(org).pk)
    assert first.leased_until == NOW + kind.model.retries.lease
    frozen.shift(kind.model.retries.lease - timedelta(seconds=1))
    assert claim(kind, first.pk) is None

    frozen.shift(timedelta(seconds=1))
    second = claim(kind, first.pk)

    assert (second.attempts, second.started_at) == (2, NOW)
    assert second.lease != first.lease


@every_kind
def test_a_renewed_lease_begins_again(
    kind: Kind, org: Organization, frozen: time_machine.Traveller
) -> None:
    first = claim(kind, kind.make(org).pk)
    frozen.shift(kind.model.retries.lease)

    assert work.renew(first)
    assert claim(kind, first.pk) is None


@every_kind
def test_without_its_lease_a_worker_changes_nothing(
    kind: Kind, org: Organization, frozen: time_machine.Traveller
) -> None:
    first = claim(kind, kind.make(org).pk)
    frozen.shift(kind.model.retries.lease)
    second = claim(kind, first.pk)

    assert not work.renew(first)
    with transaction.atomic():
        assert not work.lock_lease(first)
    assert not work.finish(first)
    assert not work.fail(first, code="late", message="too late")
    work.retry_later(first, code="late", message="too late")
    work.release(first, wait=timedelta())

    first.refresh_from_db()
    assert (first.state, first.lease, first.error) == ("running", second.lease, "")
    assert work.renew(second)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.model is not StripeEvent], ids=str
)
def test_a_canceled_row_is_not_finished(kind: Kind, org: Organization) -> None:
    """Events are not canceled: people ignore one after it has ended."""
    claimed = claim(kind, kind.make(org).pk)

    assert work.cancel(kind.model.objects.all(), reason="Canceled by ann.") == 1

    assert not work.finish(claimed)
    claimed.refresh_from_db()
    assert (claimed.state, claimed.error) == ("canceled", "Canceled by ann.")
    assert kind.list_failed(org.white_label) == []


@every_kind
@pytest.mark.django_db
def test_the_clock_of_a_worker_ends_no_lease(
    kind: Kind, org: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is a year ahead respects what PostgreSQL's clock says."""
    monkeypatch.setattr(DatabaseClock, "as_postgresql", real_clock)
    row = kind.make(org)
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        now = cursor.fetchone()[0]
    kind.model.objects.update(next_attempt_at=now)
    first = claim(kind, row.pk)

    with time_machine.travel(now + timedelta(days=365), tick=False):
        assert claim(kind, row.pk) is None

    lease = first.leased_until - now
    assert timedelta() <= lease - kind.model.retries.lease < timedelta(minutes=1)


@every_kind
def test_a_lease_belongs_to_a_running_row(kind: Kind, org: Organization) -> None:
    row = kind.make(org)
    with pytest.raises(IntegrityError), transaction.atomic():
        kind.model.objects.filter(pk=row.pk).update(lease=uuid4())


# --- trying again ---------------------------------------------------------------------


@every_kind
def test_a_row_is_retried_with_growing_waits_and_then_failed(
    kind: Kind, org: Organization, frozen: time_machine.Traveller
) -> None:
    pk, policy = kind.make(org).pk, kind.model.retries
    for attempt in range(1, policy.attempts):
        row = claim(kind, pk)
        assert row.attempts == attempt
        assert work.retry_later(row, code="down", message="No answer.")
        row.refresh_from_db()
        assert (row.state, row.lease, row.leased_until) == ("pending", None, None)
        longest = policy.longest_wait * (1 + policy.jitter)
        assert timedelta() < row.next_attempt_at - timezone.now() <= longest
        assert claim(kind, pk) is None
        frozen.move_to(row.next_attempt_at)

    last = claim(kind, pk)
    assert not work.retry_later(last, code="down", message="No answer.")
    assert work.fail(last, code="down", message="No answer.")

    last.refresh_from_db()
    assert (last.state, last.attempts) == ("failed", policy.attempts)
    assert (last.error_code, last.error) == ("down", "No answer.")
    assert kind.list_failed(org.white_label) == [pk]
    assert claim(kind, pk) is None


@every_kind
def test_a_row_that_kills_its_workers_fails_after_its_attempts(
    kind: Kind, org: Organization, frozen: time_machine.Traveller
) -> None:
    """Claim a row until its attempts run out; the next worker only fails it."""
    pk, policy = kind.make(org).pk, kind.model.retries
    for _ in range(policy.attempts):
        assert claim(kind, pk) is not None
        frozen.shift(policy.lease)

    kind.do(pk)

    row = kind.model.objects.get(pk=pk)
    assert (row.state, row.attempts, row.lease) == ("failed", policy.attempts, None)
    assert kind.list_failed(org.white_label) == [pk]


@every_kind
def test_a_postponed_row_keeps_its_attempts(
    kind: Kind, org: Organization, frozen: time_machine.Traveller
) -> None:
    row = claim(kind, kind.make(org).pk)
    work.release(row, wait=timedelta(seconds=7))
    assert claim(kind, row.pk) is None

    frozen.shift(timedelta(seconds=7))
    assert claim(kind, row.pk).attempts == 1


@every_kind
def test_a_failed_row_can_be_restarted(kind: Kind, org: Organization) -> None:
    row = claim(kind, kind.make(org).pk)
    assert work.fail(row, code="refused", message="No.")

    assert work.restart(kind.model.objects.filter(pk=row.pk, state="failed"))
    assert not work.restart(kind.model.objects.filter(pk=row.pk, state="failed"))

    row = claim(kind, row.pk)
    assert (row.attempts, row.error_code, row.error) == (1, "", "")


@pytest.mark.parametrize(
    ("model", "waits"),
    [
        (Charge, [20, 40, 80, 160, 320, 600, 600]),
        (StripeAction, [5, 10, 20, 40, 80, 160, 180]),
        (AlertEmail, [30, 60, 120, 240, 480, 960, 1920]),
        (StripeEvent, [15, 30, 60, 120, 240, 480, 960]),
        (Job, [60, 120, 240, 240]),
        (SyncRun, [15, 30, 60, 120, 240, 480, 600]),
    ],
)
def test_each_kind_has_its_waits(model: type[Work], waits: list[int]) -> None:
    policy = replace(model.retries, jitter=0)

    listed = [work.backoff(policy, attempt) for attempt in range(1, len(waits) + 1)]

    assert [wait.total_seconds() for wait in listed] == waits
    assert work.backoff(policy, 10_000) == policy.longest_wait


def test_waits_are_spread_by_their_jitter() -> None:
    minute = timedelta(minutes=1)
    policy = RetryPolicy(minute, 5, minute, minute, jitter=0.2)

    waits = {work.backoff(policy, 1) for _ in range(50)}

    assert len(waits) > 1
    assert all(minute * 0.8 <= wait <= minute * 1.2 for wait in waits)


# --- sweeping -------------------------------------------------------------------------


@every_kind
def test_a_sweep_enqueues_rows_without_a_message(
    kind: Kind, org: Organization, swept: list[int], frozen: time_machine.Traveller
) -> None:
    row = kind.make(org)
    message = getattr(row, kind.enqueued)
    rows = kind.model.objects.filter(pk=row.pk)
    rows.update(sweep_after=NOW + timedelta(minutes=1))
    kind.sweep()
    assert swept == []

    frozen.shift(timedelta(minutes=1))
    kind.sweep()
    assert swept == [message]

    claim(kind, row.pk)
    kind.sweep()
    assert swept == [message]  # its worker has a lease

    frozen.shift(kind.model.retries.lease)
    kind.sweep()
    assert swept == [message] * 2  # its worker died


@every_kind
def test_a_sweep_skips_rows_that_have_ended_or_are_due_later(
    kind: Kind, org: Organization, swept: list[int]
) -> None:
    row = kind.make(org)
    rows = kind.model.objects.filter(pk=row.pk)
    rows.update(next_attempt_at=NOW + timedelta(seconds=1))
    kind.sweep()
    rows.update(next_attempt_at=NOW)
    work.fail(claim(kind, row.pk), code="refused", message="No.")
    kind.sweep()

    assert swept == []


def test_two_sweeps_do_not_enqueue_an_event_twice(
    org: Organization, frozen: time_machine.Traveller
) -> None:
    row = make_event(org)
    assert take_forgotten(10) == [row.pk]
    assert take_forgotten(10) == []

    frozen.shift(timedelta(minutes=5))
    assert take_forgotten(10) == [row.pk]


def test_a_claim_leaves_other_rows_alone(decoy_run: SyncRun) -> None:
    """Claiming one row of a table leaves the others as they were."""
    row = make_run(make_organization(make_white_label("mine"), "org-1"))

    assert claim(KINDS[-1], row.pk)

    decoy_run.refresh_from_db()
    assert (decoy_run.state, decoy_run.attempts) == ("pending", 0)


@pytest.fixture
def decoy_run(org: Organization) -> SyncRun:
    return make_run(org)
