"""The sending loop of a worker: one email, then others that are due."""

import time

from billing.alerts.commands.delivery.attempts import attempt
from billing.alerts.commands.delivery.host_limits import has_token
from billing.alerts.commands.delivery.host_slots import host_slot
from billing.alerts.commands.delivery.leases import list_due_emails

_MAX_SECONDS = 20  # then the worker is free for other tasks; the sweep continues
_BATCH_SIZE = 20


def deliver(alert_email_id: int) -> None:
    """Send this email and others that are due, if the mail host has a free slot.

    Without a slot nothing is lost: the workers that have one also send this email.
    """
    with host_slot() as has_slot:
        if has_slot:
            _deliver(alert_email_id)


def _deliver(alert_email_id: int) -> None:
    deadline, queue = time.monotonic() + _MAX_SECONDS, [alert_email_id]
    while queue and time.monotonic() < deadline:
        queue += attempt(queue.pop(0))
        if not has_token():
            return  # the sweep continues when there are tokens again
        queue = queue or list_due_emails(_BATCH_SIZE)
