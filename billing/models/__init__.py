"""Tables of money: accounts, periods, limits, the mirrors of Stripe and their work."""

from billing.models.accounts import BillingAccount, SpendingLimit
from billing.models.actions import StripeAction
from billing.models.alerts import (
    AccessState,
    Alert,
    AlertOptOut,
    AlertRecipient,
    AlertSettings,
    Letter,
    LetterRecipient,
)
from billing.models.charges import Charge
from billing.models.credits import CreditEntry
from billing.models.discrepancies import Drift
from billing.models.forecasts import LimitStanding
from billing.models.mirrors import Invoice, Subscription
from billing.models.periods import BillingPeriod
from billing.models.prices import Price
from billing.models.stripe_events import InboxEvent
from billing.models.sync import SyncRun, SyncSeen

__all__ = [
    "AccessState",
    "Alert",
    "AlertOptOut",
    "AlertRecipient",
    "AlertSettings",
    "BillingAccount",
    "BillingPeriod",
    "Charge",
    "CreditEntry",
    "Drift",
    "InboxEvent",
    "Invoice",
    "Letter",
    "LetterRecipient",
    "LimitStanding",
    "Price",
    "SpendingLimit",
    "StripeAction",
    "Subscription",
    "SyncRun",
    "SyncSeen",
]
