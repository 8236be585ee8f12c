"""Doing what an event hints at."""

from collections.abc import Callable
from datetime import datetime

import pghistory
from django.utils import timezone

from billing import gateway
from billing.models import StripeEvent
from billing.stripe.commands.mirror.fetches import Outcome
from billing.stripe.commands.mirror.refetching import (
    refetch_customer,
    refetch_invoice,
    refetch_price,
    refetch_product,
    refetch_subscription,
)
from billing.stripe.commands.webhook_events import outages
from billing.stripe.commands.webhook_events.ending import (
    WorkersDied,
    end,
    fail,
    put_back,
)
from billing.stripe.commands.webhook_events.leases import claim
from billing.stripe.commands.webhook_events.locks import object_lock

DEADLINE_SECONDS = 8  # it comes again by itself
_State = StripeEvent.State


def handle(id_: int) -> None:
    """Claim an event and do what it hints at; a claimed or finished one is nothing.

    1. claim it for the time of a lease
    2. under the lock of its object, ask Stripe what is so now
    3. write that, in transactions of the mirror's own
    4. mark it done, and the earlier hints at the same object with it
    A worker that dies anywhere leaves a row whose lease ends; all of it is done again,
    to the same effect.
    """
    event = claim(id_)
    if event is None:
        return
    if event.is_exhausted:
        fail(event, WorkersDied())
        return
    if outages.is_away():
        put_back(event)
        return
    with pghistory.context(username="Stripe", event=event.event_id):
        _try(event)


def _try(event: StripeEvent) -> None:
    try:
        with gateway.deadline(DEADLINE_SECONDS):
            _settle(event)
    except gateway.Malformed as error:
        end(event, _State.PARKED, str(error))
    except gateway.Missing:
        _end_missing(event)
    except gateway.Refused as error:
        end(event, _State.PARKED, f"Stripe refused: {error.code} {error.message}")
    except Exception as error:  # whatever else: tried again
        if isinstance(error, gateway.Unavailable):
            outages.remember()
        fail(event, error)


def _settle(event: StripeEvent) -> None:
    refetch = _refetch(event.type)
    if refetch is None:
        return end(event, _State.DONE, "not needed")
    if not _is_supported(event):
        return end(event, _State.PARKED, f"unsupported version {event.api_version}")
    if not event.object_id:
        return end(event, _State.PARKED, "no object ID")
    with object_lock(event.object_id):
        asked_at = timezone.now()
        outcome = refetch(event.object_id, by=event.event_id)
    _end_met(event, outcome, asked_at)
    return None


def _refetch(type_: str) -> Callable[..., Outcome] | None:
    """What an event of this type makes us ask for; thin ones are named `v1.…`."""
    type_ = type_.removeprefix("v1.")
    if type_.startswith("customer.subscription."):
        return refetch_subscription
    family, _, what = type_.rpartition(".")
    if what == "upcoming":
        return None  # an invoice that is none yet, and has no id
    return _FAMILIES.get(family)


_FAMILIES: dict[str, Callable[..., Outcome]] = {
    "customer": refetch_customer,
    "invoice": refetch_invoice,
    "price": refetch_price,
    "product": refetch_product,
}


def _is_supported(event: StripeEvent) -> bool:
    payload = event.payload
    return gateway.Event(
        event.event_id, event.type, event.api_version, event.object_id, None, payload
    ).is_supported


def _end_met(event: StripeEvent, outcome: Outcome, asked_at: datetime) -> None:
    if outcome.strangers and not outcome.met:
        return end(event, _State.PARKED, "customer is not linked to an organization")
    organization = outcome.met.get(event.object_id)
    end(event, _State.DONE, organization=organization)
    _end_covered(event, asked_at, organization)
    return None


def _end_covered(
    event: StripeEvent, asked_at: datetime, organization: int | None
) -> None:
    """What arrived before we asked had happened: the answer has it in it."""
    covered = StripeEvent.objects.filter(
        object_id=event.object_id, state=_State.PENDING, received_at__lt=asked_at
    )
    for row in covered:
        if _refetch(row.type) is _refetch(event.type) and _is_supported(row):
            StripeEvent.objects.filter(id=row.id, state=_State.PENDING).update(
                state=_State.DONE,
                reason=f"with {event.event_id}"[:200],
                organization_id=organization,
                finished_at=timezone.now(),
            )


def _end_missing(event: StripeEvent) -> None:
    if event.type.endswith(".deleted"):
        end(event, _State.DONE, "deleted in Stripe, and never ours")
    else:
        end(event, _State.PARKED, "no such object in Stripe" + _elsewhere(event))


def _elsewhere(event: StripeEvent) -> str:
    """Where it may be that our key does not see."""
    if account := event.payload.get("account"):
        return f": it is of the connected account {account}"
    if event.payload.get("livemode") is True and gateway.is_test():
        return ": it is a live one, and our key is for tests"
    return ""
