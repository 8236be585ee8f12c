"""Events of Stripe: kept once, handled by whoever claims them, each time the same.

An event is a hint. Its object is asked for anew under a lock of that object, so order,
duplicates and age do not matter; what was written is what Stripe said last.
"""

from billing.commands.inbox.handling import handle
from billing.commands.inbox.locks import object_lock
from billing.commands.inbox.receiving import NUDGED_WITHIN, pull_undelivered, receive
from billing.commands.inbox.turns import LEASE, ignore, prune, resend, take_forgotten

__all__ = [
    "LEASE",
    "NUDGED_WITHIN",
    "handle",
    "ignore",
    "object_lock",
    "prune",
    "pull_undelivered",
    "receive",
    "resend",
    "take_forgotten",
]
