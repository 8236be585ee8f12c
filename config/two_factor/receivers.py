"""What follows when an account gets or loses a second factor on its own pages."""

from typing import Any

from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest

from orgs.commands.factors import mark_code_used
from orgs.models import User
from orgs.signals import logins_ended


def connect() -> None:
    """Keep the session of the change, and use up the code of an enrollment."""
    authenticator_added.connect(_use_up_code, dispatch_uid="use_up_code")
    logins_ended.connect(_keep_session, dispatch_uid="keep_session")


def _keep_session(*, user_id: int, **_: Any) -> None:
    """Renew the session of the current request with a new key; all others ended."""
    user = getattr(context.request, "user", None)
    if isinstance(user, User) and user.pk == user_id:
        user.refresh_from_db(fields=["login_version"])
        update_session_auth_hash(context.request, user)


def _use_up_code(
    *, request: HttpRequest, authenticator: Authenticator, **_: Any
) -> None:
    if authenticator.type == Authenticator.Type.TOTP:
        mark_code_used(authenticator, request.POST.get("code", ""))
