"""Stripe's enumerations, each value with what Orgdesk does for it.

A value that is not listed makes an object unreadable: it is a discrepancy with the
object's id. A test compares each table with the SDK's typed classes, and
`docs/stripe.md` shows them.
"""

from collections.abc import Mapping

Handling = Mapping[str, str]

SUBSCRIPTION_STATUS: Handling = {
    "incomplete": "Mirrored. Not live: its first payment is pending.",
    "incomplete_expired": "Mirrored as canceled.",
    "trialing": "Live. Free balance pays.",
    "active": "Live.",
    "past_due": "Live. An alert is sent; the organization needs action.",
    "unpaid": "Live, but access is denied.",
    "paused": "Live, but access is denied. No draft or month closes a period.",
    "canceled": "Mirrored. Its last period is closed and billed.",
}
PAUSE_BEHAVIOR: Handling = {
    "keep_as_draft": "Mirrored as paused.",
    "mark_uncollectible": "Mirrored as paused.",
    "void": "Mirrored as paused.",
}
COLLECTION_METHOD: Handling = {
    "charge_automatically": "Overdue after an attempt that did not pay it.",
    "send_invoice": "Overdue after the due date.",
}
INVOICE_STATUS: Handling = {
    "draft": "Takes the charges of a closed period.",
    "open": "Owed; overdue by the rule of `overdue_trigger`.",
    "paid": "Nothing is owed.",
    "uncollectible": "Not overdue; contract B names it as unpaid.",
    "void": "Nothing is owed. Usage on it is a discrepancy.",
}
BILLING_REASON: Handling = {
    "automatic_pending_invoice_item_invoice": "Mirrored. Closes no period.",
    "manual": "Mirrored. Closes no period.",
    "quote_accept": "Mirrored. Closes no period.",
    "subscription": "Mirrored. Closes no period: Stripe uses it no longer.",
    "subscription_create": "Mirrored. Closes no period: nothing was used yet.",
    "subscription_cycle": "Closes the period and takes its charges.",
    "subscription_threshold": "Mirrored. Closes no period.",
    "subscription_update": "Mirrored. Takes charges that wait.",
    "upcoming": "A preview, never mirrored.",
}
INTERVAL: Handling = {
    "day": "Mirrored with its count.",
    "week": "Mirrored with its count.",
    "month": "Mirrored with its count; 12 months are shown as a year.",
    "year": "Mirrored with its count.",
}
USAGE_TYPE: Handling = {
    "licensed": "Mirrored with its quantity.",
    "metered": "Mirrored without a quantity.",
}
CREDIT_NOTE_STATUS: Handling = {
    "issued": "Counted as credited.",
    "void": "Shown, not counted.",
}
REFUND_STATUS: Handling = {
    "pending": "Counted as refunded.",
    "requires_action": "Counted as refunded.",
    "succeeded": "Counted as refunded.",
    "failed": "Shown, not counted.",
    "canceled": "Shown, not counted.",
}
DISPUTE_STATUS: Handling = {
    "warning_needs_response": "Shown as an inquiry; needs action.",
    "warning_under_review": "Shown as an inquiry.",
    "warning_closed": "Shown, not counted.",
    "needs_response": "Counted as disputed; needs action.",
    "under_review": "Counted as disputed.",
    "appeal_needs_response": "Counted as disputed; needs action.",
    "appeal_under_review": "Counted as disputed.",
    "lost": "Counted as disputed.",
    "won": "Shown, not counted.",
    "prevented": "Shown, not counted.",
}
PAYMENT_TYPE: Handling = {
    "charge": "Links refunds and disputes to the invoice.",
    "payment_intent": "Links refunds and disputes to the invoice.",
    "payment_record": "Paid outside of Stripe; Stripe refunds nothing of it.",
}
