"""What follows from logins, confirmations, and new passwords, whatever makes them."""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import authentication_step_completed
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_save, pre_save
from django.http import HttpRequest

from orgs.access.sessions import begin_session, confirm_session
from orgs.commands.account_emails import write_email
from orgs.commands.factors.logins import end_logins
from orgs.commands.sessions import delete_ended_sessions
from orgs.models import AccountEmail, User
from orgs.security_log import Kind, record
from orgs.signals import logins_ended

_OLD_EMAIL = "_old_email"


def connect() -> None:
    """Connect to the signals of Django, allauth, and the commands."""
    user_logged_in.connect(_begin, dispatch_uid="begin_session")
    authentication_step_completed.connect(_confirm, dispatch_uid="confirm_session")
    pre_save.connect(_note_email, User, dispatch_uid="note_email")
    post_save.connect(_inform_old_address, User, dispatch_uid="inform_old_address")
    post_save.connect(_end_old_password, User, dispatch_uid="end_old_password")
    logins_ended.connect(_delete_sessions, dispatch_uid="delete_sessions")


def _begin(*, request: HttpRequest, **_: Any) -> None:
    begin_session(request)


def _confirm(
    *, request: HttpRequest, user: User, reauthenticated: bool = False, **_: Any
) -> None:
    """Note a confirmation; the steps of a login end with its session."""
    if reauthenticated:
        confirm_session(request)
        record(Kind.REAUTHENTICATED, subject=user)


def _end_old_password(*, instance: User, created: bool, **_: Any) -> None:
    """End what began with the old password, of which Django keeps the new one."""
    if getattr(instance, "_password", None) is not None and not created:
        end_logins(instance.pk)
        instance.refresh_from_db(fields=["login_version"])  # for its next login


def _note_email(
    *, instance: User, update_fields: Iterable[str] | None = None, **_: Any
) -> None:
    """Note the address that a save replaces; a login's save reads nothing."""
    if instance._state.adding:
        return
    if update_fields is not None and "email" not in update_fields:
        return
    emails = User.objects.filter(pk=instance.pk).values_list("email", flat=True)
    instance.__dict__[_OLD_EMAIL] = emails.first()


def _inform_old_address(*, instance: User, **_: Any) -> None:
    """Inform the old address of a new one, and let it reset no password any more."""
    old = instance.__dict__.pop(_OLD_EMAIL, None)
    if not old or old.lower() == instance.email.lower():
        return
    trusted = EmailAddress.objects.filter(user=instance, verified=True)
    trusted.exclude(email__iexact=instance.email).delete()
    write_email(instance, AccountEmail.Kind.EMAIL_CHANGED, old)


def _delete_sessions(*, user_id: int, **_: Any) -> None:
    delete_ended_sessions(user_id)
