"""What one worker sends while it has a slot: an email, then whatever else is due."""

import time

from billing.alerts.commands.delivery.leases import list_due_emails
from billing.alerts.commands.delivery.sending import send
from billing.alerts.emails.hosts import has_token
from billing.alerts.emails.slots import host_slot

_LONGEST_SECONDS = 20  # then the worker is free for other tasks; the sweep goes on
_AT_A_TIME = 20


def deliver(alert_email_id: int) -> None:
    """Send this email and what else is due, if there is a free slot of the mail host.

    Without a slot nothing is lost: the workers that have one come to what is due.
    """
    with host_slot() as is_free:
        if is_free:
            _deliver(alert_email_id)


def _deliver(alert_email_id: int) -> None:
    end, waiting = time.monotonic() + _LONGEST_SECONDS, [alert_email_id]
    while waiting and time.monotonic() < end:
        waiting += send(waiting.pop(0))
        if not has_token():
            return  # the sweep comes when there are some
        waiting = waiting or list_due_emails(_AT_A_TIME)
