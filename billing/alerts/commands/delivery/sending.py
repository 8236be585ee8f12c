"""A worker sends a letter to each of its addresses, once, however often it is told to.

1. claim: state, attempt and lease, committed;
2. for each address that has not taken it: renew the lease, give it to the host with no
   transaction open, mark what the host said, committed;
3. end: done when each address is settled, else put off.

Killed between the host's yes and the mark, that address gets it again, with the same
Message-ID; killed anywhere else, nobody gets it twice. What is held (a host that rests,
too many letters a minute, a digest to come) is put off without counting as an attempt.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from billing.alerts.commands.delivery import digests
from billing.alerts.commands.delivery.ending import end, put_off, settle
from billing.alerts.commands.delivery.leases import claim, renew
from billing.alerts.commands.delivery.optouts import refused_by
from billing.alerts.commands.delivery.words import words_to
from billing.alerts.emails.hosts import (
    acquire_token,
    find_pause,
    note_failure,
    note_success,
)
from billing.alerts.emails.smtp import Answer, Blame, Carrier, domain_of
from billing.models import AlertEmail, AlertEmailRecipient

logger = logging.getLogger(__name__)
_State = AlertEmailRecipient.State


@dataclass(slots=True)
class Round:
    """What one attempt at a letter came to."""

    tried: bool = False  # an address was given to the host that did not settle it
    wait_until: datetime | None = None  # the first instant at which a hold ends
    why: str = ""
    made: list[int] = field(default_factory=list)  # digests to send

    def hold(self, until: datetime, why: str) -> None:
        if self.wait_until is None or until < self.wait_until:
            self.wait_until, self.why = until, why


def send(alert_email_id: int) -> list[int]:
    """Send it, if it is due and nobody is at it; answers digests that it led to."""
    alert_email = claim(alert_email_id)
    if alert_email is None:
        return []
    if alert_email.is_exhausted:
        put_off(alert_email, code="worker_died", words="Its workers died.")
        return []
    found = Round()
    try:
        _send_to_all(alert_email, found)
    except Exception as error:  # ours: the same again later, and not for ever
        logger.exception("letter_broke id=%s", alert_email.pk)
        put_off(alert_email, code="unexpected", words=type(error).__name__)
        return found.made
    end(alert_email, tried=found.tried, wait_until=found.wait_until, why=found.why)
    return found.made


def _send_to_all(alert_email: AlertEmail, found: Round) -> None:
    with Carrier() as carrier:
        for recipient in alert_email.recipients.filter(state=_State.PENDING).order_by(
            "id"
        ):
            if not renew(alert_email):
                return
            _send_to(alert_email, recipient, carrier, found)


def _send_to(
    alert_email: AlertEmail,
    recipient: AlertEmailRecipient,
    carrier: Carrier,
    found: Round,
) -> None:
    if _wants_none(alert_email, recipient):
        settle(
            recipient,
            _State.SUPPRESSED,
            words="Unsubscribed before the email was sent.",
        )
        return
    held = digests.hold(alert_email, recipient)
    if held.digest_id is not None:
        found.made.append(held.digest_id)
    if held.until is not None:
        found.hold(held.until, "Waiting to combine several emails to this address.")
    if held.is_held:
        return
    domain = domain_of(recipient.address)
    if pause := find_pause(domain) or acquire_token():
        found.hold(timezone.now() + timedelta(seconds=pause.seconds), pause.reason)
        return
    answer = carrier.give(words_to(alert_email, recipient))
    _mark(recipient, domain, answer)
    found.tried |= not answer.is_final


def _mark(recipient: AlertEmailRecipient, domain: str, answer: Answer) -> None:
    """What the host said of the address, for good or until it is tried again."""
    if answer.is_accepted:
        settle(recipient, _State.SENT)
    elif answer.is_final:
        settle(recipient, _State.REFUSED, code=answer.code, words=answer.words)
    else:
        AlertEmailRecipient.objects.filter(
            pk=recipient.pk, state=_State.PENDING
        ).update(smtp_code=answer.code, words=answer.words)
    if answer.is_final:
        note_success(domain)
    else:
        note_failure(domain, is_host=answer.blame is Blame.HOST)


def _wants_none(alert_email: AlertEmail, recipient: AlertEmailRecipient) -> bool:
    """Opted out after the crossing; whom a person sends it again, gets it."""
    if alert_email.alert is None or alert_email.number > 1:
        return False
    told = alert_email.alert.organization_id, alert_email.alert.kind
    return told in refused_by(recipient.address)
