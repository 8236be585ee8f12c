"""Everything we say to Stripe, typed in and out; nobody else speaks with it.

Calls go over the network: never inside a transaction. They raise `Missing`, `Refused`,
`Unavailable` (later, with the same key) or `Malformed`. Writes take a `key` made of our
row's id: sent twice, done once. Lists answer a `Page`; go on with `after=next_cursor`.
"""

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
    get_invoice,
    list_invoice_items,
    list_invoices,
    send_invoice,
)
from billing.gateway.prices import get_price, list_prices
from billing.gateway.shapes import (
    EXTERNAL_ID,
    ORGANIZATION,
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
    "BadSignature",
    "Customer",
    "Event",
    "GatewayError",
    "Invoice",
    "InvoiceItem",
    "InvoiceLine",
    "Malformed",
    "Missing",
    "Page",
    "Price",
    "Refused",
    "Subscription",
    "SubscriptionItem",
    "Unavailable",
    "create_customer",
    "create_invoice",
    "create_invoice_item",
    "create_subscription",
    "deadline",
    "get_customer",
    "get_event",
    "get_invoice",
    "get_price",
    "get_subscription",
    "is_on",
    "is_test",
    "list_customers",
    "list_events",
    "list_invoice_items",
    "list_invoices",
    "list_prices",
    "list_subscriptions",
    "pause_subscription",
    "preview_change",
    "read_event",
    "redacted",
    "resume_subscription",
    "send_invoice",
    "update_customer",
    "update_subscription",
    "verify",
]
