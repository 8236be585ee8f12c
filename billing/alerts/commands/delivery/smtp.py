"""Sending through the mail host of `EMAIL_URL`, and the result for each address.

Uses Django's backends: SMTP in production, the console without a URL. Each step of the
SMTP session waits at most `EMAIL_TIMEOUT` seconds; no transaction may be open.
"""

import smtplib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

_PERMANENT = 500  # SMTP codes from here on are permanent
_MAX_MESSAGE = 500  # characters, the size of the column


class FailureScope(StrEnum):
    """The addresses that a failure concerns, which decides what is deferred."""

    NONE = "none"  # accepted
    HOST = "host"  # no email can be sent
    DOMAIN = "domain"  # no email to the domain of this address
    ADDRESS = "address"  # this address only, permanently


@dataclass(frozen=True, slots=True)
class SmtpResult:
    """The result of sending one message; accepted when `scope` is `NONE`."""

    scope: FailureScope = FailureScope.NONE
    code: int | None = None
    message: str = ""

    @property
    def is_accepted(self) -> bool:
        """True when the mail host accepted the message."""
        return self.scope is FailureScope.NONE

    @property
    def is_final(self) -> bool:
        """True when sending again is pointless: accepted, or rejected permanently."""
        return self.scope in (FailureScope.NONE, FailureScope.ADDRESS)


def domain_of(address: str) -> str:
    """Return the domain of an address in lower case."""
    return address.rpartition("@")[2].lower()


class SmtpConnection:
    """A connection that opens with the first message and reopens after an error."""

    def __init__(self) -> None:
        self._connection: Any = None

    def __enter__(self) -> "SmtpConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def send(self, message: EmailMultiAlternatives) -> SmtpResult:
        """Send a message; never raises for a failure of the mail host."""
        try:
            self._open()
        except (OSError, smtplib.SMTPException) as error:
            self._close()  # it may be open after a refused EHLO or TLS
            return _failure(error, FailureScope.HOST)
        try:
            self._connection.send_messages([message])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self._close()
            return _rejection(error)
        return SmtpResult()

    def _open(self) -> None:
        if self._connection is None:
            self._connection = get_connection(timeout=settings.EMAIL_TIMEOUT)
            self._connection.open()

    def _close(self) -> None:
        """Close the connection; errors are ignored, because the host may be down."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (OSError, smtplib.SMTPException):
                return


def _rejection(error: Exception) -> SmtpResult:
    """Return the result of a message to one address that raised `error`."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, message = next(iter(error.recipients.values()), (0, b""))
        scope = FailureScope.ADDRESS if code >= _PERMANENT else FailureScope.DOMAIN
        return SmtpResult(scope, code or None, _one_line(message))
    if isinstance(error, smtplib.SMTPSenderRefused):
        return _failure(error, FailureScope.HOST)
    if isinstance(error, smtplib.SMTPDataError):
        is_final = error.smtp_code >= _PERMANENT
        scope = FailureScope.ADDRESS if is_final else FailureScope.DOMAIN
        return _failure(error, scope)
    if isinstance(error, ValueError):  # an invalid address or header
        return SmtpResult(FailureScope.ADDRESS, None, _one_line(str(error)))
    return _failure(error, FailureScope.DOMAIN)


def _failure(error: Exception, scope: FailureScope) -> SmtpResult:
    if isinstance(error, smtplib.SMTPResponseException):
        return SmtpResult(scope, error.smtp_code or None, _one_line(error.smtp_error))
    if isinstance(error, TimeoutError):
        return SmtpResult(
            scope, None, f"no response within {settings.EMAIL_TIMEOUT} seconds"
        )
    message = getattr(error, "strerror", "") or str(error) or type(error).__name__
    return SmtpResult(scope, None, _one_line(message))


def _one_line(message: bytes | str) -> str:
    """Return the response of the host in one line, without null bytes."""
    if isinstance(message, bytes):
        message = message.decode(errors="replace")
    return " ".join(message.replace("\x00", "").split())[:_MAX_MESSAGE]
