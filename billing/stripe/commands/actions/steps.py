"""Steps of each kind of action: its requests to Stripe and the answer that is stored.

A retry sends the same requests: the key and all parameters come from the row. The lock
of the object is held over the change and the mirroring. Otherwise the webhook of the
change could be mirrored first, and history would name Stripe instead of the person.
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
from billing.stripe.commands.mirror.refetches import (
    refetch_all_of,
    refetch_customer,
    refetch_invoice,
    refetch_subscription,
)
from billing.stripe.commands.webhook_events.locks import object_lock
from orgs.models import Organization

Kind = StripeAction.Kind
Answer = dict[str, Any]
# One message for both: which customers other white labels have is not to be tested.
_NOT_FREE = "{} does not exist in Stripe, or belongs to another organization."


def _key(action: StripeAction, step: str) -> str:
    """Return the idempotency key of a step.

    The version grows each time a person retries a refused action.
    """
    return f"action-{action.pk}-{step}-v{action.parameters.get('version', 1)}"


def _instant(action: StripeAction, name: str) -> datetime | None:
    text = action.parameters.get(name)
    return datetime.fromisoformat(text) if text else None


def _customer_metadata(organization: Organization) -> dict[str, str]:
    """Return the metadata that link a customer to an organization."""
    return {
        ORGANIZATION: str(organization.pk),
        EXTERNAL_ID: organization.external_id,
    }


def _create_customer(action: StripeAction) -> Answer:
    organization = action.organization
    customer = gateway.create_customer(
        name=organization.name,
        email=action.parameters["email"],
        metadata=_customer_metadata(organization),
        key=_key(action, "create"),
    )
    with object_lock(customer.id):
        refetch_customer(customer.id, by=action.requested_by)
    return _link_answer(action, customer)


def _link_customer(action: StripeAction) -> Answer:
    customer_id = action.parameters["customer"]
    with object_lock(customer_id):
        check_free(_get_customer(customer_id), action.organization)
        customer = gateway.update_customer(
            customer_id,
            metadata=_customer_metadata(action.organization),
            key=_key(action, "name"),
        )
        refetch_all_of(customer_id, by=action.requested_by)
    return _link_answer(action, customer)


def _get_customer(customer_id: str) -> gateway.Customer:
    """Return a customer; raise `CustomerTaken` if there is none.

    A person of one white label must not learn which customers others have.
    """
    try:
        return gateway.get_customer(customer_id)
    except gateway.Missing:
        raise CustomerTaken(_NOT_FREE.format(customer_id)) from None


def check_free(customer: gateway.Customer, organization: Organization) -> None:
    """Raise `CustomerTaken` if a customer belongs to another organization.

    The error does not name the owner, which may be in another white label.
    """
    accounts = BillingAccount.objects.filter(stripe_id=customer.id)
    is_linked = accounts.exclude(organization=organization).exists()
    if is_linked or customer.organization_id not in (None, organization.pk):
        raise CustomerTaken(_NOT_FREE.format(customer.id))
    if customer.is_deleted:
        raise ActionNotPossible("This customer was deleted in Stripe.")


def _link_answer(action: StripeAction, customer: gateway.Customer) -> Answer:
    """Return the answer of a link; raise `ActionNotPossible` if it was not made."""
    account = BillingAccount.objects.filter(organization=action.organization).first()
    if account is None or account.stripe_id != customer.id:
        raise ActionNotPossible(
            f"{customer.id} could not be linked: the organization has another customer."
        )
    return {"customer": customer.id, "name": customer.name, "email": customer.email}


def _unlink_customer(action: StripeAction) -> Answer:
    """Unlink a customer that was deleted in Stripe.

    Its live subscriptions are refetched first: without a link they have no owner.
    """
    customer_id = action.parameters["customer"]
    with object_lock(customer_id):
        _check_deleted(customer_id)
        for subscription_id in _list_live(action.organization):
            refetch_subscription(subscription_id, by=action.requested_by)
        unlink_customer(customer_id, by=action.requested_by)
    return {"customer": customer_id, "status": "deleted in Stripe, unlinked"}


def _check_deleted(customer_id: str) -> None:
    """Raise `ActionNotPossible` if Stripe still has a customer."""
    try:
        is_deleted = gateway.get_customer(customer_id).is_deleted
    except gateway.Missing:
        is_deleted = True
    if not is_deleted:
        raise ActionNotPossible(
            f"{customer_id} still exists in Stripe and was not unlinked."
        )


def _list_live(organization: Organization) -> list[str]:
    live = Subscription.objects.filter(organization=organization, status__in=LIVE)
    return sorted(set(live.values_list("stripe_id", flat=True)))


def _start(action: StripeAction) -> Answer:
    parameters = action.parameters
    subscription = gateway.create_subscription(
        parameters["customer"],
        price_id=parameters["price"],
        quantity=parameters.get("seats"),
        trial_ends_at=_instant(action, "trial_ends_at"),
        days_until_due=parameters.get("days_until_due"),
        metadata={"orgdesk_action": str(action.pk)},
        key=_key(action, "start"),
    )
    with object_lock(subscription.id):
        refetch_subscription(subscription.id, by=action.requested_by)
    return _subscription_answer(action, subscription)


def _change_tier(action: StripeAction) -> Answer:
    with _locked_subscription(action) as subscription:
        item = _find_item(action, subscription)
        if action.parameters["when"] == "period_end":
            _check_same_period(action, item)
            changed = _change_at_end(action, item)
        else:
            changed = gateway.update_subscription(
                subscription.id,
                item_id=item.id,
                price_id=action.parameters["price"],
                proration_at=_instant(action, "proration_at"),
                key=_key(action, "price"),
            )
    return _subscription_answer(action, changed)


def _change_at_end(
    action: StripeAction, item: gateway.SubscriptionItem
) -> gateway.Subscription:
    """Change the price without proration: the current period is paid for already."""
    return gateway.update_subscription(
        action.parameters["subscription"],
        item_id=item.id,
        price_id=action.parameters["price"],
        proration="none",
        key=_key(action, "price"),
    )


def _check_same_period(action: StripeAction, item: gateway.SubscriptionItem) -> None:
    """Raise `ActionNotPossible` if the period has ended since the action was planned.

    The next period has then begun at the old price, and a person must decide.
    """
    is_done = item.price_id == action.parameters["price"]
    if not is_done and item.period_ends_at != _instant(action, "period_ends_at"):
        raise ActionNotPossible(
            "The period has ended since. Review the change and try again."
        )


def _change_seats(action: StripeAction) -> Answer:
    with _locked_subscription(action) as subscription:
        changed = gateway.update_subscription(
            subscription.id,
            item_id=_find_item(action, subscription).id,
            quantity=action.parameters["seats"],
            proration_at=_instant(action, "proration_at"),
            key=_key(action, "seats"),
        )
    return _subscription_answer(action, changed)


def _find_item(
    action: StripeAction, subscription: gateway.Subscription
) -> gateway.SubscriptionItem:
    """Return the item with the price that the person saw.

    An earlier attempt may have changed it to the new price already. Raises
    `ActionNotPossible` if it has another price.
    """
    item = _match_item(action, subscription)
    if item is None:
        raise ActionNotPossible(
            "The price has changed in Stripe. Review and try again."
        )
    return item


def _match_item(
    action: StripeAction, subscription: gateway.Subscription
) -> gateway.SubscriptionItem | None:
    """Return the item with the new price of an action, else with the former one."""
    parameters = action.parameters
    prices = (parameters.get("price"), parameters.get("from_price"))
    items = {item.price_id: item for item in subscription.items}
    return next((items[price] for price in prices if price in items), None)


def _pause(action: StripeAction) -> Answer:
    with _locked(action):
        return _subscription_answer(
            action,
            gateway.pause_subscription(
                action.parameters["subscription"],
                reason=action.parameters["reason"],
                key=_key(action, "pause"),
            ),
        )


def _resume(action: StripeAction) -> Answer:
    with _locked(action):
        return _subscription_answer(
            action,
            gateway.resume_subscription(
                action.parameters["subscription"], key=_key(action, "resume")
            ),
        )


def _cancel(action: StripeAction) -> Answer:
    with _locked(action):
        return _subscription_answer(
            action,
            gateway.update_subscription(
                action.parameters["subscription"],
                cancels_at=_instant(action, "cancels_at") or "never",
                key=_key(action, "cancel"),
            ),
        )


def _move_trial_end(action: StripeAction) -> Answer:
    with _locked(action):
        return _subscription_answer(
            action,
            gateway.update_subscription(
                action.parameters["subscription"],
                trial_ends_at=_instant(action, "trial_ends_at") or "now",
                key=_key(action, "trial"),
            ),
        )


@contextmanager
def _locked(action: StripeAction) -> Iterator[None]:
    """Hold the subscription's lock over a change, then mirror the subscription."""
    id_ = action.parameters["subscription"]
    with object_lock(id_):
        yield
        refetch_subscription(id_, by=action.requested_by)


