"""Healing a difference: Stripe is asked again, and what it says is written."""

from collections.abc import Callable

import pghistory

from billing.models import Drift, SyncRun
from billing.stripe.commands.mirror.fetches import Outcome
from billing.stripe.commands.mirror.refetching import (
    refetch_customer,
    refetch_invoice,
    refetch_subscription,
)
from billing.stripe.commands.sync import runs
from billing.stripe.commands.webhook_events.locks import object_lock
from orgs.errors import Conflict
from orgs.models import WhiteLabel

_REFETCHES: dict[str, Callable[..., Outcome]] = {
    "cus": refetch_customer,
    "sub": refetch_subscription,
    "in": refetch_invoice,
}


def heal(drift_id: int, *, by: str) -> None:
    """Over the network, so from a worker; healed by somebody else, it is nothing.

    Raises `Conflict` for a warning: what it warns of, people change in Stripe or here.
    """
    drift = Drift.objects.filter(pk=drift_id, healed_at=None).first()
    if drift is None:
        return
    check_healable(drift)
    refetch = _REFETCHES[drift.stripe_id.partition("_")[0]]
    with pghistory.context(username=by), object_lock(drift.stripe_id):
        refetch(drift.stripe_id, by=by)


def check_healable(drift: Drift) -> None:
    if drift.is_warning:
        raise Conflict("A warning waits for a person.", code="drift_is_warning")


def heal_all(white_label: WhiteLabel, *, by: str) -> SyncRun:
    """A run that heals what it finds; warnings stay."""
    return runs.start(white_label, requested_by=by, heals=True)
