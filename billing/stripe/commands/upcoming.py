"""Command that reads Stripe's previews of the next invoices of organizations.

Stripe is asked outside of transactions, once for each live subscription. An answer that
is older than the stored one does not replace it. What changes in Stripe marks the
previews that depend on it; they are read again soon, or by the sweep.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Case, QuerySet, When
from django.utils import timezone

from billing import gateway
from billing.forecast.queries.estimated_invoices import list_estimates
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.forecast.queries.forecasts import forecast_all
from billing.forecast.queries.invoice_terms import BilledItem, invoice_terms, terms_of
from billing.models import SubscriptionItem, UpcomingInvoice
from billing.signals import previews_outdated
from orgs.models import Organization

logger = logging.getLogger(__name__)
_DEADLINE_SECONDS = 10
_MOST_AT_ONCE = 1_000  # organizations that are enqueued; the sweep finds the others
Subscription = tuple[BilledItem, ...]


def refresh_upcoming(organization_ids: Iterable[int]) -> int:
    """Read the previews of organizations; return how many were stored.

    Stops when Stripe does not answer: the next page view or sweep asks again.
    """
    stored, ids = 0, sorted(set(organization_ids))
    subscriptions = list(_list_subscriptions(ids))
    _delete_ended(ids, subscriptions)
    estimates = _estimates(ids)
    for items in subscriptions:
        try:
            with gateway.deadline(_DEADLINE_SECONDS):
                _refresh(items, estimates.get(items[0].organization_id))
        except gateway.Unavailable:
            logger.warning("upcoming_not_read n=%s", stored)
            break
        except gateway.GatewayError as error:
            logger.warning("upcoming_refused code=%s", getattr(error, "code", ""))
            _rows(items).delete()  # it would stay the oldest, and is not true any more
            continue
        stored += 1
    return stored


def mark_outdated(organization_ids: Iterable[int]) -> None:
    """Record that the previews of organizations have to be read again.

    Something in Stripe that they depend on changed. The rows are found by the sweep,
    also if the message to read them is lost.
    """
    _mark(UpcomingInvoice.objects.filter(organization_id__in=set(organization_ids)))


def mark_prices_outdated(price_ids: Iterable[str]) -> None:
    """Record that the previews of all subscriptions to these prices are outdated."""
    items = SubscriptionItem.objects.filter(stripe_price_id__in=set(price_ids))
    subscriptions = items.values("subscription_stripe_id")
    _mark(UpcomingInvoice.objects.filter(subscription_stripe_id__in=subscriptions))


def mark_discounted_outdated() -> None:
    """Record that all previews with a discount are outdated."""
    _mark(UpcomingInvoice.objects.exclude(discount=0, usage_discount=0))


def mark_taxed_outdated() -> None:
    """Record that all previews with tax are outdated."""
    _mark(UpcomingInvoice.objects.exclude(tax=0, usage_tax=0))


def compare_subscriptions(pricing: Mapping[str, str]) -> None:
    """Mark the previews of subscriptions whose discounts or taxes have changed.

    They are not mirrored, so that a sync finds their change only here.
    """
    rows = UpcomingInvoice.objects.filter(subscription_stripe_id__in=list(pricing))
    _compare(rows, "subscription", lambda row: pricing[row.subscription_stripe_id])


def compare_customers(pricing: Mapping[int, str]) -> None:
    """Mark the previews of organizations whose customer's discount or tax changed."""
    rows = UpcomingInvoice.objects.filter(organization_id__in=list(pricing))
    _compare(rows, "customer", lambda row: pricing[row.organization_id])


@transaction.atomic
def _compare(
    rows: "QuerySet[UpcomingInvoice]",
    part: str,
    pricing_of: Callable[[UpcomingInvoice], str],
) -> None:
    changed = [
        row for row in rows.order_by("pk") if row.pricing.get(part) != pricing_of(row)
    ]
    if changed:
        _mark(UpcomingInvoice.objects.filter(pk__in=[row.pk for row in changed]))
    for row in changed:
        row.pricing = row.pricing | {part: pricing_of(row)}
    UpcomingInvoice.objects.bulk_update(changed, ["pricing"])


