"""How a letter ends, and what its alerts say of it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from billing.errors import EmailNotFailed
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.commands import work

_State, _Of = AlertEmailRecipient.State, AlertEmail.State
_UNSETTLED = "unsettled"


def settle(
    recipient: AlertEmailRecipient,
    state: str,
    *,
    code: int | None = None,
    words: str = "",
) -> None:
    """For good; of two that try the first is believed."""
    AlertEmailRecipient.objects.filter(pk=recipient.pk, state=_State.PENDING).update(
        state=state, smtp_code=code, words=words, settled_at=timezone.now()
    )


def end(
    alert_email: AlertEmail, *, tried: bool, wait_until: datetime | None, why: str
) -> None:
    """Done when each address is settled; what was only held costs no attempt."""
    left = alert_email.recipients.filter(state=_State.PENDING).order_by("-words", "id")
    last = left.first()
    if last is None:
        _finish(alert_email)
    elif tried:
        code = str(last.smtp_code or _UNSETTLED)
        put_off(alert_email, code=code, words=f"{last.address}: {last.words}")
    else:
        wait = _time_until(wait_until, alert_email)
        work.release(alert_email, wait=wait, error_code="held", error=why)


def _time_until(hold_ends_at: datetime | None, alert_email: AlertEmail) -> timedelta:
    if hold_ends_at is None:
        return work.backoff(alert_email.retries, alert_email.attempts)
    return max(hold_ends_at - timezone.now(), timedelta())


def put_off(alert_email: AlertEmail, *, code: str, words: str) -> None:
    """Try it again later, or, after enough attempts, give up what is not settled."""
    if not work.retry_later(alert_email, code=code, message=words):
        _give_up(alert_email, code=code, words=words)


@transaction.atomic
def _finish(alert_email: AlertEmail) -> None:
    """End it as done, and write that into the alerts it was for, or do neither."""
    if work.finish(alert_email):
        tell_alerts(alert_email)


@transaction.atomic
def _give_up(alert_email: AlertEmail, *, code: str, words: str) -> None:
    """End it as failed for each address that is not settled; tell its alerts."""
    if not work.give_up(alert_email, code=code, message=words):
        return
    alert_email.recipients.filter(state=_State.PENDING).update(
        state=_State.FAILED, settled_at=timezone.now()
    )
    tell_alerts(alert_email)


def tell_alerts(alert_email: AlertEmail) -> None:
    """Write into the ledger what became of its letter, or of each that it digests."""
    if alert_email.alert_id is not None:
        _tell(alert_email.alert_id, alert_email)
        return
    for told in AlertEmail.objects.filter(recipients__digest=alert_email).distinct():
        if told.alert_id is not None:
            _tell(told.alert_id, told)


def _tell(alert_id: int, alert_email: AlertEmail) -> None:
    state, reason, at = _outcome(list(alert_email.recipients.select_related("digest")))
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    alert.state, alert.reason = state, reason[:300]
    alert.sent_at = alert.sent_at or at
    alert.save(update_fields=["state", "reason", "sent_at"])


def _outcome(rows: list[AlertEmailRecipient]) -> tuple[str, str, datetime | None]:
    """State, reason and first sending of an alert whose letter has these addresses."""
    ends = [_end_of(row) for row in rows]
    sent = [at for state, _, at in ends if state == _State.SENT and at]
    bad = [
        words for state, words, _ in ends if state in (_State.REFUSED, _State.FAILED)
    ]
    if sent:
        reason = (
            f"Failed for {len(bad)} of {len(ends)} addresses: {bad[0]}" if bad else ""
        )
        return Alert.State.SENT, reason, min(sent)
    if any(state == _State.PENDING for state, *_ in ends):
        return Alert.State.SENDING, "Sending in a combined email.", None
    if bad:
        return Alert.State.FAILED, bad[0], None
    return (
        Alert.State.SUPPRESSED,
        "All recipients unsubscribed before the email was sent.",
        None,
    )


def _end_of(row: AlertEmailRecipient) -> tuple[str, str, datetime | None]:
    """State, words and instant; of one that is told in a digest, the digest's."""
    if row.state == _State.DIGESTED and row.digest is not None:
        found = row.digest.recipients.filter(address__iexact=row.address).first()
        row = found or row
    words = f"{row.address}: {row.smtp_code or ''} {row.words}".replace("  ", " ")
    return row.state, words, row.settled_at


@transaction.atomic
def revive(alert_email_id: int) -> None:
    """Try a letter that was given up anew, for the addresses that did not take it.

    Raises `EmailNotFailed`.
    """
    alert_email = AlertEmail.objects.select_for_update().get(pk=alert_email_id)
    if alert_email.state != _Of.FAILED:
        raise EmailNotFailed("Only a failed email can be retried.")
    alert_email.recipients.filter(state=_State.FAILED).update(
        state=_State.PENDING, settled_at=None
    )
    work.restart(AlertEmail.objects.filter(pk=alert_email_id))
    if alert_email.alert_id is not None:
        told = Alert.objects.filter(pk=alert_email.alert_id, state=Alert.State.FAILED)
        told.update(state=Alert.State.PENDING, reason="")
