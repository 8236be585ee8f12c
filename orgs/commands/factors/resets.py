"""Removing the second factors of a person who lost them, as an operator does it."""

import logging
from smtplib import SMTPException

import pghistory
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from orgs.commands.factors.logins import end_logins
from orgs.errors import DomainError
from orgs.models import User
from orgs.security_log import Kind, record

logger = logging.getLogger(__name__)
_MAX_REASON = 500
_SUBJECT = "Two-factor login of your account was reset"


def reset_factors(user: User, *, reason: str) -> int:
    """Remove all second factors and recovery codes of an account; return their number.

    All its sessions and login tokens end, and its owner gets an email after the commit.
    The reason is kept in the history. Raises `DomainError` without a reason. Factors
    whose data cannot be decrypted any more are removed, too.
    """
    reason = _checked(reason)
    with transaction.atomic(), pghistory.context(note=reason):
        factors = Authenticator.objects.filter(user=user)
        # Without signals: reading a row for them would decrypt it.
        removed = int(factors._raw_delete(factors.db))
        end_logins(user.pk)
        details = {"reason": reason, "removed": removed, "by": "reset"}
        record(Kind.SECOND_FACTOR_REMOVED, subject=user, details=details)
        transaction.on_commit(lambda: _inform(user))
    return removed


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= _MAX_REASON:
        raise DomainError(
            f"Enter a reason of 1 to {_MAX_REASON} characters.",
            fields=("reason",),
        )
    return reason


def _inform(user: User) -> None:
    """Send the owner an email; one that cannot be sent is an error in the log."""
    if not user.email:
        return
    context = {"user": user, "site_url": settings.SITE_URL}
    text = render_to_string("orgs/emails/two_factor_reset.txt", context)
    try:
        send_mail(f"[{settings.SITE_NAME}] {_SUBJECT}", text, None, [user.email])
    except (OSError, SMTPException) as error:
        name = type(error).__name__
        logger.error("reset_email_not_sent user=%s error=%s", user.pk, name)
