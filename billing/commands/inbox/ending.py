"""How an event ends: done, parked with a reason, later, or given up."""

import logging
import traceback
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from billing.commands.inbox import outages
from billing.gateway import redacted
from billing.models import InboxEvent
from orgs.errors import DomainError

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 12
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(hours=1)
_LONGEST_ERROR = 4_000
_State = InboxEvent.State


def put_back(event: InboxEvent) -> None:
    """Not tried: Stripe did not answer another one just now."""
    _own(event).update(
        state=_State.PENDING,
        attempts=event.attempts - 1,
        due_at=timezone.now() + timedelta(seconds=outages.SECONDS),
        leased_until=None,
    )


def end(
    event: InboxEvent, state: str, reason: str = "", *, organization: int | None = None
) -> None:
    _own(event).update(
        state=state,
        reason=reason[:200],
        organization_id=organization,
        finished_at=timezone.now(),
        leased_until=None,
        error="",
    )


def fail(event: InboxEvent, error: Exception) -> None:
    """Later, each time later; after the last attempt somebody must look."""
    logger.warning("event_failed id=%s error=%s", event.event_id, type(error).__name__)
    is_last = event.attempts >= MAX_ATTEMPTS
    wait = min(_FIRST_WAIT * 2 ** (event.attempts - 1), _LONGEST_WAIT)
    _own(event).update(
        state=_State.FAILED if is_last else _State.PENDING,
        reason=_reason(error),
        error=redacted("".join(traceback.format_exception(error)))[-_LONGEST_ERROR:],
        due_at=timezone.now() + wait,
        leased_until=None,
        finished_at=timezone.now() if is_last else None,
    )


def _reason(error: Exception) -> str:
    text = error.message if isinstance(error, DomainError) else type(error).__name__
    return redacted(text)[:200]


def _own(event: InboxEvent) -> QuerySet[InboxEvent]:
    """Nothing, when another has taken it up after our lease."""
    return InboxEvent.objects.filter(
        id=event.id, attempts=event.attempts, state=_State.PROCESSING
    )
