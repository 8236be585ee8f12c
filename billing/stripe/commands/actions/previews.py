"""Previews of actions, asked of Stripe before a person confirms one.

They write nothing. They run in a page's request, so their deadline is a few seconds and
no transaction may be open. If Stripe refuses, its message is returned as the problem.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing import gateway
from billing.gateway import GatewayError, redacted
from billing.models import BillingAccount, Subscription
from orgs.models import Organization

_MAX_CUSTOMERS = 20


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """Line of the previewed invoice."""

    description: str
    amount: Decimal
    is_of_change: bool  # prorates this change for the rest of the current period


@dataclass(frozen=True, slots=True)
class Preview:
    """Invoice that a change leads to, or the `problem` that prevents one."""

    at: datetime  # the change is prorated from this instant
    currency: str = ""
    lines: tuple[PreviewLine, ...] = ()
    prorated: Decimal = Decimal(0)  # cost of the change in the current period
    total: Decimal = Decimal(0)
    problem: str = ""


def preview_change(
    subscription: Subscription,
    *,
    at: datetime,
    price_id: str = "",
    seats: int | None = None,
) -> Preview:
    """Return the next invoice as a change of price or seats would make it.

    Uses the same parameters as the change itself, so that the same amounts are charged.
    The invoice may also have prorations of earlier changes, which are not counted.
    """
    try:
        current = gateway.get_subscription(subscription.stripe_id)
        item = _find_item(current, subscription.stripe_price_id)
        invoice = gateway.preview_change(
            current.id,
            item_id=item.id,
            price_id=price_id,
            quantity=seats,
            at=at,
        )
    except GatewayError as error:
        return Preview(at, problem=redacted(error.message))
    starts_at = max(at, item.period_starts_at)
    lines = tuple(
        PreviewLine(
            line.description,
            line.amount,
            is_of_change=line.is_proration and line.period_starts_at == starts_at,
        )
        for line in invoice.lines
    )
    prorated = sum((line.amount for line in lines if line.is_of_change), Decimal(0))
    return Preview(at, invoice.currency, lines, prorated, invoice.total)


def _find_item(
    subscription: gateway.Subscription, price_id: str
) -> gateway.SubscriptionItem:
    """Return the item with the mirrored price; raise `Refused` if it has changed."""
    for item in subscription.items:
        if item.price_id == price_id:
            return item
    raise gateway.Refused(
        "The price has changed in Stripe. Run a sync, then try again."
    )


@dataclass(frozen=True, slots=True)
class FoundCustomer:
    """Customer found by email, with the name only if it can be linked."""

    id: str
    name: str
    email: str
    created_at: datetime | None
    is_unavailable: bool


def find_customers(
    email: str, organization: Organization, *, sees_all: bool
) -> tuple[list[FoundCustomer], str]:
    """Return the customers with an email, newest first, and a problem or empty text.

    A customer of another white label is not among them unless the person `sees_all`:
    otherwise any address could be tested for being one.
    """
    try:
        page = gateway.list_customers(email=email, limit=_MAX_CUSTOMERS)
    except GatewayError as error:
        return [], redacted(error.message)
    unavailable = _find_unavailable(page.items, organization)
    hidden = set() if sees_all else unavailable - _list_known(page.items, organization)
    customers = [
        _found_customer(customer, is_unavailable=customer.id in unavailable)
        for customer in page.items
        if customer.id not in hidden
    ]
    return customers, ""


def _list_known(
    customers: Sequence[gateway.Customer], organization: Organization
) -> set[str]:
    """Return the customers of the white label, by link or, without one, by metadata."""
    ids = [customer.id for customer in customers]
    accounts = BillingAccount.objects.filter(stripe_id__in=ids)
    linked = dict(accounts.values_list("stripe_id", "organization_id"))
    owners = {c.id: linked.get(c.id, c.organization_id) for c in customers}
    label = Organization.objects.filter(white_label=organization.white_label_id)
    known = set(label.filter(pk__in=filter(None, owners.values())).values_list("pk"))
    return {id_ for id_, owner in owners.items() if (owner,) in known}


def _find_unavailable(
    customers: Sequence[gateway.Customer], organization: Organization
) -> set[str]:
    """Return the customers that are linked to, or name, another organization."""
    ids = [customer.id for customer in customers]
    accounts = BillingAccount.objects.filter(stripe_id__in=ids)
    others = accounts.exclude(organization=organization)
    return set(_list_of_others(customers, organization)) | {
        id_ for id_ in others.values_list("stripe_id", flat=True) if id_
    }


def _list_of_others(
    customers: Iterable[gateway.Customer], organization: Organization
) -> Iterable[str]:
    """Return the customers whose metadata name another organization."""
    allowed = (None, organization.pk)
    return (
        customer.id for customer in customers if customer.organization_id not in allowed
    )


def _found_customer(
    customer: gateway.Customer, *, is_unavailable: bool
) -> FoundCustomer:
    name, email = ("", "") if is_unavailable else (customer.name, customer.email)
    return FoundCustomer(customer.id, name, email, customer.created_at, is_unavailable)
