"""Attempts to send an email to each of its recipients, exactly once where possible.

1. claim: state, attempt and lease, committed;
2. for each pending recipient: renew the lease, send the message with no transaction
   open, record the response of the mail host, committed;
3. end: done when no recipient is pending, else retried later.

A worker that is killed between the host's acceptance and its record sends to that
address again, with the same Message-ID; killed anywhere else, no address gets the email
twice. A deferred email (a paused host, the rate limit, a digest) is not counted as an
attempt.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from billing.alerts.commands.delivery import digests
from billing.alerts.commands.delivery.content import build_message
from billing.alerts.commands.delivery.host_limits import (
    acquire_token,
    find_pause,
    record_failure,
    record_success,
)
from billing.alerts.commands.delivery.leases import claim, renew
from billing.alerts.commands.delivery.outcomes import (
    end_attempt,
    finish_recipient,
    retry_later,
)
from billing.alerts.commands.delivery.smtp import (
    FailureScope,
    SmtpConnection,
    SmtpResult,
    domain_of,
)
from billing.alerts.commands.unsubscribes import kinds_opted_out
from billing.models import AlertEmail, AlertEmailRecipient

logger = logging.getLogger(__name__)
_State = AlertEmailRecipient.State


@dataclass(slots=True)
class Attempt:
    """The result of one attempt to send an email."""

    has_failed: bool = False  # a recipient was tried and is still pending
    deferred_until: datetime | None = None  # the first instant to try again
    deferral_reason: str = ""
    digest_ids: list[int] = field(default_factory=list)  # digests to send

    def defer(self, until: datetime, reason: str) -> None:
        if self.deferred_until is None or until < self.deferred_until:
            self.deferred_until, self.deferral_reason = until, reason


def attempt(alert_email_id: int) -> list[int]:
    """Send an email if it is due and not leased; return digests to send next.

    Errors of ours are logged and retried like those of the mail host.
    """
    alert_email = claim(alert_email_id)
    if alert_email is None:
        return []
    if alert_email.is_exhausted:
        retry_later(alert_email, code="worker_died", message="Its workers died.")
        return []
    result = Attempt()
    try:
        _send_to_all(alert_email, result)
    except Exception as error:
        logger.exception("alert_email_failed id=%s", alert_email.pk)
        retry_later(alert_email, code="unexpected", message=type(error).__name__)
        return result.digest_ids
    end_attempt(
        alert_email,
        has_failed=result.has_failed,
        deferred_until=result.deferred_until,
        reason=result.deferral_reason,
    )
    return result.digest_ids


def _send_to_all(alert_email: AlertEmail, result: Attempt) -> None:
    pending = alert_email.recipients.filter(state=_State.PENDING).order_by("id")
    with SmtpConnection() as connection:
        for recipient in pending:
            if not renew(alert_email):
                return  # another worker has the email by now
            _send_to(alert_email, recipient, connection, result)


def _send_to(
    alert_email: AlertEmail,
    recipient: AlertEmailRecipient,
    connection: SmtpConnection,
    result: Attempt,
) -> None:
    if _has_unsubscribed(alert_email, recipient):
        reason = "Unsubscribed before the email was sent."
        finish_recipient(recipient, _State.SUPPRESSED, reason=reason)
        return
    if _is_deferred(alert_email, recipient, result):
        return
    domain = domain_of(recipient.address)
    sent = connection.send(build_message(alert_email, recipient))
    _record(recipient, domain, sent)
    result.has_failed |= not sent.is_final


def _is_deferred(
    alert_email: AlertEmail, recipient: AlertEmailRecipient, result: Attempt
) -> bool:
    """Return whether a digest, a pause or the rate limit defers the recipient."""
    deferral = digests.defer(alert_email, recipient)
    if deferral.digest_id is not None:
        result.digest_ids.append(deferral.digest_id)
    if deferral.until is not None:
        reason = "Waiting to combine several emails to this address."
        result.defer(deferral.until, reason)
    if deferral.is_deferred:
        return True
    pause = find_pause(domain_of(recipient.address)) or acquire_token()
    if pause:
        result.defer(timezone.now() + timedelta(seconds=pause.seconds), pause.reason)
    return pause is not None


def _record(recipient: AlertEmailRecipient, domain: str, result: SmtpResult) -> None:
    """Record the response of the mail host, for the recipient and for its domain."""
    if result.is_accepted:
        finish_recipient(recipient, _State.SENT)
    elif result.is_final:
        finish_recipient(
            recipient, _State.REFUSED, code=result.code, reason=result.message
        )
    else:
        AlertEmailRecipient.objects.filter(
            pk=recipient.pk, state=_State.PENDING
        ).update(smtp_code=result.code, reason=result.message)
    if result.is_final:
        record_success(domain)
    else:
        record_failure(domain, is_host=result.scope is FailureScope.HOST)


def _has_unsubscribed(alert_email: AlertEmail, recipient: AlertEmailRecipient) -> bool:
    """Return whether the address opted out since the alert was recorded.

    An email that staff resend is sent regardless.
    """
    if alert_email.alert is None or alert_email.number > 1:
        return False
    kind = alert_email.alert.organization_id, alert_email.alert.kind
    return kind in kinds_opted_out(recipient.address)
