"""Alert emails: rendering, messages, SMTP delivery, and limits per mail host."""

from billing.emails.hosts import (
    Hold,
    has_place,
    hold_of,
    note_failure,
    note_success,
    take_place,
    turn,
)
from billing.emails.links import alerts_url, fleet_alerts_url, unsubscribe_url
from billing.emails.messages import message_to
from billing.emails.rendering import Written, write
from billing.emails.samples import SAMPLES, sample
from billing.emails.shown import digest_shown, shown
from billing.emails.smtp import Answer, Blame, Carrier, domain_of

__all__ = [
    "SAMPLES",
    "Answer",
    "Blame",
    "Carrier",
    "Hold",
    "Written",
    "alerts_url",
    "digest_shown",
    "domain_of",
    "fleet_alerts_url",
    "has_place",
    "hold_of",
    "message_to",
    "note_failure",
    "note_success",
    "sample",
    "shown",
    "take_place",
    "turn",
    "unsubscribe_url",
    "write",
]