@transaction.atomic
def _mark(rows: "QuerySet[UpcomingInvoice]") -> None:
    """Mark rows, and let the first of them be read soon.

    They are locked in the order of their keys, so that two of these cannot deadlock.
    """
    locked = rows.order_by("pk").select_for_update()
    ids = dict(locked.values_list("pk", "organization_id"))
    if ids:
        marked = UpcomingInvoice.objects.filter(pk__in=list(ids))
        marked.update(outdated_at=timezone.now())
        first = sorted(set(ids.values()))[:_MOST_AT_ONCE]
        previews_outdated.send(UpcomingInvoice, organization_ids=first)


def _estimates(ids: Iterable[int]) -> dict[int, EstimatedInvoice]:
    """Return the estimates, which say how much usage Stripe is asked about."""
    rows = list(Organization.objects.select_related("white_label").filter(pk__in=ids))
    return list_estimates(rows, forecast_all(rows))


def _delete_ended(ids: Iterable[int], subscriptions: Iterable[Subscription]) -> None:
    """Delete the previews of subscriptions that bill nothing any more."""
    going = [items[0].subscription_stripe_id for items in subscriptions]
    rows = UpcomingInvoice.objects.filter(organization_id__in=ids)
    rows.exclude(subscription_stripe_id__in=going).delete()


def _list_subscriptions(organization_ids: Iterable[int]) -> Iterator[Subscription]:
    """Yield the items of each subscription of Stripe that goes on."""
    terms = invoice_terms(organization_ids)
    for _, row in sorted(terms.items()):
        for items in row.by_subscription().values():
            if any(item.renews for item in items):
                yield items


def _refresh(items: Subscription, estimate: EstimatedInvoice | None) -> None:
    read_at = timezone.now()
    id_ = items[0].subscription_stripe_id
    has_usage = estimate is not None and estimate.usage_subscription == id_
    usage = estimate.charged_usage if estimate and has_usage else Decimal(0)
    invoice = gateway.preview_next(id_, usage=usage, currency=items[0].currency)
    values = {
        "organization_id": items[0].organization_id,
        "terms": terms_of(items),
        "read_at": read_at,
        **_columns(invoice),
    }
    rows = _rows(items)
    # A change that came after Stripe was asked keeps the row outdated.
    still = Case(When(outdated_at__gt=read_at, then="outdated_at"), default=None)
    written = rows.filter(read_at__lte=read_at).update(**values, outdated_at=still)
    if written or rows.exists():
        return
    row = UpcomingInvoice(subscription_stripe_id=id_, **values)
    UpcomingInvoice.objects.bulk_create([row], ignore_conflicts=True)


def _rows(items: Subscription) -> "QuerySet[UpcomingInvoice]":
    id_ = items[0].subscription_stripe_id
    return UpcomingInvoice.objects.filter(subscription_stripe_id=id_)


def _columns(invoice: gateway.NextInvoice | None) -> dict[str, Any]:
    if invoice is None:
        return {
            "has_invoice": False,
            "currency": "",
            "lines": [],
            "discount": 0,
            "tax": 0,
            "customer_balance": 0,
            **_usage_columns(gateway.UsageLine(*(Decimal(0),) * 3)),
        }
    return {
        "has_invoice": True,
        "currency": invoice.currency,
        "lines": list(_lines(invoice)),
        "discount": invoice.discount,
        "tax": invoice.tax,
        "customer_balance": invoice.customer_balance,
        **_usage_columns(invoice.usage),
    }


def _usage_columns(usage: gateway.UsageLine | None) -> dict[str, Any]:
    return {
        "usage_amount": usage.amount if usage else None,
        "usage_discount": usage.discount if usage else 0,
        "usage_tax": usage.tax if usage else 0,
    }


def _lines(invoice: gateway.NextInvoice) -> Iterator[dict[str, Any]]:
    """Yield the lines as they are stored, and one for what is on none of them."""
    for line in invoice.lines:
        yield {
            "description": line.description,
            "amount": str(line.amount),
            "price": line.price_id,
            "is_proration": line.is_proration,
        }
    if invoice.other:
        amount = str(invoice.other)
        yield {"description": "", "amount": amount, "price": "", "is_proration": False}
