"""Tables of money: accounts, periods, limits, the mirrors of Stripe and their work."""

from billing.models.accounts import BillingAccount, SpendingLimit
from billing.models.actions import StripeAction
from billing.models.adjustments import InvoiceAdjustment
from billing.models.alerts import (
    AccessState,
    Alert,
    AlertEmail,
    AlertEmailRecipient,
    AlertOptOut,
    AlertRecipient,
    AlertSettings,
)
from billing.models.charges import Charge, ChargeDecision, ChargeLine
from billing.models.credits import CreditEntry
from billing.models.customer_links import CustomerLink, CustomerLinkEmail
from billing.models.discrepancies import Discrepancy
from billing.models.exports import Export, ExportPart
from billing.models.forecasts import ForecastBand, LimitRanking
from billing.models.items import SubscriptionItem
from billing.models.mirrors import Invoice, Subscription
from billing.models.periods import BillingPeriod
from billing.models.prices import Price
from billing.models.reasons import ReasonSnooze, UsageReason
from billing.models.refusals import AccessRefusal, RefusalReason
from billing.models.saved_views import SavedView
from billing.models.stripe_events import StripeEvent
from billing.models.sync import SyncRun, SyncSeen
from billing.models.upcoming import UpcomingInvoice
from billing.models.webhooks import (
    OpenIncident,
    OutgoingEvent,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from billing.models.write_offs import UnpricedWriteOff

__all__ = [
    "AccessRefusal",
    "AccessState",
    "Alert",
    "AlertEmail",
    "AlertEmailRecipient",
    "AlertOptOut",
    "AlertRecipient",
    "AlertSettings",
    "BillingAccount",
    "BillingPeriod",
    "Charge",
    "ChargeDecision",
    "ChargeLine",
    "CreditEntry",
    "CustomerLink",
    "CustomerLinkEmail",
    "Discrepancy",
    "Export",
    "ExportPart",
    "ForecastBand",
    "Invoice",
    "InvoiceAdjustment",
    "LimitRanking",
    "OpenIncident",
    "OutgoingEvent",
    "Price",
    "ReasonSnooze",
    "RefusalReason",
    "SavedView",
    "SpendingLimit",
    "StripeAction",
    "StripeEvent",
    "Subscription",
    "SubscriptionItem",
    "SyncRun",
    "SyncSeen",
    "UnpricedWriteOff",
    "UpcomingInvoice",
    "UsageReason",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
]
