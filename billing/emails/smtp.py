"""One conversation with the host of `EMAIL_URL`, and what it says of each address.

Django's own backends: SMTP in production, the console without a URL. Every step of the
conversation waits at most `EMAIL_TIMEOUT` seconds; no transaction may be open.
"""

import smtplib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

_PERMANENT = 500
_LONGEST = 500


class Blame(StrEnum):
    """Whose failure it is: what waits until it is over."""

    NOBODY = "nobody"
    HOST = "host"  # nothing can be sent
    DOMAIN = "domain"  # nothing to this address's domain
    ADDRESS = "address"  # this one alone, for good


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message: accepted when `blame` is nobody's."""

    blame: Blame = Blame.NOBODY
    code: int | None = None
    words: str = ""

    @property
    def is_accepted(self) -> bool:
        return self.blame is Blame.NOBODY

    @property
    def is_final(self) -> bool:
        return self.blame in (Blame.NOBODY, Blame.ADDRESS)


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


class Carrier:
    """Opens when the first message is given, and anew after one that broke it."""

    def __init__(self) -> None:
        self._connection: Any = None

    def __enter__(self) -> "Carrier":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def give(self, message: EmailMultiAlternatives) -> Answer:
        """Never raises for what a host says or does."""
        try:
            self._open()
        except (OSError, smtplib.SMTPException) as error:
            self._close()  # it may stand, and have refused our name or its TLS
            return _answer(error, Blame.HOST)
        try:
            self._connection.send_messages([message])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self._close()
            return _refusal(error)
        return Answer()

    def _open(self) -> None:
        if self._connection is None:
            self._connection = get_connection(timeout=settings.EMAIL_TIMEOUT)
            self._connection.open()

    def _close(self) -> None:
        """The host may be gone: what it says to that matters to nobody."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (OSError, smtplib.SMTPException):
                return


def _refusal(error: Exception) -> Answer:
    """Of a message to one address."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()), (0, b""))
        blame = Blame.ADDRESS if code >= _PERMANENT else Blame.DOMAIN
        return Answer(blame, code or None, _said(words))
    if isinstance(error, smtplib.SMTPSenderRefused):
        return _answer(error, Blame.HOST)
    if isinstance(error, smtplib.SMTPDataError):
        final = error.smtp_code >= _PERMANENT
        return _answer(error, Blame.ADDRESS if final else Blame.DOMAIN)
    if isinstance(error, ValueError):  # an address or header that is none
        return Answer(Blame.ADDRESS, None, _said(str(error)))
    return _answer(error, Blame.DOMAIN)


def _answer(error: Exception, blame: Blame) -> Answer:
    if isinstance(error, smtplib.SMTPResponseException):
        return Answer(blame, error.smtp_code or None, _said(error.smtp_error))
    if isinstance(error, TimeoutError):
        return Answer(blame, None, f"no answer in {settings.EMAIL_TIMEOUT} seconds")
    words = getattr(error, "strerror", "") or str(error) or type(error).__name__
    return Answer(blame, None, _said(words))


def _said(words: bytes | str) -> str:
    """The host's words, in one line and without what no column takes."""
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return " ".join(text.replace("\x00", "").split())[:_LONGEST]
