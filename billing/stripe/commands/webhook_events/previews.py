"""Events about objects that are not mirrored, but that previews of invoices depend on.

Nothing is fetched: the previews are marked, and Stripe is asked for each of them.
"""

from collections.abc import Callable

from billing.models import StripeEvent
from billing.stripe.commands.mirror.owners import find_owners
from billing.stripe.commands.upcoming import (
    mark_discounted_outdated,
    mark_outdated,
    mark_taxed_outdated,
)


def mark_previews_of(event: StripeEvent) -> bool:
    """Mark the previews that an event may have changed; return whether any can be."""
    resource = event.type.removeprefix("v1.").rpartition(".")[0]
    if mark := _MARKS.get(resource):
        mark()
    elif resource in _OF_CUSTOMERS:
        owners = find_owners([_customer_of(event)])
        mark_outdated(owner.organization_id for owner in owners.values())
    else:
        return False
    return True


# By the type of an event without its last part.
_OF_CUSTOMERS = {
    "customer.discount",
    "customer.tax_id",
    "invoiceitem",
    "subscription_schedule",
}
_MARKS: dict[str, Callable[[], None]] = {
    "coupon": mark_discounted_outdated,
    "promotion_code": mark_discounted_outdated,
    "tax_rate": mark_taxed_outdated,
}


def _customer_of(event: StripeEvent) -> str:
    """Return the customer that the object of an event names; empty if none."""
    data = event.payload.get("data")
    snapshot = data.get("object") if isinstance(data, dict) else None
    customer = snapshot.get("customer") if isinstance(snapshot, dict) else None
    return customer if isinstance(customer, str) else ""
