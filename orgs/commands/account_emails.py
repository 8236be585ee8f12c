"""Emails to people about their accounts: a row first, then a message by a worker."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from orgs.commands.customer_emails import (
    customer_message,
    one_line,
    render_customer_html,
)
from orgs.commands.work import claim, fail, finish, retry_later
from orgs.models import AccountEmail, Member, Organization, User, WhiteLabel
from orgs.queries.accounts import find_account_by_email
from orgs.signals import account_email_written

logger = logging.getLogger(__name__)
_RETENTION = timedelta(days=30)
_SUBJECTS = {
    AccountEmail.Kind.LOGIN_LOCKED: "Failed logins to your {site} account",
    AccountEmail.Kind.EMAIL_CHANGED: "The email address of your {site} account changed",
    AccountEmail.Kind.PASSWORD_RESET: "Reset your {site} password",
    AccountEmail.Kind.MEMBER_ADDED: "You are a member of {organization} now",
    AccountEmail.Kind.ACCOUNT_CREATED: "Your {site} account",
    AccountEmail.Kind.TWO_FACTOR_RESET: (
        "The two-factor login of your {site} account was reset"
    ),
}
# Their texts have a link that sets a password.
_WITH_LINK = {AccountEmail.Kind.PASSWORD_RESET, AccountEmail.Kind.ACCOUNT_CREATED}
_LONGEST_ADDRESS = 254


def write_email(
    user: User, kind: AccountEmail.Kind, address: str, **facts: Any
) -> AccountEmail | None:
    """Write an email that a worker sends; None if there is nowhere to send it."""
    if not address:
        return None
    return _write(user=user, kind=kind, address=address, facts=facts)


def write_reset_email(address: str) -> AccountEmail | None:
    """Write a request for a link that resets the password of an address.

    A worker finds out whether an account has it, and makes the link: so the answer
    takes as long without an account, waits for no mail host, and no row has the link.
    """
    if len(address) > _LONGEST_ADDRESS:
        return None
    return _write(kind=AccountEmail.Kind.PASSWORD_RESET, address=address)


def write_invitation(user: User, *, invited_by: str) -> AccountEmail | None:
    """Write an email to a new account, with a link to choose a password.

    A worker makes the link: no row has it.
    """
    kind = AccountEmail.Kind.ACCOUNT_CREATED
    return write_email(user, kind, user.email, invited_by=invited_by)


def count_recent_member_emails(invited_by: str) -> int:
    """Return how many emails to new members a person caused within the last hour."""
    since = timezone.now() - timedelta(hours=1)
    kind = AccountEmail.Kind.MEMBER_ADDED
    rows = AccountEmail.objects.filter(kind=kind, created_at__gt=since)
    return rows.filter(facts__invited_by=invited_by).count()


def write_member_email(
    member: Member, organization: Organization, *, invited_by: str
) -> AccountEmail:
    """Write an email to a new member of an organization."""
    facts = {
        "organization": organization.name,
        "white_label": organization.white_label.slug,
        "role": member.get_role_display(),
        "invited_by": invited_by,
    }
    kind = AccountEmail.Kind.MEMBER_ADDED
    return _write(kind=kind, address=member.email, facts=facts)


def _write(**fields: Any) -> AccountEmail:
    """Write the row in the caller's transaction; a worker sends it after the commit."""
    email = AccountEmail.objects.create(**fields)
    account_email_written.send(sender=AccountEmail, account_email_id=email.pk)
    return email


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
        if message := _message(email):
            message.send()
    except Exception as error:  # the mail host's errors are of many libraries
        logger.warning("account_email_failed id=%s error=%s", pk, type(error).__name__)
        reason = type(error).__name__
        if not retry_later(email, code="not_sent", message=reason):
            fail(email, code="not_sent", message=reason)
        return
    finish(email)


def delete_old_emails() -> None:
    """Delete emails that ended a month ago."""
    limit = timezone.now() - _RETENTION
    AccountEmail.objects.filter(finished_at__lt=limit).delete()


def _message(email: AccountEmail) -> EmailMessage | None:
    """Return the message; None for the reset of an address that no account has."""
    kind = AccountEmail.Kind(email.kind)
    is_reset = kind == AccountEmail.Kind.PASSWORD_RESET
    user = _account(email)
    if user is None and kind != AccountEmail.Kind.MEMBER_ADDED:
        return None
    context = {
        "user": user,
        "path": _reset_path(user) if user and kind in _WITH_LINK else "",
        "site_name": settings.SITE_NAME,
        "site_url": settings.SITE_URL,
        "at": email.created_at,
        **email.facts,
    }
    body = render_to_string(f"orgs/emails/{kind.value}.txt", context)
    names = {"site": settings.SITE_NAME, "organization": ""} | email.facts
    subject = one_line(_SUBJECTS[kind].format_map(names))
    if kind == AccountEmail.Kind.MEMBER_ADDED:
        return _member_message(email, subject, body)
    # As the account has the address, not as a stranger has spelled it.
    address = user.email if user and is_reset else email.address
    return EmailMessage(subject, body, to=[address])


def _member_message(email: AccountEmail, subject: str, text: str) -> EmailMessage:
    """Return the message to a member, who is a customer: from the white label."""
    label = WhiteLabel.objects.filter(slug=email.facts.get("white_label", "")).first()
    html = render_customer_html(label, text, subject)
    return customer_message(label, email.address, subject=subject, text=text, html=html)


def _account(email: AccountEmail) -> User | None:
    """Return whose email it is; of a reset, the active account with the address."""
    if email.kind != AccountEmail.Kind.PASSWORD_RESET:
        return email.user
    user = find_account_by_email(email.address)
    return user if user and user.is_active else None


def _reset_path(user: User) -> str:
    """Return the path of a new link, which works once and ends with the password."""
    from allauth.account import app_settings  # noqa: PLC0415  needs the app registry
    from allauth.account.utils import user_pk_to_url_str  # noqa: PLC0415

    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    arguments = {"uidb36": user_pk_to_url_str(user), "key": token}
    return reverse("account_reset_password_from_key", kwargs=arguments)
