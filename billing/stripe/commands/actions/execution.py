"""Execution of actions: once in Stripe, however often the task is delivered.

1. Claim the row: its state, attempt, lease and first start are committed.
2. Send the change to Stripe with an idempotency key of the row, outside a transaction.
3. Fetch the object again and mirror it, so that history has the person and the note.
4. Mark the row as done, with Stripe's answer.

If the worker dies after any step, a sweep enqueues the row again when its lease is
over, and because of the key Stripe makes the change once. A refusal ends an action at
once. Without an answer it is retried for about an hour, because a person is waiting.
"""

import logging
from datetime import timedelta

import pghistory
from django.utils import timezone

from billing import gateway
from billing.gateway import redacted
from billing.models import StripeAction
from billing.stripe.commands.actions.steps import STEPS
from orgs.commands import work
from orgs.errors import DomainError

logger = logging.getLogger(__name__)
KEY_LIFETIME = timedelta(hours=23)  # Stripe forgets a key after 24 hours
_TOO_OLD, _UNEXPECTED = "too_old", "unexpected"

# Error codes after which it is unknown whether Stripe made the change.
UNCERTAIN = frozenset(
    (
        *("stripe.unavailable", "stripe.busy", "stripe.malformed"),
        *("stripe.key_refused", _TOO_OLD, _UNEXPECTED),
    )
)


def do(action_id: int) -> None:
    """Execute an action, if it is due and no other worker has claimed it."""
    action = _claim(action_id)
    if action is None:
        return
    if action.is_exhausted:
        _fail(
            action,
            _UNEXPECTED,
            "The workers were killed. Check in Stripe whether the change was made.",
        )
        return
    if action.started_at and action.started_at < timezone.now() - KEY_LIFETIME:
        _fail(
            action, _TOO_OLD, "Started over a day ago. Check in Stripe what was done."
        )
        return
    try:
        _execute_steps(action)
    except (gateway.Unavailable, gateway.Malformed) as error:
        _retry_later(action, error.code, error.message)
    except DomainError as error:
        _fail(action, error.code, error.message)
    except Exception as error:  # of any other kind: retried later
        logger.exception("action_crashed id=%s", action.pk)
        _retry_later(action, _UNEXPECTED, type(error).__name__)


def _claim(action_id: int) -> StripeAction | None:
    """Claim an action with its organization; null if it is not due."""
    rows = StripeAction.objects.select_related("organization__white_label")
    return work.claim(rows, action_id)


def _execute_steps(action: StripeAction) -> None:
    """Execute the steps and end the action as done.

    History shows the person and the note on every row that the steps write.
    """
    with pghistory.context(
        username=action.requested_by, note=action.note, action=action.pk
    ):
        answer = STEPS[StripeAction.Kind(action.kind)](action)
    fields = {name: value for name, value in answer.items() if value not in (None, "")}
    work.finish(action, answer=fields)


def _fail(action: StripeAction, code: str, message: str) -> None:
    """End an action as failed, for a person to review."""
    logger.warning("action_failed id=%s code=%s", action.pk, code)
    work.fail(action, code=code, message=redacted(message))


def _retry_later(action: StripeAction, code: str, message: str) -> None:
    """Retry an action after a wait; fail it after the last attempt."""
    if not work.retry_later(action, code=code, message=redacted(message)):
        _fail(action, code, message)
