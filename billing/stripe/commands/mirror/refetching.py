"""One object: asked of Stripe again, with what it needs, and mirrored.

Each call of the network stands between transactions, never in one.
"""

from collections.abc import Iterable
from dataclasses import replace

from django.utils import timezone

from billing import gateway
from billing.models import Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.closing import (
    close_billed_periods,
    close_ended_periods,
)
from billing.stripe.commands.mirror.customers import mirror_customers
from billing.stripe.commands.mirror.deletions import forget_invoice, forget_subscription
from billing.stripe.commands.mirror.fetches import Fetch, Outcome
from billing.stripe.commands.mirror.invoices import mirror_invoices
from billing.stripe.commands.mirror.owners import owners_of
from billing.stripe.commands.mirror.prices import known_prices, mirror_prices
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions


def refetch_customer(id_: str, *, by: str = "") -> Outcome:
    """A deleted customer is told as one; raises `Missing` for what never was."""
    fetch = Fetch(timezone.now(), by)
    return mirror_customers([gateway.get_customer(id_)], fetch)


def refetch_subscription(id_: str, *, by: str = "") -> Outcome:
    """Raises `Missing` unless we have it: then it has ended."""
    fetch = Fetch(timezone.now(), by)
    try:
        subscription = gateway.get_subscription(id_)
    except gateway.Missing:
        return forget_subscription(id_, fetch)
    prepare([subscription], fetch)
    outcome = mirror_subscriptions([subscription], fetch)
    for customer_id in sorted(outcome.contested):
        outcome.add(settle(customer_id, fetch))
    close_ended_periods([subscription])
    return outcome


def refetch_invoice(id_: str, *, by: str = "") -> Outcome:
    """Raises `Missing` unless we have it as a draft: those can be deleted."""
    fetch = Fetch(timezone.now(), by)
    try:
        invoice = gateway.get_invoice(id_)
    except gateway.Missing:
        return forget_invoice(id_, fetch)
    meet_customers({invoice.customer_id}, fetch)
    outcome = mirror_invoices([invoice], fetch)
    for one in outcome.billing:
        _meet_subscription(one.subscription_id, by)
    close_billed_periods(outcome.billing)
    return outcome


def _meet_subscription(id_: str, by: str) -> None:
    """Its events may be lost or on their way; without it nothing is billed."""
    if id_ and not Subscription.objects.filter(stripe_id=id_).exists():
        refetch_subscription(id_, by=by)


def refetch_price(id_: str, *, by: str = "") -> Outcome:
    fetch = Fetch(timezone.now(), by)
    try:
        price = gateway.get_price(id_)
    except gateway.Missing:
        return Outcome()  # deleted before it was ever sold: nobody has it
    return Outcome(written=mirror_prices([price], fetch))


def refetch_product(id_: str, *, by: str = "") -> Outcome:
    """What it sells is said by its prices."""
    outcome, after = Outcome(), ""
    while True:
        fetch = Fetch(timezone.now(), by)
        page = gateway.list_prices(product_id=id_, after=after)
        outcome.written += mirror_prices(page.items, fetch)
        if not (after := page.next_cursor):
            return outcome


def refetch_all_of(customer_id: str, *, by: str = "") -> Outcome:
    """Everything of a customer, as when it was just linked."""
    outcome = refetch_customer(customer_id, by=by)
    if not outcome.strangers:
        fetch = Fetch(timezone.now(), by)
        outcome.add(settle(customer_id, fetch))
        outcome.add(_invoices_of(customer_id, by))
    return outcome


def _invoices_of(customer_id: str, by: str) -> Outcome:
    outcome, after = Outcome(), ""
    while True:
        fetch = Fetch(timezone.now(), by)
        page = gateway.list_invoices(customer_id=customer_id, after=after)
        outcome.add(mirror_invoices(page.items, fetch))
        if not (after := page.next_cursor):
            break
    close_billed_periods(outcome.billing)
    return outcome


# --- what must be known first -----------------------------------------------------


def prepare(
    subscriptions: Iterable[gateway.Subscription], fetch: Fetch, *, anew: bool = True
) -> None:
    """Prices that we have not met are asked for; `anew` customers, too.

    One that cannot be read is an error of whoever asks for one subscription; among many
    it is an unknown price, which is warned of.
    """
    some = list(subscriptions)
    if anew:
        meet_customers({one.customer_id for one in some}, fetch)
    price_ids = {item.price_id for one in some for item in one.items}
    for id_ in sorted(price_ids - set(known_prices(price_ids))):
        try:
            price = gateway.get_price(id_)
        except (gateway.Malformed, gateway.Missing):
            if anew:
                raise
        else:
            mirror_prices([price], replace(fetch, run_id=None))


def meet_customers(customer_ids: Iterable[str], fetch: Fetch) -> None:
    ids = {id_ for id_ in customer_ids if id_}
    for id_ in sorted(ids - set(owners_of(ids))):
        mirror_customers([gateway.get_customer(id_)], fetch)


def settle(customer_id: str, fetch: Fetch) -> Outcome:
    """All subscriptions of a customer at once: which of two live ones is used."""
    fetch, after = replace(fetch, at=timezone.now()), ""
    found: list[gateway.Subscription] = []
    while True:
        page = gateway.list_subscriptions(customer_id=customer_id, after=after)
        found += page.items
        if not (after := page.next_cursor):
            break
    found += _live_elsewhere(customer_id, {one.id for one in found}, fetch)
    prepare(found, fetch, anew=False)
    return mirror_subscriptions(found, fetch, is_all=True)


def _live_elsewhere(
    customer_id: str, known: set[str], fetch: Fetch
) -> list[gateway.Subscription]:
    """Rows that we call live and Stripe did not list: of another customer, or gone."""
    owner = owners_of([customer_id]).get(customer_id)
    if owner is None:
        return []
    live = Subscription.objects.filter(
        organization_id=owner.organization_id, status__in=LIVE
    ).exclude(stripe_id__in=known)
    found = []
    for stripe_id in live.values_list("stripe_id", flat=True):
        try:
            found.append(gateway.get_subscription(stripe_id))
        except gateway.Missing:
            forget_subscription(stripe_id, fetch)
    return found
