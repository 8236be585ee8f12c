"""Evaluation of organizations: finding and recording thresholds that they reached."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from billing.access.commands.refusals import record_refusals
from billing.alerts.commands.access_states import record_access
from billing.alerts.commands.records import record
from billing.alerts.queries.candidates import list_after
from billing.alerts.queries.expectations import Expectation, expect_usage
from billing.alerts.queries.measurements import find_changes
from billing.models import Alert
from billing.signals import organizations_evaluated

BATCH_SIZE = 1_000  # organizations per transaction: other evaluations wait for it
# The evaluation lock. One evaluation runs at a time, for all organizations: two that
# overlap could both read before either writes, and the older result would then
# overwrite the newer access state. Others wait for one batch, tens of milliseconds, or
# for the commit of a closing period, which evaluates in its transaction. PostgreSQL
# releases it when the transaction ends, also when the worker is killed.
_EVALUATION_LOCK = "select pg_advisory_xact_lock(hashtext('alerts'))"


def evaluate(
    organization_ids: Sequence[int], *, daily: bool = False, now: datetime | None = None
) -> list[int]:
    """Record the thresholds that organizations reached; return the emails to send.

    1. take the evaluation lock, so that nothing read is older than what was written
    2. find thresholds without an alert, and changes of access by the hard limit
    3. write access states, alerts, emails, the history of refusals and the events of
       webhooks, and commit them together
    A worker that is killed before the commit leaves nothing behind; the next evaluation
    finds the same. `daily` evaluates complete days instead of current figures.
    """
    ids, now = sorted(set(organization_ids)), now or timezone.now()
    return [
        alert_email_id
        for start in range(0, len(ids), BATCH_SIZE)
        for alert_email_id in _evaluate_batch(
            ids[start : start + BATCH_SIZE], daily, now
        )
    ]


def _evaluate_batch(ids: Sequence[int], daily: bool, now: datetime) -> list[int]:
    """Evaluate a batch; what is expected is computed before the lock is taken."""
    return _evaluate(ids, expect_usage(ids, now=now) if daily else None, now)


@transaction.atomic
def _evaluate(
    ids: Sequence[int], expected: Sequence[Expectation] | None, now: datetime
) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_EVALUATION_LOCK)
    changes = find_changes(ids, now=now, expected=expected)
    record_access(changes.access, now=now)
    recorded = record(changes.thresholds, now=now)
    if expected is None:  # complete days never change access
        record_refusals(ids, now=now)
    organizations_evaluated.send(
        Alert,
        organization_ids=list(ids),
        alert_ids=recorded.alert_ids,
        is_current=expected is None,
        now=now,
    )
    return recorded.alert_email_ids


def evaluate_all_measures(
    organization_ids: Sequence[int], *, now: datetime | None = None
) -> list[int]:
    """Evaluate current figures and complete days; return the emails to send.

    Reads weeks of daily costs: not for the path of each recording.
    """
    ids, now = list(organization_ids), now or timezone.now()
    return [*evaluate(ids, now=now), *evaluate(ids, daily=True, now=now)]


def evaluate_next(
    organization_id: int, *, limit: int, now: datetime | None = None
) -> tuple[list[int], int | None]:
    """Evaluate all measures of the next organizations by id.

    Return the emails to send, and the id to continue after; None when all are done.
    """
    ids = list_after(organization_id, limit=limit)
    last = ids[-1] if len(ids) == limit else None
    return evaluate_all_measures(ids, now=now), last
