"""What Stripe says would come of it, before anything is asked for. Writes nothing.

Over the network, from a page: a few seconds' patience, and no transaction around it.
What Stripe refuses is said in its words where the numbers would have been.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing import gateway
from billing.gateway import GatewayError, redacted
from billing.models import BillingAccount, Subscription
from orgs.models import Organization

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PreviewLine:
    description: str
    amount: Decimal
    is_of_change: bool  # for the rest of the running period


@dataclass(frozen=True, slots=True)
class Preview:
    """The invoice a change leads to; `problem` instead of it where there is none."""

    at: datetime  # what is prorated is prorated from here
    currency: str = ""
    lines: tuple[PreviewLine, ...] = ()
    prorated: Decimal = Decimal(0)  # of the change, for the rest of the period
    total: Decimal = Decimal(0)
    problem: str = ""


def preview_change(
    subscription: Subscription,
    *,
    at: datetime,
    price_id: str = "",
    seats: int | None = None,
) -> Preview:
    """The same request as the change itself, so that the same numbers are charged.

    What earlier changes left to be prorated is on that invoice, too, and not of this.
    """
    try:
        found = gateway.get_subscription(subscription.stripe_id)
        item = _item(found, subscription.stripe_price_id)
        invoice = gateway.preview_change(
            found.id,
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


def _item(found: gateway.Subscription, price_id: str) -> gateway.SubscriptionItem:
    for item in found.items:
        if item.price_id == price_id:
            return item
    raise gateway.Refused(
        "The price has changed in Stripe. Run a sync, then try again."
    )


# --- a customer by its e-mail -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundCustomer:
    """A customer with that e-mail; the name only of one that may be linked.

    Whose a taken one is stays unsaid: it may be another white label's.
    """

    id: str
    name: str
    email: str
    created_at: datetime | None
    is_taken: bool


def find_customers(
    email: str, organization: Organization
) -> tuple[list[FoundCustomer], str]:
    """The newest first, and the problem where Stripe could not be asked."""
    try:
        page = gateway.list_customers(email=email, limit=_SHOWN)
    except GatewayError as error:
        return [], redacted(error.message)
    taken = _taken(page.items, organization)
    return [_shown(one, is_taken=one.id in taken) for one in page.items], ""


def _taken(
    customers: Sequence[gateway.Customer], organization: Organization
) -> set[str]:
    """Linked to another organization, or made for one."""
    linked = BillingAccount.objects.filter(stripe_id__in=[one.id for one in customers])
    others = linked.exclude(organization=organization)
    return set(_made_for_others(customers, organization)) | {
        id_ for id_ in others.values_list("stripe_id", flat=True) if id_
    }


def _made_for_others(
    customers: Iterable[gateway.Customer], organization: Organization
) -> Iterable[str]:
    ours = (None, organization.pk)
    return (one.id for one in customers if one.organization_id not in ours)


def _shown(one: gateway.Customer, *, is_taken: bool) -> FoundCustomer:
    name, email = ("", "") if is_taken else (one.name, one.email)
    return FoundCustomer(one.id, name, email, one.created_at, is_taken)
