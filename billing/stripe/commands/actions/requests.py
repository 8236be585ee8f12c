"""A person asks: the row is written only for what is possible now.

One at a time for an organization, under its lock, so that two people cannot both
change what each of them saw. A form that is sent twice asks once: it carries a word of
its own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from billing import gateway
from billing.errors import ActionNotPossible, NotFailed
from billing.models import StripeAction
from billing.stripe.commands.actions.execution import KEY_LASTS, UNCERTAIN
from billing.stripe.queries.actions import (
    SUBSCRIPTION_KINDS,
    action_context,
    blocked_reason,
    find_action_id,
    is_scheduled,
)
from orgs.commands import work
from orgs.errors import DomainError
from orgs.models import Organization

_State = StripeAction.State
_LONGEST_BY = 200


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
    """Write down what is wanted, for a worker that the door enqueues.

    Raises `ActionNotPossible` with the reason where it cannot be now.
    """
    if not note.strip():
        raise DomainError("A note is required.", fields=("note",))
    _lock(organization)
    if before := find_action_id(organization.pk, idempotency_key):
        return StripeAction.objects.get(pk=before)
    _check(organization, kind, parameters)
    return StripeAction.objects.create(
        organization=organization,
        kind=kind,
        parameters={**parameters, "idempotency_key": idempotency_key},
        note=note.strip(),
        requested_by=by[:_LONGEST_BY],
        next_attempt_at=due_at or timezone.now(),
    )


def cancel_action(action: StripeAction, *, by: str) -> None:
    """Cancel what is planned and not begun; raises `ActionNotPossible` otherwise.

    The condition is checked again by the update: a worker that claimed it in between
    has counted an attempt.
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
    """Ask again for what failed; raises `NotFailed`, `ActionNotPossible`.

    What Stripe refused gets another key, or it would repeat its refusal. Where nobody
    knows what became of it the key stays, for as long as Stripe remembers it.
    """
    _lock(action.organization)
    action = StripeAction.objects.select_for_update().get(pk=action.pk)
    if action.state != _State.FAILED:
        raise NotFailed("Only failed actions can be retried.")
    parameters, started_at = action.parameters, action.started_at
    if action.error_code not in UNCERTAIN:
        parameters = {**parameters, "version": parameters.get("version", 1) + 1}
        started_at = None
    elif started_at and started_at < timezone.now() - KEY_LASTS:
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
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def _check(
    organization: Organization, kind: str, parameters: Mapping[str, Any]
) -> None:
    if not gateway.is_on():
        raise ActionNotPossible("Stripe is not connected.")
    now = action_context(organization)
    subscription = now.find_by_stripe_id(parameters.get("subscription", ""))
    if kind in SUBSCRIPTION_KINDS and subscription is None:
        raise ActionNotPossible("Subscription not found.")
    if reason := blocked_reason(kind, now, subscription):
        raise ActionNotPossible(reason)
