"""Ending the sessions and login tokens of an account."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import F
from django.db.models.signals import post_delete, post_save

from orgs.models import User
from orgs.queries.accounts import FACTOR_TYPES
from orgs.signals import logins_ended


def end_logins(user_id: int) -> None:
    """End all sessions and login tokens of an account at their next request.

    The session of the request that does it goes on, with a new key, if it is of the
    same account.
    """
    User.objects.filter(pk=user_id).update(login_version=F("login_version") + 1)
    logins_ended.send(sender=User, user_id=user_id)


def connect() -> None:
    """End all logins of an account whenever it gets or loses a second factor."""
    post_save.connect(_end_logins_with_new, Authenticator, dispatch_uid="end_logins")
    post_delete.connect(_end_logins, Authenticator, dispatch_uid="end_logins")


def _end_logins_with_new(*, created: bool, **signal: Any) -> None:
    if created:
        _end_logins(**signal)


def _end_logins(*, instance: Authenticator, **_: Any) -> None:
    if instance.type not in FACTOR_TYPES:
        return
    end_logins(instance.user_id)
    user = instance._state.fields_cache.get("user")
    if user is not None and user.pk is not None:  # else it was deleted with its factors
        user.refresh_from_db(fields=["login_version"])
