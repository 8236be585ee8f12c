"""Emails to people about their accounts: a row first, then a message by a worker."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from orgs.commands.work import claim, fail, finish, retry_later
from orgs.models import AccountEmail, User

logger = logging.getLogger(__name__)
_RETENTION = timedelta(days=30)
_SUBJECTS = {
    AccountEmail.Kind.LOGIN_LOCKED: "Failed logins to your {site} account",
    AccountEmail.Kind.EMAIL_CHANGED: "The email address of your {site} account changed",
}


def write_email(
    user: User, kind: AccountEmail.Kind, address: str, **facts: Any
) -> AccountEmail | None:
    """Write an email that a worker sends; None if there is nowhere to send it."""
    if not address:
        return None
    return AccountEmail.objects.create(
        user=user, kind=kind, address=address, facts=facts
    )


def write_lock_email(
    user: User, *, window: timedelta, **facts: Any
) -> AccountEmail | None:
    """Write that logins are locked, once in a window."""
    kind = AccountEmail.Kind.LOGIN_LOCKED
    recent = AccountEmail.objects.filter(
        user=user, kind=kind, created_at__gt=timezone.now() - window
    )
    return None if recent.exists() else write_email(user, kind, user.email, **facts)


def send_email(pk: int) -> None:
    """Send an email if it is due; an error of the mail host is retried later."""
    email = claim(AccountEmail.objects.select_related("user"), pk)
    if email is None:
        return
    if email.is_exhausted:
        fail(email, code="worker_died", message="Its workers died.")
        return
    try:
        _message(email).send()
    except Exception as error:  # the mail host's errors are of many libraries
        logger.warning("account_email_failed id=%s error=%s", pk, type(error).__name__)
        message = type(error).__name__
        if not retry_later(email, code="not_sent", message=message):
            fail(email, code="not_sent", message=message)
        return
    finish(email)


def delete_old_emails() -> None:
    """Delete emails that ended a month ago."""
    limit = timezone.now() - _RETENTION
    AccountEmail.objects.filter(finished_at__lt=limit).delete()


def _message(email: AccountEmail) -> EmailMessage:
    kind = AccountEmail.Kind(email.kind)
    context = {
        "user": email.user,
        "site_name": settings.SITE_NAME,
        "site_url": settings.SITE_URL,
        "at": email.created_at,
        **email.facts,
    }
    body = render_to_string(f"orgs/emails/{kind.value}.txt", context)
    subject = _SUBJECTS[kind].format(site=settings.SITE_NAME)
    return EmailMessage(subject, body, to=[email.address])
