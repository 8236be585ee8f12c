"""What each kind of action says to Stripe, and what of the answer is kept.

Each step is the same for every try: the same key, and nothing in the request but what
the row says. A lock of the object is held over the write and the mirroring, or the
webhook of this very change would be there first, in Stripe's name.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from billing import gateway
from billing.errors import ActionNotPossible, CustomerTaken
from billing.gateway import EXTERNAL_ID, ORGANIZATION
from billing.models import BillingAccount, StripeAction, Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.customers import unlink_customer
from billing.stripe.commands.mirror.refetching import (
    refetch_all_of,
    refetch_customer,
    refetch_invoice,
    refetch_subscription,
)
from billing.stripe.commands.webhook_events.locks import object_lock
from orgs.models import Organization

Kind = StripeAction.Kind
Answer = dict[str, Any]


def _key(action: StripeAction, step: str) -> str:
    """The version counts the refusals that a person did not take for an answer."""
    return f"action-{action.pk}-{step}-v{action.parameters.get('version', 1)}"


def _instant(action: StripeAction, name: str) -> datetime | None:
    text = action.parameters.get(name)
    return datetime.fromisoformat(text) if text else None


# --- customers ----------------------------------------------------------------------


def _names_of(organization: Organization) -> dict[str, str]:
    return {
        ORGANIZATION: str(organization.pk),
        EXTERNAL_ID: organization.external_id,
    }


def _create_customer(action: StripeAction) -> Answer:
    organization = action.organization
    made = gateway.create_customer(
        name=organization.name,
        email=action.parameters["email"],
        metadata=_names_of(organization),
        key=_key(action, "create"),
    )
    with object_lock(made.id):
        refetch_customer(made.id, by=action.requested_by)
    return _linked(action, made)


def _link_customer(action: StripeAction) -> Answer:
    customer_id = action.parameters["customer"]
    with object_lock(customer_id):
        check_free(gateway.get_customer(customer_id), action.organization)
        found = gateway.update_customer(
            customer_id,
            metadata=_names_of(action.organization),
            key=_key(action, "name"),
        )
        refetch_all_of(customer_id, by=action.requested_by)
    return _linked(action, found)


def check_free(customer: gateway.Customer, organization: Organization) -> None:
    """Raises `CustomerTaken`; whose it is, is not said: it may be a stranger's."""
    if customer.is_deleted:
        raise ActionNotPossible("This customer was deleted in Stripe.")
    named = customer.organization_id
    taken = BillingAccount.objects.filter(stripe_id=customer.id)
    is_ours = named in (None, organization.pk)
    if not is_ours or taken.exclude(organization=organization).exists():
        raise CustomerTaken(f"{customer.id} belongs to another organization.")


def _linked(action: StripeAction, customer: gateway.Customer) -> Answer:
    account = BillingAccount.objects.filter(organization=action.organization).first()
    if account is None or account.stripe_id != customer.id:
        raise ActionNotPossible(f"{customer.id} could not be linked: it has another.")
    return {"customer": customer.id, "name": customer.name, "email": customer.email}


def _unlink_customer(action: StripeAction) -> Answer:
    """What is mirrored follows Stripe first: afterwards it is nobody's there."""
    customer_id = action.parameters["customer"]
    with object_lock(customer_id):
        _check_gone(customer_id)
        for subscription_id in _list_live(action.organization):
            refetch_subscription(subscription_id, by=action.requested_by)
        unlink_customer(customer_id, by=action.requested_by)
    return {"customer": customer_id, "status": "deleted in Stripe, unlinked"}


def _check_gone(customer_id: str) -> None:
    try:
        is_gone = gateway.get_customer(customer_id).is_deleted
    except gateway.Missing:
        is_gone = True
    if not is_gone:
        raise ActionNotPossible(
            f"{customer_id} still exists in Stripe and was not unlinked."
        )


def _list_live(organization: Organization) -> list[str]:
    live = Subscription.objects.filter(organization=organization, status__in=LIVE)
    return list(live.values_list("stripe_id", flat=True))


# --- subscriptions ------------------------------------------------------------------


def _start(action: StripeAction) -> Answer:
    asked = action.parameters
    made = gateway.create_subscription(
        asked["customer"],
        price_id=asked["price"],
        quantity=asked.get("seats"),
        trial_ends_at=_instant(action, "trial_ends_at"),
        days_until_due=asked.get("days_until_due"),
        metadata={"orgdesk_action": str(action.pk)},
        key=_key(action, "start"),
    )
    with object_lock(made.id):
        refetch_subscription(made.id, by=action.requested_by)
    return _told(action, made)


def _change_tier(action: StripeAction) -> Answer:
    with _subscription(action) as found:
        item = _item(action, found)
        if action.parameters["when"] == "period_end":
            _check_same_period(action, item)
            changed = _change_at_end(action, item)
        else:
            changed = gateway.update_subscription(
                found.id,
                item_id=item.id,
                price_id=action.parameters["price"],
                proration_at=_instant(action, "proration_at"),
                key=_key(action, "price"),
            )
    return _told(action, changed)


