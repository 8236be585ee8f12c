"""Outcomes of a webhook event: done, parked for review, retried later, or failed."""

import logging
import traceback
from datetime import timedelta

from billing.gateway import redacted
from billing.models import StripeEvent
from billing.stripe.commands.webhook_events import outages
from orgs.commands import work
from orgs.errors import DomainError

logger = logging.getLogger(__name__)
_LONGEST_ERROR, _LONGEST_REASON = 4_000, 200


class WorkersDied(Exception):
    """Every attempt ended with its worker killed, the last one too."""


def put_back(event: StripeEvent) -> None:
    """Release an event without counting the attempt: Stripe is not answering."""
    work.release(event, wait=timedelta(seconds=outages.SECONDS))


def end(
    event: StripeEvent,
    state: str,
    reason: str = "",
    *,
    organization_id: int | None = None,
) -> None:
    """End an event in a state, such as parked, with the reason for people."""
    work.finish(
        event, state, reason=reason[:_LONGEST_REASON], organization_id=organization_id
    )


def fail(event: StripeEvent, error: Exception) -> None:
    """Retry an event later; after the last attempt it has failed and needs review."""
    name = type(error).__name__
    logger.warning("event_failed id=%s error=%s", event.event_id, name)
    text = redacted("".join(traceback.format_exception(error)))[-_LONGEST_ERROR:]
    code, reason = getattr(error, "code", name), _reason(error)
    if not work.retry_later(event, code=code, message=text, reason=reason):
        work.fail(event, code=code, message=text, reason=reason)


def _reason(error: Exception) -> str:
    """Return what people see of an error, without keys."""
    text = error.message if isinstance(error, DomainError) else type(error).__name__
    return redacted(text)[:_LONGEST_REASON]
