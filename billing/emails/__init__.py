"""Alert emails: rendering, messages, SMTP delivery, and limits per mail host."""

from billing.emails.hosts import (
    Pause,
    acquire_token,
    find_pause,
    has_token,
    note_failure,
    note_success,
)
from billing.emails.links import alerts_url, fleet_alerts_url, unsubscribe_url
from billing.emails.messages import message_to
from billing.emails.rendering import Written, write
from billing.emails.samples import SAMPLES, sample
from billing.emails.shown import digest_shown, shown
from billing.emails.slots import host_slot
from billing.emails.smtp import Answer, Blame, Carrier, domain_of

__all__ = [
    "SAMPLES",
    "Answer",
    "Blame",
    "Carrier",
    "Pause",
    "Written",
    "acquire_token",
    "alerts_url",
    "digest_shown",
    "domain_of",
    "find_pause",
    "fleet_alerts_url",
    "has_token",
    "host_slot",
    "message_to",
    "note_failure",
    "note_success",
    "sample",
    "shown",
    "unsubscribe_url",
    "write",
]