def _change_at_end(
    action: StripeAction, item: gateway.SubscriptionItem
) -> gateway.Subscription:
    """Without proration: what is left of the period is paid for already."""
    return gateway.update_subscription(
        action.parameters["subscription"],
        item_id=item.id,
        price_id=action.parameters["price"],
        proration="none",
        key=_key(action, "price"),
    )


def _check_same_period(action: StripeAction, item: gateway.SubscriptionItem) -> None:
    """Late, the next period has begun at the old price: then people decide."""
    is_done = item.price_id == action.parameters["price"]
    if not is_done and item.period_ends_at != _instant(action, "period_ends_at"):
        raise ActionNotPossible(
            "The period has ended since. Review the change and try again."
        )


def _change_seats(action: StripeAction) -> Answer:
    with _subscription(action) as found:
        changed = gateway.update_subscription(
            found.id,
            item_id=_item(action, found).id,
            quantity=action.parameters["seats"],
            proration_at=_instant(action, "proration_at"),
            key=_key(action, "seats"),
        )
    return _told(action, changed)


def _item(
    action: StripeAction, found: gateway.Subscription
) -> gateway.SubscriptionItem:
    """The one that was shown; or that has the new price, by an earlier try."""
    prices = (action.parameters["from_price"], action.parameters.get("price"))
    item = next((one for one in found.items if one.price_id in prices), None)
    if item is None:
        raise ActionNotPossible(
            "The price has changed in Stripe. Review and try again."
        )
    return item


def _pause(action: StripeAction) -> Answer:
    with _mirrored(action):
        return _told(
            action,
            gateway.pause_subscription(
                action.parameters["subscription"],
                reason=action.parameters["reason"],
                key=_key(action, "pause"),
            ),
        )


def _resume(action: StripeAction) -> Answer:
    with _mirrored(action):
        return _told(
            action,
            gateway.resume_subscription(
                action.parameters["subscription"], key=_key(action, "resume")
            ),
        )


def _cancel(action: StripeAction) -> Answer:
    with _mirrored(action):
        return _told(
            action,
            gateway.update_subscription(
                action.parameters["subscription"],
                cancels_at=_instant(action, "cancels_at") or "never",
                key=_key(action, "cancel"),
            ),
        )


def _move_trial_end(action: StripeAction) -> Answer:
    with _mirrored(action):
        return _told(
            action,
            gateway.update_subscription(
                action.parameters["subscription"],
                trial_ends_at=_instant(action, "trial_ends_at") or "now",
                key=_key(action, "trial"),
            ),
        )


@contextmanager
def _mirrored(action: StripeAction) -> Iterator[None]:
    """Mirrored after the write, under the subscription's lock."""
    id_ = action.parameters["subscription"]
    with object_lock(id_):
        yield
        refetch_subscription(id_, by=action.requested_by)


@contextmanager
def _subscription(action: StripeAction) -> Iterator[gateway.Subscription]:
    with _mirrored(action):
        yield gateway.get_subscription(action.parameters["subscription"])


def _told(action: StripeAction, said: gateway.Subscription) -> Answer:
    """Its last invoice is mirrored, too: a change may have made one."""
    invoice_id = said.latest_invoice_id
    if invoice_id:
        with object_lock(invoice_id):
            refetch_invoice(invoice_id, by=action.requested_by)
    return {
        "subscription": said.id,
        "status": "paused" if said.is_paused else said.status.replace("_", " "),
        "price": said.item.price_id,
        "seats": action.parameters.get("seats") and said.item.quantity,
        "period_ends_at": _text(said.item.period_ends_at),
        "trial_ends_at": _text(said.trial_ends_at),
        "ends_at": _text(said.cancels_at),
        "last_invoice": invoice_id,
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


# --- invoices -----------------------------------------------------------------------


def _send_payment_link(action: StripeAction) -> Answer:
    """Stripe sends letters only of invoices that it does not charge by itself.

    Of those, too, there is a page to pay on: its address is the answer.
    """
    id_ = action.parameters["invoice"]
    with object_lock(id_):
        found = gateway.get_invoice(id_)
        is_sent = found.collection_method == "send_invoice"
        if is_sent:
            found = gateway.send_invoice(id_, key=_key(action, "send"))
        refetch_invoice(id_, by=action.requested_by)
    if not is_sent and found.status != "open":
        raise ActionNotPossible(f"The invoice is already {found.status} in Stripe.")
    return {
        "invoice": found.number or found.id,
        "status": found.status,
        "due": f"{found.amount_remaining} {found.currency.upper()}",
        "link": found.hosted_url,
        "email": "sent by Stripe" if is_sent else _NOT_SENT,
    }


_NOT_SENT = "not sent: Stripe charges this invoice automatically; pass the link on"


STEPS: dict[Kind, Callable[[StripeAction], Answer]] = {
    Kind.CREATE_CUSTOMER: _create_customer,
    Kind.LINK_CUSTOMER: _link_customer,
    Kind.UNLINK_CUSTOMER: _unlink_customer,
    Kind.START: _start,
    Kind.CHANGE_TIER: _change_tier,
    Kind.SEATS: _change_seats,
    Kind.TRIAL_END: _move_trial_end,
    Kind.PAUSE: _pause,
    Kind.RESUME: _resume,
    Kind.CANCEL: _cancel,
    Kind.PAYMENT_LINK: _send_payment_link,
}
