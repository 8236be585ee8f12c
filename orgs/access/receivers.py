"""What follows from logins, confirmations, and new passwords, whatever makes them."""

from typing import Any

from allauth.account.signals import authentication_step_completed
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_save
from django.http import HttpRequest

from orgs.access.sessions import begin_session, confirm_session
from orgs.commands.factors.logins import end_logins
from orgs.commands.sessions import delete_ended_sessions
from orgs.models import User
from orgs.security_log import Kind, record
from orgs.signals import logins_ended


def connect() -> None:
    """Connect to the signals of Django, allauth, and the commands."""
    user_logged_in.connect(_begin, dispatch_uid="begin_session")
    authentication_step_completed.connect(_confirm, dispatch_uid="confirm_session")
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


def _delete_sessions(*, user_id: int, **_: Any) -> None:
    delete_ended_sessions(user_id)
