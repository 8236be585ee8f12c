"""Tables of money: accounts, periods, limits and the mirrors of Stripe."""

from billing.models.accounts import BillingAccount, SpendingLimit
from billing.models.mirrors import Invoice, Subscription
from billing.models.periods import BillingPeriod

__all__ = [
    "BillingAccount",
    "BillingPeriod",
    "Invoice",
    "SpendingLimit",
    "Subscription",
]
