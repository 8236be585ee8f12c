"""A worker does what was asked of Stripe, once, however often its task is delivered.

1. claim: state, attempt, lease and the instant of the first attempt, committed;
2. send it to Stripe with an idempotency key made of the row, no transaction open;
3. fetch the object again and mirror it, so that history knows who and why;
4. mark the row done, with Stripe's answer.

Killed after any of these, the sweep enqueues it again when the lease is over: because
of the key, Stripe does it once. A refusal ends it at once; without an answer it is
tried again for about an hour, for a person waits for it.
"""

import logging
from datetime import timedelta
from typing import Any

import pghistory
from django.utils import timezone

from billing import gateway
from billing.gateway import redacted
from billing.models import StripeAction
from billing.stripe.commands.actions.steps import STEPS
from orgs.commands import work
from orgs.errors import DomainError

logger = logging.getLogger(__name__)
KEY_LASTS = timedelta(hours=23)  # Stripe forgets after 24
_TOO_OLD, _UNEXPECTED = "too_old", "unexpected"

# Codes after which nobody knows whether Stripe did it.
UNCERTAIN = frozenset(
    (
        *("stripe.unavailable", "stripe.busy", "stripe.malformed"),
        *("stripe.key_refused", _TOO_OLD, _UNEXPECTED),
    )
)


def do(action_id: int) -> None:
    """Do an action, if it is due and no other worker is at it."""
    action = _claim(action_id)
    if action is None:
        return
    if action.is_exhausted:
        _fail(
            action, _UNEXPECTED, "Its workers died: see in Stripe whether it is done."
        )
        return
    if action.started_at and action.started_at < timezone.now() - KEY_LASTS:
        _fail(action, _TOO_OLD, "It was begun a day ago: look what Stripe says.")
        return
    try:
        _say(action)
    except (gateway.Unavailable, gateway.Malformed) as error:
        _try_later(action, error.code, error.message)
    except DomainError as error:
        _fail(action, error.code, error.message)
    except Exception as error:  # whatever else: the same again
        logger.exception("action_broke id=%s", action.pk)
        _try_later(action, _UNEXPECTED, type(error).__name__)


def _claim(action_id: int) -> StripeAction | None:
    rows = StripeAction.objects.select_related("organization__white_label")
    return work.claim(rows, action_id)


def _say(action: StripeAction) -> None:
    """Do its steps; history shows the person and the note on every row they write."""
    with pghistory.context(
        username=action.requested_by, note=action.note, action=action.pk
    ):
        answer = STEPS[StripeAction.Kind(action.kind)](action)
    shown = {name: value for name, value in answer.items() if value not in (None, "")}
    _done(action, shown)


def _done(action: StripeAction, answer: dict[str, Any]) -> None:
    work.finish(action, answer=answer)


def _fail(action: StripeAction, code: str, message: str) -> None:
    logger.warning("action_failed id=%s code=%s", action.pk, code)
    work.give_up(action, code=code, message=redacted(message))


def _try_later(action: StripeAction, code: str, message: str) -> None:
    if not work.retry_later(action, code=code, message=redacted(message)):
        _fail(action, code, message)
