"""Healing a difference: Stripe is asked again, and what it says is written."""

from collections.abc import Callable

import pghistory

from billing.models import Discrepancy, SyncRun
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


def resolve(discrepancy_id: int, *, by: str) -> None:
    """Over the network, so from a worker; healed by somebody else, it is nothing.

    Raises `Conflict` for a warning: what it warns of, people change in Stripe or here.
    """
    discrepancy = Discrepancy.objects.filter(
        pk=discrepancy_id, resolved_at=None
    ).first()
    if discrepancy is None:
        return
    check_resolvable(discrepancy)
    refetch = _REFETCHES[discrepancy.stripe_id.partition("_")[0]]
    with pghistory.context(username=by), object_lock(discrepancy.stripe_id):
        refetch(discrepancy.stripe_id, by=by)


def check_resolvable(discrepancy: Discrepancy) -> None:
    if discrepancy.is_warning:
        raise Conflict("A warning waits for a person.", code="discrepancy_is_warning")


def resolve_all(white_label: WhiteLabel, *, by: str) -> SyncRun:
    """A run that heals what it finds; warnings stay."""
    return runs.start(white_label, requested_by=by, repairs=True)
