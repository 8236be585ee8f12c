"""Events of Stripe: kept once, handled by whoever claims them, each time the same.

An event is a hint. Its object is asked for anew under a lock of that object, so order,
duplicates and age do not matter; what was written is what Stripe said last.
"""

from billing.commands.inbox.handling import handle
from billing.commands.inbox.leases import ignore, prune, resend, take_forgotten
from billing.commands.inbox.locks import object_lock
from billing.commands.inbox.receiving import (
    ENQUEUED_WITHIN,
    pull_undelivered,
    receive,
)

__all__ = [
    "ENQUEUED_WITHIN",
    "handle",
    "ignore",
    "object_lock",
    "prune",
    "pull_undelivered",
    "receive",
    "resend",
    "take_forgotten",
]
