"""The outcome of an email: of its recipients, of itself, and of its alerts."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from billing.errors import EmailNotFailed
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.commands import work

_State = AlertEmailRecipient.State
_NO_RESPONSE = "no_response"


def finish_recipient(
    recipient: AlertEmailRecipient,
    state: str,
    *,
    code: int | None = None,
    reason: str = "",
) -> None:
    """Set the final state of a recipient; of two workers, the first one's stays."""
    AlertEmailRecipient.objects.filter(pk=recipient.pk, state=_State.PENDING).update(
        state=state, smtp_code=code, reason=reason, finished_at=timezone.now()
    )


def end_attempt(
    alert_email: AlertEmail,
    *,
    has_failed: bool,
    deferred_until: datetime | None,
    reason: str,
) -> None:
    """Finish an email without pending recipients; else retry or release it.

    An attempt that was only deferred is not counted.
    """
    pending = alert_email.recipients.filter(state=_State.PENDING)
    last = pending.order_by("-reason", "id").first()
    if last is None:
        _finish(alert_email)
    elif has_failed:
        code = str(last.smtp_code or _NO_RESPONSE)
        message = f"{last.address}: {last.reason}"
        retry_later(alert_email, code=code, message=message)
    else:
        wait = _time_until(deferred_until, alert_email)
        work.release(alert_email, wait=wait, error_code="deferred", error=reason)


def _time_until(deferred_until: datetime | None, alert_email: AlertEmail) -> timedelta:
    if deferred_until is None:
        return work.backoff(alert_email.retries, alert_email.attempts)
    return max(deferred_until - timezone.now(), timedelta())


def retry_later(alert_email: AlertEmail, *, code: str, message: str) -> None:
    """Try the email again later, or fail it when its retries are exhausted."""
    if not work.retry_later(alert_email, code=code, message=message):
        _fail(alert_email, code=code, message=message)


@transaction.atomic
def _finish(alert_email: AlertEmail) -> None:
    """Finish the email and update its alerts, in one transaction."""
    if work.finish(alert_email):
        update_alerts(alert_email)


@transaction.atomic
def _fail(alert_email: AlertEmail, *, code: str, message: str) -> None:
    """Fail the email and its pending recipients, and update its alerts."""
    if not work.fail(alert_email, code=code, message=message):
        return
    alert_email.recipients.filter(state=_State.PENDING).update(
        state=_State.FAILED, finished_at=timezone.now()
    )
    update_alerts(alert_email)


def update_alerts(alert_email: AlertEmail) -> None:
    """Write the outcome into the alert of an email, or into all alerts of a digest."""
    if alert_email.alert_id is not None:
        _update_alert(alert_email.alert_id, alert_email)
        return
    combined = AlertEmail.objects.filter(recipients__digest=alert_email).distinct()
    for combined_email in combined:
        if combined_email.alert_id is not None:
            _update_alert(combined_email.alert_id, combined_email)


def _update_alert(alert_id: int, alert_email: AlertEmail) -> None:
    """Write the outcome under a row lock: several digests may end at the same time."""
    rows = list(alert_email.recipients.select_related("digest"))
    state, reason, sent_at = _alert_outcome(rows)
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    alert.state, alert.reason = state, reason[:300]
    alert.sent_at = alert.sent_at or sent_at
    alert.save(update_fields=["state", "reason", "sent_at"])


def _alert_outcome(
    rows: list[AlertEmailRecipient],
) -> tuple[str, str, datetime | None]:
    """Return state, reason and first sending of an alert with these recipients."""
    outcomes = [_recipient_outcome(row) for row in rows]
    sent = [at for state, _, at in outcomes if state == _State.SENT and at]
    failed = (_State.REFUSED, _State.FAILED)
    errors = [reason for state, reason, _ in outcomes if state in failed]
    if sent:
        share = f"Failed for {len(errors)} of {len(outcomes)} addresses"
        return Alert.State.SENT, f"{share}: {errors[0]}" if errors else "", min(sent)
    if any(state == _State.PENDING for state, *_ in outcomes):
        return Alert.State.SENDING, "Sending in a combined email.", None
    if errors:
        return Alert.State.FAILED, errors[0], None
    reason = "All recipients unsubscribed before the email was sent."
    return Alert.State.SUPPRESSED, reason, None


def _recipient_outcome(row: AlertEmailRecipient) -> tuple[str, str, datetime | None]:
    """Return state, reason and end of a recipient, or of the digest it is part of."""
    if row.state == _State.DIGESTED and row.digest is not None:
        recipients = row.digest.recipients.filter(address__iexact=row.address)
        row = recipients.first() or row
    reason = f"{row.address}: {row.smtp_code or ''} {row.reason}".replace("  ", " ")
    return row.state, reason, row.finished_at


@transaction.atomic
def restart(alert_email_id: int) -> None:
    """Retry a failed email, for the recipients that have not accepted it.

    Raises `EmailNotFailed`. The row lock keeps it from being restarted twice.
    """
    alert_email = AlertEmail.objects.select_for_update().get(pk=alert_email_id)
    if alert_email.state != AlertEmail.State.FAILED:
        raise EmailNotFailed("Only a failed email can be retried.")
    alert_email.recipients.filter(state=_State.FAILED).update(
        state=_State.PENDING, finished_at=None
    )
    work.restart(AlertEmail.objects.filter(pk=alert_email_id))
    if alert_email.alert_id is not None:
        alert = Alert.objects.filter(pk=alert_email.alert_id, state=Alert.State.FAILED)
        alert.update(state=Alert.State.PENDING, reason="")
