"""Execution of webhook events: fetch the object that an event is about."""

from collections.abc import Callable
from datetime import datetime

import pghistory
from django.utils import timezone

from billing import gateway
from billing.models import StripeEvent
from billing.stripe.commands.mirror.fetches import FetchContext, Outcome
from billing.stripe.commands.mirror.refetches import (
    refetch_credit_note,
    refetch_customer,
    refetch_dispute,
    refetch_invoice,
    refetch_paid_invoice,
    refetch_price,
    refetch_product,
    refetch_refund,
    refetch_refunds_of,
    refetch_subscription,
)
from billing.stripe.commands.mirror.unreadable import (
    UnreadableObject,
    record_unreadable,
)
from billing.stripe.commands.upcoming import mark_outdated
from billing.stripe.commands.webhook_events import outages
from billing.stripe.commands.webhook_events.locks import object_lock
from billing.stripe.commands.webhook_events.outcomes import (
    WorkersDied,
    end,
    fail,
    put_back,
)
from billing.stripe.commands.webhook_events.previews import mark_previews_of
from billing.stripe.commands.webhook_events.queue import claim

DEADLINE_SECONDS = 8  # of a call: an event that fails is retried later
_State = StripeEvent.State


def handle(id_: int) -> bool:
    """Handle an event, unless another worker has it or it has ended.

    Return whether this call tried it; it may be pending again, for a later attempt.

    1. Claim it under a lease.
    2. Under the lock of its object, fetch the object from Stripe.
    3. Mirror the answer, in the mirror's transactions.
    4. Mark the event as done, and with it earlier events about the same object.

    A worker that dies in any step leaves a row whose lease ends. Then all steps are
    done again, with the same result.
    """
    event = claim(id_)
    if event is None:
        return False
    if event.is_exhausted:
        fail(event, WorkersDied())
    elif outages.is_away():
        put_back(event)
    else:
        with pghistory.context(username="Stripe", event=event.event_id):
            _execute(event)
    return True


def _execute(event: StripeEvent) -> None:
    """Refetch the event's object, and park the event or retry it on an error."""
    try:
        with gateway.deadline(DEADLINE_SECONDS):
            _refetch_object(event)
    except gateway.Malformed as error:
        record_unreadable([_unreadable_object(event, error)], _context(event))
        end(event, _State.PARKED, str(error))
    except gateway.Missing:
        _end_missing(event)
    except gateway.Refused as error:
        end(event, _State.PARKED, f"Stripe refused: {error.code} {error.message}")
    except Exception as error:  # of any other kind: retried later
        if isinstance(error, gateway.Unavailable):
            outages.remember()
        fail(event, error)


def _unreadable_object(
    event: StripeEvent, error: gateway.Malformed
) -> UnreadableObject:
    """Return the object that could not be read, with the customer of the event.

    That may be another object than the event's, such as the invoice of a payment.
    """
    data = event.payload.get("data")
    snapshot = data.get("object") if isinstance(data, dict) else None
    customer = snapshot.get("customer") if isinstance(snapshot, dict) else None
    customer_id = customer if isinstance(customer, str) else ""
    id_ = error.stripe_id or event.object_id
    return UnreadableObject(id_, str(error), error.customer_id or customer_id)


def _context(event: StripeEvent) -> FetchContext:
    return FetchContext(timezone.now(), event.event_id)


def _refetch_object(event: StripeEvent) -> None:
    """Refetch the object of an event, or end the event if it needs no refetch."""
    refetch = _find_refetch(event.type)
    if refetch is None:
        is_used = mark_previews_of(event)
        reason = "estimates are read again" if is_used else "not needed"
        return end(event, _State.DONE, reason)
    if not _is_supported(event):
        return end(event, _State.PARKED, f"unsupported version {event.api_version}")
    if not event.object_id:
        return end(event, _State.PARKED, "no object ID")
    with object_lock(event.object_id):
        fetched_at = timezone.now()
        outcome = refetch(event.object_id, by=event.event_id)
    _end_mirrored(event, outcome, fetched_at)
    return None


def _find_refetch(type_: str) -> Callable[..., Outcome] | None:
    """Return the refetch for a type of event, or null if it needs none.

    The types of thin events begin with `v1.`.
    """
    type_ = type_.removeprefix("v1.")
    if type_.startswith("customer.subscription."):
        return refetch_subscription
    resource, _, change = type_.rpartition(".")
    if change == "upcoming":
        return None  # a preview of an invoice, which has no id yet
    return _REFETCHES.get(type_) or _REFETCHES.get(resource)


# By the type of an event without its last part, or by the whole type.
_REFETCHES: dict[str, Callable[..., Outcome]] = {
    "charge.dispute": refetch_dispute,
    "charge.refund": refetch_refund,
    "charge.refunded": refetch_refunds_of,
    "credit_note": refetch_credit_note,
    "customer": refetch_customer,
    "invoice": refetch_invoice,
    "invoice_payment": refetch_paid_invoice,
    "refund": refetch_refund,
    "price": refetch_price,
    "product": refetch_product,
}


def _is_supported(event: StripeEvent) -> bool:
    """Return whether a stored event is of the v1 API."""
    payload = event.payload
    return gateway.Event(
        event.event_id, event.type, event.api_version, event.object_id, None, payload
    ).is_supported


def _end_mirrored(event: StripeEvent, outcome: Outcome, fetched_at: datetime) -> None:
    """End an event whose object was fetched; park it if the customer is unlinked."""
    if outcome.unlinked_customers and not outcome.seen:
        return end(event, _State.PARKED, "customer is not linked to an organization")
    organization_id = outcome.seen.get(event.object_id)
    # Also what is not mirrored may have changed: a discount, a balance, a tax ID.
    mark_outdated(outcome.seen.values())
    end(event, _State.DONE, organization_id=organization_id)
    _end_earlier(event, fetched_at, organization_id)
    return None


def _end_earlier(
    event: StripeEvent, fetched_at: datetime, organization_id: int | None
) -> None:
    """End pending events about the same object that arrived before it was fetched.

    Their changes had happened by then, so Stripe's answer contains them.
    """
    earlier = StripeEvent.objects.filter(
        object_id=event.object_id, state=_State.PENDING, received_at__lt=fetched_at
    )
    refetch = _find_refetch(event.type)
    for row in earlier:
        if _find_refetch(row.type) is refetch and _is_supported(row):
            StripeEvent.objects.filter(id=row.id, state=_State.PENDING).update(
                state=_State.DONE,
                reason=f"with {event.event_id}"[:200],
                organization_id=organization_id,
                finished_at=timezone.now(),
            )


def _end_missing(event: StripeEvent) -> None:
    """End an event whose object neither Stripe nor Orgdesk has."""
    if event.type.endswith(".deleted"):
        end(event, _State.DONE, "deleted in Stripe, never in Orgdesk")
    else:
        end(event, _State.PARKED, "no such object in Stripe" + _possible_cause(event))


def _possible_cause(event: StripeEvent) -> str:
    """Return why the secret key may not see the object, as the rest of a sentence."""
    if account := event.payload.get("account"):
        return f": it belongs to the connected account {account}"
    if event.payload.get("livemode") is True and gateway.is_test():
        return ": it is in live mode, and the secret key is for test mode"
    return ""
