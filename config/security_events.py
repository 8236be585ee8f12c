"""Security events of accounts, recorded whatever page, command, or admin caused them.

Django's and allauth's signals report them. Exports and denied access are recorded from
the responses, in `config.security_middleware`.
"""

from typing import Any

from allauth.account import signals as account_signals
from allauth.mfa import signals as mfa_signals
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_out
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from orgs.access.actors import actor_of
from orgs.models import User
from orgs.security_log import Kind, current_origin, record

_RIGHTS = ("is_superuser", "is_staff", "is_active", "white_label_id")
_TRACKED = (*_RIGHTS, "username", "email")
_CHANGES = "_security_changes"


def connect() -> None:
    """Connect the receivers; called once, when the apps are ready."""
    account_signals.user_logged_in.connect(_logged_in)
    account_signals.password_reset.connect(_password_reset)
    user_logged_out.connect(_logged_out)
    mfa_signals.authenticator_added.connect(_factor_added)
    mfa_signals.authenticator_removed.connect(_factor_removed)
    mfa_signals.authenticator_reset.connect(_factor_reset)
    mfa_signals.authenticator_used.connect(_factor_used)
    mfa_signals.authentication_failed.connect(_factor_failed)
    pre_save.connect(_before_save, sender=User)
    post_save.connect(_after_save, sender=User)
    post_delete.connect(_deleted, sender=User)
    for relation in (User.groups, User.user_permissions, Group.permissions):
        m2m_changed.connect(_rights_changed, sender=relation.through)


# --- logins -----------------------------------------------------------------------


def _logged_in(user: User, **options: Any) -> None:
    method = "single sign-on" if options.get("sociallogin") else "page"
    record(Kind.LOGIN, subject=user, actor=actor_of(user), details={"method": method})


def _logged_out(user: User | None, **_: Any) -> None:
    if user is not None:
        record(Kind.LOGOUT, subject=user, actor=actor_of(user))


def _password_reset(user: User, **_: Any) -> None:
    record(Kind.PASSWORD_RESET, subject=user)


# --- second factors ---------------------------------------------------------------


def _factor_added(user: User, authenticator: Any, **_: Any) -> None:
    _record_factor(Kind.SECOND_FACTOR_ADDED, user, authenticator)


def _factor_removed(user: User, authenticator: Any, **_: Any) -> None:
    _record_factor(Kind.SECOND_FACTOR_REMOVED, user, authenticator)


def _factor_reset(user: User, authenticator: Any, **_: Any) -> None:
    _record_factor(Kind.RECOVERY_CODES_CREATED, user, authenticator)


def _factor_used(user: User, authenticator: Any, **_: Any) -> None:
    if authenticator.type == authenticator.Type.RECOVERY_CODES:
        _record_factor(Kind.RECOVERY_CODE_USED, user, authenticator)


def _factor_failed(user: User, authenticator: Any = None, **_: Any) -> None:
    _record_factor(Kind.SECOND_FACTOR_FAILED, user, authenticator)


def _record_factor(kind: Kind, user: User, authenticator: Any) -> None:
    details = {"factor": str(authenticator.type)} if authenticator else {}
    record(kind, subject=user, details=details)


# --- accounts and roles -----------------------------------------------------------


def _before_save(instance: User, update_fields: Any = None, **_: Any) -> None:
    """Note what a save will change; a login's update of `last_login` reads nothing."""
    changes: dict[str, Any] = {}
    fields = set(_TRACKED) if update_fields is None else set(update_fields)
    if instance.pk and fields & {*_TRACKED, "white_label"}:
        old = User.objects.filter(pk=instance.pk).values(*_TRACKED).first() or {}
        changes = {
            name: [value, getattr(instance, name)]
            for name, value in old.items()
            if value != getattr(instance, name)
        }
    # Django sets it when a password is set, not when a hash is renewed at a login.
    if instance.pk and getattr(instance, "_password", None) is not None:
        changes["password"] = True
    setattr(instance, _CHANGES, changes)


def _after_save(instance: User, created: bool, **_: Any) -> None:
    changes = instance.__dict__.pop(_CHANGES, {})
    if created:
        rights = {name: getattr(instance, name) for name in _RIGHTS}
        record(Kind.ACCOUNT_CREATED, subject=instance, details=rights)
        return
    if changes.pop("password", False):
        record(Kind.PASSWORD_CHANGED, subject=instance)
    if "email" in changes:
        details = {"email": changes.pop("email")}
        record(Kind.EMAIL_CHANGED, subject=instance, details=details)
    if rights := {name: changes.pop(name) for name in _RIGHTS if name in changes}:
        record(Kind.ROLES_CHANGED, subject=instance, details=rights)
    if changes:
        record(Kind.ACCOUNT_CHANGED, subject=instance, details=changes)


def _deleted(instance: User, **_: Any) -> None:
    record(Kind.ACCOUNT_DELETED, subject=instance)


_MIGRATING = ("migrate by ", "prepare by ")
_ACTIONS = {"post_add": "added", "post_remove": "removed", "pre_clear": "removed"}


def _rights_changed(
    instance: Model,
    action: str,
    model: type[Model],
    pk_set: set[int] | None,
    **_: Any,
) -> None:
    """Record which roles or permissions a person, or which permissions a role, got.

    A migration fills the roles from the code, which says what they may do.
    """
    word = _ACTIONS.get(action)
    is_migration = current_origin().actor.name.startswith(_MIGRATING)
    if word is None or pk_set == set() or is_migration:
        return
    names = _names(model, pk_set) if pk_set is not None else ["all"]
    if isinstance(instance, User):
        record(Kind.ROLES_CHANGED, subject=instance, details={word: names})
    else:
        subject = f"{instance._meta.verbose_name} {instance}"
        record(Kind.ROLES_CHANGED, subject=subject, details={word: names})


def _names(model: type[Model], ids: set[int]) -> list[str]:
    return sorted(map(str, model._default_manager.filter(pk__in=ids)))
