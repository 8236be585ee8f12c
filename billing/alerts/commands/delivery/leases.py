"""The lease of the worker that sends an alert email."""

from billing.models import Alert, AlertEmail
from orgs.commands import work


def list_due_emails(limit: int) -> list[int]:
    """Return the ids of emails to send now, the longest due first."""
    return work.list_forgotten(AlertEmail.objects.all(), limit)


def claim(alert_email_id: int) -> AlertEmail | None:
    """Lease an email; None if another worker has it or it has ended."""
    rows = AlertEmail.objects.select_related("alert__organization__white_label")
    alert_email = work.claim(rows, alert_email_id)
    if alert_email is not None:
        Alert.objects.filter(
            alert_emails=alert_email_id, state=Alert.State.PENDING
        ).update(state=Alert.State.SENDING)
    return alert_email


def renew(alert_email: AlertEmail) -> bool:
    """Extend the lease; return false if another worker has taken the email."""
    return work.renew(alert_email)
