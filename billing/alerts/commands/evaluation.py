"""Looking at organizations for thresholds that they crossed."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from billing.alerts.commands.access import record_access
from billing.alerts.commands.ledger import record
from billing.alerts.queries.candidates import list_after
from billing.alerts.queries.measuring import find_changes

AT_A_TIME = 1_000  # others wait for a transaction of so many
_LOCK = "select pg_advisory_xact_lock(hashtext('alerts'))"


def evaluate(
    organization_ids: Sequence[int], *, daily: bool = False, now: datetime | None = None
) -> list[int]:
    """Record what these crossed; answers the ids of the letters to send.

    1. take the lock, so that what is read is not older than what was written
    2. find what is crossed and not in the ledger, and who came over a hard limit
    3. write access states, alerts and letters, and commit them together
    Killed anywhere before the end it has done nothing, and the next finds the same.
    """
    ids, now = sorted(set(organization_ids)), now or timezone.now()
    return [
        alert_email
        for at in range(0, len(ids), AT_A_TIME)
        for alert_email in _evaluate(ids[at : at + AT_A_TIME], daily, now)
    ]


@transaction.atomic
def _evaluate(ids: Sequence[int], daily: bool, now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
    changes = find_changes(ids, now=now, daily=daily)
    record_access(changes.access, now=now)
    return record(changes.crossings, now=now)


def evaluate_whole(
    organization_ids: Sequence[int], *, now: datetime | None = None
) -> list[int]:
    """Everything of these, their complete days too; for what is asked now and then."""
    ids, now = list(organization_ids), now or timezone.now()
    return [*evaluate(ids, now=now), *evaluate(ids, daily=True, now=now)]


def evaluate_after(
    organization_id: int, *, limit: int, now: datetime | None = None
) -> tuple[list[int], int | None]:
    """As `evaluate_whole`, the next organizations by id.

    Answers the letters to send, and after which one to go on; null: that was all.
    """
    ids = list_after(organization_id, limit=limit)
    return evaluate_whole(ids, now=now), ids[-1] if len(ids) == limit else None
