"""What Stripe says becomes ours: one object, a page of them, or all of a customer."""

from billing.commands.mirror.customers import mirror_customers, unlink_customer
from billing.commands.mirror.drafts import announce_draft, announce_ends
from billing.commands.mirror.fetches import Fetch, Outcome
from billing.commands.mirror.invoices import mirror_invoices
from billing.commands.mirror.prices import mirror_prices
from billing.commands.mirror.refetching import (
    refetch_all_of,
    refetch_customer,
    refetch_invoice,
    refetch_price,
    refetch_product,
    refetch_subscription,
)
from billing.commands.mirror.subscriptions import mirror_subscriptions

__all__ = [
    "Fetch",
    "Outcome",
    "announce_draft",
    "announce_ends",
    "mirror_customers",
    "mirror_invoices",
    "mirror_prices",
    "mirror_subscriptions",
    "refetch_all_of",
    "refetch_customer",
    "refetch_invoice",
    "refetch_price",
    "refetch_product",
    "refetch_subscription",
    "unlink_customer",
]
