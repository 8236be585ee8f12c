"""Delivery through the mail host of `EMAIL_URL`, and its response per address.

Uses Django's backends: SMTP in production, the console without a URL. Each step of the
SMTP session waits at most `EMAIL_TIMEOUT` seconds; no transaction may be open.
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
    """The cause of a failed delivery, which decides what is deferred."""

    NOBODY = "nobody"
    HOST = "host"  # no email can be sent
    DOMAIN = "domain"  # no email to the domain of this address
    ADDRESS = "address"  # this address only, permanently


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of sending one message; accepted when `blame` is `NOBODY`."""

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
    """A connection that opens with the first message and reopens after an error."""

    def __init__(self) -> None:
        self._connection: Any = None

    def __enter__(self) -> "Carrier":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def give(self, message: EmailMultiAlternatives) -> Answer:
        """Send a message; never raises for a failure of the mail host."""
        try:
            self._open()
        except (OSError, smtplib.SMTPException) as error:
            self._close()  # it may be open, after a refused EHLO or TLS
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
        """Close the connection; errors are ignored, for the host may be gone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (OSError, smtplib.SMTPException):
                return


def _refusal(error: Exception) -> Answer:
    """Return the outcome of a message to one address that raised `error`."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()), (0, b""))
        blame = Blame.ADDRESS if code >= _PERMANENT else Blame.DOMAIN
        return Answer(blame, code or None, _said(words))
    if isinstance(error, smtplib.SMTPSenderRefused):
        return _answer(error, Blame.HOST)
    if isinstance(error, smtplib.SMTPDataError):
        final = error.smtp_code >= _PERMANENT
        return _answer(error, Blame.ADDRESS if final else Blame.DOMAIN)
    if isinstance(error, ValueError):  # an invalid address or header
        return Answer(Blame.ADDRESS, None, _said(str(error)))
    return _answer(error, Blame.DOMAIN)


def _answer(error: Exception, blame: Blame) -> Answer:
    if isinstance(error, smtplib.SMTPResponseException):
        return Answer(blame, error.smtp_code or None, _said(error.smtp_error))
    if isinstance(error, TimeoutError):
        return Answer(
            blame, None, f"no response within {settings.EMAIL_TIMEOUT} seconds"
        )
    words = getattr(error, "strerror", "") or str(error) or type(error).__name__
    return Answer(blame, None, _said(words))


def _said(words: bytes | str) -> str:
    """Return the response of the host in one line, without null bytes."""
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return " ".join(text.replace("\x00", "").split())[:_LONGEST]