@contextmanager
def _locked_subscription(action: StripeAction) -> Iterator[gateway.Subscription]:
    """Do as `_locked`, and fetch the subscription before the change."""
    with _locked(action):
        yield gateway.get_subscription(action.parameters["subscription"])


def _subscription_answer(
    action: StripeAction, subscription: gateway.Subscription
) -> Answer:
    """Mirror the last invoice, which a change may have made, and return the answer."""
    invoice_id = subscription.latest_invoice_id
    item = _match_item(action, subscription) or subscription.item
    if invoice_id:
        with object_lock(invoice_id):
            refetch_invoice(invoice_id, by=action.requested_by)
    return {
        "subscription": subscription.id,
        "status": "paused"
        if subscription.is_paused
        else subscription.status.replace("_", " "),
        "price": item.price_id,
        "seats": action.parameters.get("seats") and item.quantity,
        "period_ends_at": _text(item.period_ends_at),
        "trial_ends_at": _text(subscription.trial_ends_at),
        "ends_at": _text(subscription.cancels_at),
        "last_invoice": invoice_id,
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _send_payment_links(action: StripeAction) -> Answer:
    """Send the link of each invoice; the answer numbers them if there are several.

    Invoices that are no longer open are left out. Raises `ActionNotPossible` if none
    is open.
    """
    answers, problems = [], []
    for id_ in action.parameters["invoices"]:
        try:
            answers.append(_send_payment_link(action, id_))
        except ActionNotPossible as error:
            problems.append(error.message)
    if not answers:
        raise ActionNotPossible(" ".join(problems))
    if len(answers) == 1:
        return {**answers[0], "not_sent": " ".join(problems) or None}
    numbered = {
        f"{name}_{number}": value
        for number, answer in enumerate(answers, start=1)
        for name, value in answer.items()
    }
    return {**numbered, "not_sent": " ".join(problems) or None}


def _send_payment_link(action: StripeAction, id_: str) -> Answer:
    """Let Stripe email an invoice, and return the address of its payment page.

    Stripe refuses to email an invoice that it charges automatically, so for such a one
    a person passes the address on.
    """
    with object_lock(id_):
        invoice = gateway.get_invoice(id_)
        is_sent = invoice.collection_method == "send_invoice"
        if is_sent and invoice.status == "open":
            invoice = gateway.send_invoice(id_, key=_key(action, f"send-{id_}"))
        refetch_invoice(id_, by=action.requested_by)
    if invoice.status != "open":
        number = invoice.number or invoice.id
        raise ActionNotPossible(
            f"Invoice {number} is already {invoice.status} in Stripe."
        )
    return {
        "invoice": invoice.number or invoice.id,
        "status": invoice.status,
        "due": f"{invoice.amount_remaining} {invoice.currency.upper()}",
        "link": invoice.hosted_url,
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
    Kind.PAYMENT_LINK: _send_payment_links,
}
