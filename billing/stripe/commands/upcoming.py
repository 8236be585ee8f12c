"""Command that reads Stripe's previews of the next invoices of organizations.

Stripe is asked outside of transactions, once for each live subscription. An answer that
is older than the stored one does not replace it.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils import timezone

from billing import gateway
from billing.forecast.queries.invoice_terms import BilledItem, invoice_terms, terms_of
from billing.models import UpcomingInvoice

logger = logging.getLogger(__name__)
_DEADLINE_SECONDS = 10
Subscription = tuple[BilledItem, ...]


def refresh_upcoming(organization_ids: Iterable[int]) -> int:
    """Read the previews of organizations; return how many were stored.

    Stops when Stripe does not answer: the next page view or sweep asks again.
    """
    stored = 0
    for items in _list_subscriptions(organization_ids):
        try:
            with gateway.deadline(_DEADLINE_SECONDS):
                _refresh(items)
        except gateway.Unavailable:
            logger.warning("upcoming_not_read n=%s", stored)
            break
        except gateway.GatewayError as error:
            logger.warning("upcoming_refused code=%s", getattr(error, "code", ""))
            continue
        stored += 1
    return stored


def _list_subscriptions(organization_ids: Iterable[int]) -> Iterator[Subscription]:
    """Yield the items of each subscription of Stripe that goes on."""
    terms = invoice_terms(organization_ids)
    for _, row in sorted(terms.items()):
        for items in row.by_subscription().values():
            if any(item.renews for item in items):
                yield items


def _refresh(items: Subscription) -> None:
    read_at = timezone.now()
    invoice = gateway.preview_next(items[0].subscription_stripe_id)
    values = {
        "organization_id": items[0].organization_id,
        "terms": terms_of(items),
        "read_at": read_at,
        **_columns(invoice),
    }
    rows = UpcomingInvoice.objects.filter(
        subscription_stripe_id=items[0].subscription_stripe_id
    )
    if rows.filter(read_at__lte=read_at).update(**values) or rows.exists():
        return
    UpcomingInvoice.objects.bulk_create(
        [
            UpcomingInvoice(
                subscription_stripe_id=items[0].subscription_stripe_id, **values
            )
        ],
        ignore_conflicts=True,
    )


def _columns(invoice: gateway.NextInvoice | None) -> dict[str, Any]:
    if invoice is None:
        return {
            "has_invoice": False,
            "currency": "",
            "lines": [],
            "discount": 0,
            "tax": 0,
            "customer_balance": 0,
        }
    return {
        "has_invoice": True,
        "currency": invoice.currency,
        "lines": list(_lines(invoice)),
        "discount": invoice.discount,
        "tax": invoice.tax,
        "customer_balance": invoice.customer_balance,
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
