"""Typed client of Stripe's API; no other package calls Stripe.

Calls go over the network, so never make one inside a transaction. They raise `Missing`,
`Refused`, `Unavailable` (repeat later with the same key) or `Malformed`. Writes take an
idempotency `key` that is derived from a row's id, so a repeated write is done once.
Lists return a `Page`; pass its `next_cursor` as `after` for the next one.
"""

from billing.gateway.adjustments import (
    get_credit_note,
    get_dispute,
    get_refund,
    list_credit_notes,
    list_disputes,
    list_refunds,
)
from billing.gateway.calls import API_VERSION, deadline, is_on, is_test
from billing.gateway.customers import (
    create_customer,
    get_customer,
    list_customers,
    update_customer,
)
from billing.gateway.errors import (
    BadSignature,
    GatewayError,
    Malformed,
    Missing,
    Refused,
    Unavailable,
    redacted,
)
from billing.gateway.events import get_event, list_events, read_event
from billing.gateway.invoices import (
    create_invoice,
    create_invoice_item,
    find_paid_invoice,
    get_invoice,
    is_item_waiting,
    list_invoice_items,
    list_invoices,
    send_invoice,
)
from billing.gateway.objects import (
    EXTERNAL_ID,
    ORGANIZATION,
    Adjustment,
    Customer,
    Event,
    Invoice,
    InvoiceItem,
    InvoiceLine,
    Page,
    Price,
    Subscription,
    SubscriptionItem,
)
from billing.gateway.previews import NextInvoice, UsageLine, preview_next
from billing.gateway.prices import get_price, list_prices
from billing.gateway.signatures import verify
from billing.gateway.subscriptions import (
    create_subscription,
    get_subscription,
    list_subscriptions,
    pause_subscription,
    preview_change,
    resume_subscription,
    update_subscription,
)

__all__ = [
    "API_VERSION",
    "EXTERNAL_ID",
    "ORGANIZATION",
    "Adjustment",
    "BadSignature",
    "Customer",
    "Event",
    "GatewayError",
    "Invoice",
    "InvoiceItem",
    "InvoiceLine",
    "Malformed",
    "Missing",
    "NextInvoice",
    "Page",
    "Price",
    "Refused",
    "Subscription",
    "SubscriptionItem",
    "Unavailable",
    "UsageLine",
    "create_customer",
    "create_invoice",
    "create_invoice_item",
    "create_subscription",
    "deadline",
    "find_paid_invoice",
    "get_credit_note",
    "get_customer",
    "get_dispute",
    "get_event",
    "get_invoice",
    "get_price",
    "get_refund",
    "get_subscription",
    "is_item_waiting",
    "is_on",
    "is_test",
    "list_credit_notes",
    "list_customers",
    "list_disputes",
    "list_events",
    "list_invoice_items",
    "list_invoices",
    "list_prices",
    "list_refunds",
    "list_subscriptions",
    "pause_subscription",
    "preview_change",
    "preview_next",
    "read_event",
    "redacted",
    "resume_subscription",
    "send_invoice",
    "update_customer",
    "update_subscription",
    "verify",
]
