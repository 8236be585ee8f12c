"""Requests of actions: a row is written only for an action that is possible now.

Requests for one organization are checked one at a time, under the lock of its row, so
that two people cannot both change what they saw. A form carries an idempotency key, so
that sending it twice requests one action.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from billing import gateway
from billing.errors import ActionNotPossible, NotFailed
from billing.models import StripeAction
from billing.notes import require_note
from billing.stripe.commands.actions.execution import KEY_LIFETIME, UNCERTAIN
from billing.stripe.queries.actions import (
    SUBSCRIPTION_KINDS,
    action_context,
    blocked_reason,
    find_action_id,
    is_scheduled,
)
from orgs.commands import work
from orgs.models import Organization

_State = StripeAction.State
_LONGEST_NAME = 200


@transaction.atomic
def request_action(
    organization: Organization,
    kind: str,
    *,
    parameters: Mapping[str, Any],
    note: str,
    by: str,
    idempotency_key: str = "",
    due_at: datetime | None = None,
) -> StripeAction:
    """Store the request of an action and return its row; the caller enqueues it.

    For an `idempotency_key` that was used before, the first row is returned.
    `due_at` plans the action for later. Raises `ActionNotPossible` with the reason.
    """
    require_note(note)
    _lock(organization)
    if action_id := find_action_id(organization.pk, idempotency_key):
        return StripeAction.objects.get(pk=action_id)
    _check(organization, kind, parameters)
    return StripeAction.objects.create(
        organization=organization,
        kind=kind,
        parameters={**parameters, "idempotency_key": idempotency_key},
        note=note.strip(),
        requested_by=by[:_LONGEST_NAME],
        next_attempt_at=due_at or timezone.now(),
    )


def cancel_action(action: StripeAction, *, by: str) -> None:
    """Cancel a planned action that has not started, or raise `ActionNotPossible`.

    The update checks the condition again: a worker that claimed the row in between has
    counted an attempt.
    """
    planned = StripeAction.objects.filter(
        pk=action.pk, attempts=0, next_attempt_at=action.next_attempt_at
    )
    if not is_scheduled(action) or not work.cancel(
        planned, reason=f"Canceled by {by}."
    ):
        raise ActionNotPossible("This change is no longer scheduled.")


@transaction.atomic
def retry_action(action: StripeAction) -> None:
    """Request a failed action again; raise `NotFailed` or `ActionNotPossible`.

    After a refusal the action gets a new idempotency key, because Stripe would replay
    the refusal for the old one. If it is unknown whether the change was made, the key
    stays the same, for as long as Stripe remembers it.
    """
    _lock(action.organization)
    action = StripeAction.objects.select_for_update().get(pk=action.pk)
    if action.state != _State.FAILED:
        raise NotFailed("Only failed actions can be retried.")
    parameters, started_at = action.parameters, action.started_at
    if action.error_code not in UNCERTAIN:
        parameters = {**parameters, "version": parameters.get("version", 1) + 1}
        started_at = None
    elif started_at and started_at < timezone.now() - KEY_LIFETIME:
        raise ActionNotPossible(
            "Too old to retry. Check Stripe, then start a new action."
        )
    _check(action.organization, action.kind, parameters)
    action.parameters, action.started_at = parameters, started_at
    action.state, action.attempts = _State.PENDING, 0
    action.next_attempt_at, action.finished_at = timezone.now(), None
    action.error_code = action.error = ""
    action.save()


def _lock(organization: Organization) -> None:
    """Lock the organization's row until the transaction ends.

    Taken before any row of an action. With `no_key`, rows that refer to the
    organization can still be inserted meanwhile. Waits for at most `lock_timeout`.
    """
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def _check(
    organization: Organization, kind: str, parameters: Mapping[str, Any]
) -> None:
    """Raise `ActionNotPossible` if an action is not possible now."""
    if not gateway.is_on():
        raise ActionNotPossible("Stripe is not connected.")
    context = action_context(organization)
    subscription = context.find_by_stripe_id(
        parameters.get("subscription", ""), parameters.get("subscription_kind", "")
    )
    if kind in SUBSCRIPTION_KINDS and subscription is None:
        raise ActionNotPossible("Subscription not found.")
    if reason := blocked_reason(kind, context, subscription):
        raise ActionNotPossible(reason)
