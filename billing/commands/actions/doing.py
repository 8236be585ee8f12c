"""A worker does what was asked for, once, however often it is told to.

1. claim: state, attempt, lease and the instant of the first try, committed;
2. say it to Stripe with a key made of the row, no transaction open;
3. ask for the object again and mirror it, so that history knows who and why;
4. mark the row done, with what Stripe said.

Killed after any of these, the sweep does it again when the lease is over: the key sees
to it that Stripe does it once. A refusal ends it at once; no answer, and it is tried
again for about an hour, for a person waits for it and not for a surprise at night.
"""

import logging
from datetime import timedelta

import pghistory
from django.utils import timezone

from billing import gateway
from billing.commands.actions.steps import STEPS
from billing.gateway import redacted
from billing.models import StripeAction
from orgs.errors import DomainError

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=5)  # longer than the gateway's patience for all of a try
KEY_LASTS = timedelta(hours=23)  # Stripe forgets after 24
MAX_ATTEMPTS = 24
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=3)
_State = StripeAction.State
_TOO_OLD, _UNEXPECTED = "too_old", "unexpected"

# Codes after which nobody knows whether Stripe did it.
UNCERTAIN = frozenset(
    (
        *("stripe.unavailable", "stripe.busy", "stripe.malformed"),
        *("stripe.key_refused", _TOO_OLD, _UNEXPECTED),
    )
)


def do(action_id: int) -> None:
    """Do it, if it is due and nobody is at it."""
    action = _claim(action_id)
    if action is None:
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
    if not StripeAction.objects.filter(pk=action_id).claim(LEASE):
        return None
    return StripeAction.objects.select_related("organization__white_label").get(
        pk=action_id
    )


def _say(action: StripeAction) -> None:
    """The writer's name and words go with every row that is mirrored by it."""
    with pghistory.context(
        username=action.requested_by, note=action.note, action=action.pk
    ):
        answer = STEPS[StripeAction.Kind(action.kind)](action)
    said = {name: value for name, value in answer.items() if value not in (None, "")}
    _end_try(
        action,
        state=_State.DONE,
        finished_at=timezone.now(),
        answer=said,
        error_code="",
        error="",
    )


def _fail(action: StripeAction, code: str, message: str) -> None:
    logger.warning("action_failed id=%s code=%s", action.pk, code)
    _end_try(
        action,
        state=_State.FAILED,
        finished_at=timezone.now(),
        error_code=code[:64],
        error=redacted(message),
    )


def _try_later(action: StripeAction, code: str, message: str) -> None:
    if action.attempts >= MAX_ATTEMPTS:
        _fail(action, code, message)
        return
    wait = min(_FIRST_WAIT * 2 ** min(action.attempts - 1, 10), _LONGEST_WAIT)
    _end_try(
        action,
        state=_State.PENDING,
        due_at=timezone.now() + wait,
        error_code=code[:64],
        error=redacted(message),
    )


def _end_try(action: StripeAction, **changes: object) -> None:
    """Unless the lease was over and somebody else is at it."""
    ours = StripeAction.objects.filter(
        pk=action.pk, attempts=action.attempts, state=_State.RUNNING
    )
    ours.update(leased_until=None, **changes)
