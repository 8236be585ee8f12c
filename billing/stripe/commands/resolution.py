"""Resolution of discrepancies: Stripe is asked again and its answer is written."""

from collections.abc import Callable

import pghistory

from billing.models import Discrepancy, SyncRun
from billing.stripe.commands.mirror.fetches import Outcome
from billing.stripe.commands.mirror.refetches import (
    refetch_credit_note,
    refetch_customer,
    refetch_dispute,
    refetch_invoice,
    refetch_refund,
    refetch_subscription,
)
from billing.stripe.commands.sync import runs
from billing.stripe.commands.webhook_events.locks import object_lock
from orgs.errors import Conflict
from orgs.models import WhiteLabel

# By the prefix of the object's id in Stripe.
_REFETCHES: dict[str, Callable[..., Outcome]] = {
    "cus": refetch_customer,
    "sub": refetch_subscription,
    "in": refetch_invoice,
    "cn": refetch_credit_note,
    **dict.fromkeys(("re", "pyr"), refetch_refund),
    **dict.fromkeys(("dp", "du"), refetch_dispute),
}


def resolve(discrepancy_id: int, *, by: str) -> None:
    """Resolve a discrepancy by mirroring its object again, unless it is resolved.

    Calls Stripe, so run it in a worker. Raises `Conflict` for a warning, which a person
    resolves in Stripe or in Orgdesk.
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
    """Raise `Conflict` for a warning."""
    if discrepancy.is_warning:
        raise Conflict(
            "Warnings cannot be resolved automatically.", code="discrepancy_is_warning"
        )


def resolve_all(white_label: WhiteLabel, *, by: str) -> SyncRun:
    """Start a sync run that repairs what differs; warnings stay open."""
    return runs.start(white_label, requested_by=by, repairs=True)
