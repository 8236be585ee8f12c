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
from billing.models import Letter, LetterRecipient

logger = logging.getLogger(__name__)
_State = LetterRecipient.State


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


def send(letter_id: int) -> list[int]:
    """Send it, if it is due and nobody is at it; answers digests that it led to."""
    letter = claim(letter_id)
    if letter is None:
        return []
    if letter.is_exhausted:
        put_off(letter, code="worker_died", words="Its workers died.")
        return []
    found = Round()
    try:
        _send_to_all(letter, found)
    except Exception as error:  # ours: the same again later, and not for ever
        logger.exception("letter_broke id=%s", letter.pk)
        put_off(letter, code="unexpected", words=type(error).__name__)
        return found.made
    end(letter, tried=found.tried, wait_until=found.wait_until, why=found.why)
    return found.made


def _send_to_all(letter: Letter, found: Round) -> None:
    with Carrier() as carrier:
        for recipient in letter.recipients.filter(state=_State.PENDING).order_by("id"):
            if not renew(letter):
                return
            _send_to(letter, recipient, carrier, found)


def _send_to(
    letter: Letter, recipient: LetterRecipient, carrier: Carrier, found: Round
) -> None:
    if _wants_none(letter, recipient):
        settle(
            recipient,
            _State.SUPPRESSED,
            words="Unsubscribed before the email was sent.",
        )
        return
    held = digests.hold(letter, recipient)
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
    answer = carrier.give(words_to(letter, recipient))
    _mark(recipient, domain, answer)
    found.tried |= not answer.is_final


def _mark(recipient: LetterRecipient, domain: str, answer: Answer) -> None:
    """What the host said of the address, for good or until it is tried again."""
    if answer.is_accepted:
        settle(recipient, _State.SENT)
    elif answer.is_final:
        settle(recipient, _State.REFUSED, code=answer.code, words=answer.words)
    else:
        LetterRecipient.objects.filter(pk=recipient.pk, state=_State.PENDING).update(
            smtp_code=answer.code, words=answer.words
        )
    if answer.is_final:
        note_success(domain)
    else:
        note_failure(domain, is_host=answer.blame is Blame.HOST)


def _wants_none(letter: Letter, recipient: LetterRecipient) -> bool:
    """Opted out after the crossing; whom a person sends it again, gets it."""
    if letter.alert is None or letter.number > 1:
        return False
    told = letter.alert.organization_id, letter.alert.kind
    return told in refused_by(recipient.address)
