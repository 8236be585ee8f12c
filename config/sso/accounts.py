"""The account of a person that the provider knows: found, linked, or created.

An account is linked by the verified address of the provider, once; later logins use the
link. Superusers are linked only if a group that OIDC_ROLES names makes them superusers.
With OIDC_ROLES, roles and white label are what the groups give at each login.
"""

from dataclasses import dataclass

import pghistory
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from config.sso.errors import SsoRefused
from config.sso.identity import Assignment, Identity, assign
from config.sso.options import SsoOptions
from orgs.commands.accounts import keep_last_superuser
from orgs.commands.factors import end_logins
from orgs.models import User, WhiteLabel
from orgs.queries.accounts import find_account_by_email
from orgs.security_log import Kind, record

_MAX_USERNAME = 150
_ASK = "Ask an administrator."
_NO_ROLE = SsoRefused("no_role", f"None of your groups gives access to Orgdesk. {_ASK}")
_DISABLED = SsoRefused("disabled", f"Your account is disabled. {_ASK}")
_UNVERIFIED = SsoRefused(
    "address_not_verified",
    "The provider has not verified an email address of yours, so no account can be"
    f" found. {_ASK}",
)
_NO_ACCOUNT = SsoRefused("no_account", f"There is no account for you. {_ASK}")
_SUPERUSER = SsoRefused(
    "superuser",
    "This account is a superuser, and none of your groups is allowed to log in as one."
    " Log in with the password, or ask an administrator.",
)
_LABEL = SsoRefused(
    "unknown_white_label",
    f"Your groups name a white label that does not exist. {_ASK}",
)
_AGAIN = SsoRefused("try_again", "Your account was changed at this moment. Try again.")


@dataclass(slots=True)
class _Login:
    """One login: the person, its account if there is one, and what its groups give."""

    identity: Identity
    options: SsoOptions
    link: SocialAccount | None
    user: User | None
    assignment: Assignment | None


def account_of(identity: Identity, options: SsoOptions) -> User:
    """Return the account of a person, with the roles of its groups.

    Raises `SsoRefused`; a person who has lost all groups has lost the roles by then.
    Raises `LastSuperuser` rather than to leave no superuser.
    """
    try:
        with keep_last_superuser(), pghistory.context(username="single sign-on"):
            user, refusal = _find_or_make(identity, options)
    except IntegrityError:  # two first logins at once
        raise _AGAIN from None
    if refusal is not None:
        raise refusal
    return user


def _find_or_make(
    identity: Identity, options: SsoOptions
) -> tuple[User, SsoRefused | None]:
    link = _find_link(identity, options)
    user = _lock(link.user_id) if link else _find_by_address(identity)
    if user is not None and not user.is_active:
        raise _DISABLED
    assignment = assign(identity.groups, options)
    login = _Login(identity, options, link, user, assignment)
    if options.grants and assignment is None:
        return _without_role(login), _NO_ROLE
    _check_superuser(login)
    user = user or _create(login)
    if link is None:
        _link(login, user)
    if assignment is not None:
        _apply(user, assignment, options)
    return user, None


def _find_link(identity: Identity, options: SsoOptions) -> SocialAccount | None:
    links = SocialAccount.objects.filter(provider=options.issuer)
    return links.filter(uid=identity.subject).first()


def _lock(user_id: int) -> User:
    return User.objects.select_for_update().get(pk=user_id)


def _find_by_address(identity: Identity) -> User | None:
    if not identity.email:
        raise _UNVERIFIED
    user = find_account_by_email(identity.email)
    return _lock(user.pk) if user else None


def _without_role(login: _Login) -> User:
    """Take the roles of a linked account away; an account without a link is local."""
    if login.link is None or login.user is None:
        raise _NO_ROLE
    user = login.user
    if user.is_superuser and not login.options.manages_superusers:
        raise _SUPERUSER
    nothing = Assignment(frozenset(), "", is_superuser=False)
    _apply(user, nothing, login.options, is_staff=False)
    return user


def _check_superuser(login: _Login) -> None:
    """Refuse a superuser's account unless a group makes the person a superuser.

    Except a linked one of a provider that manages superusers: it is one no longer.
    """
    is_granted = login.assignment is not None and login.assignment.is_superuser
    if login.user is None or not login.user.is_superuser or is_granted:
        return
    if login.link is None or not login.options.manages_superusers:
        raise _SUPERUSER


def _create(login: _Login) -> User:
    if login.assignment is None:
        raise _NO_ACCOUNT
    identity = login.identity
    if not identity.email:
        raise _UNVERIFIED
    user = User(
        username=_free_username(identity),
        email=identity.email,
        first_name=identity.first_name,
        last_name=identity.last_name,
    )
    user.set_unusable_password()
    user.save()
    return user


def _free_username(identity: Identity) -> str:
    """Return the first name that is valid and not taken: name, address, subject."""
    for name in (identity.username, identity.email, identity.subject):
        is_taken = User.objects.filter(username__iexact=name).exists()
        if _is_valid_username(name) and not is_taken:
            return name
    raise _NO_ACCOUNT


def _is_valid_username(name: str) -> bool:
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        return False
    return 0 < len(name) <= _MAX_USERNAME


def _link(login: _Login, user: User) -> None:
    SocialAccount.objects.create(
        user=user, provider=login.options.issuer, uid=login.identity.subject
    )
    details = {"issuer": login.options.issuer, "email": login.identity.email}
    record(Kind.SINGLE_SIGN_ON_LINKED, subject=user, details=details)


def _apply(
    user: User, assignment: Assignment, options: SsoOptions, *, is_staff: bool = True
) -> None:
    """Give the account exactly these roles; end its other logins if they changed."""
    label = _white_label(assignment.white_label)
    before = _access(user), frozenset(user.groups.values_list("name", flat=True))
    user.white_label, user.is_staff = label, is_staff
    if options.manages_superusers:
        user.is_superuser = assignment.is_superuser
    if before == (_access(user), assignment.roles):
        return
    user.save(update_fields=["white_label", "is_staff", "is_superuser"])
    user.groups.set(Group.objects.filter(name__in=assignment.roles))
    end_logins(user.pk)
    user.refresh_from_db(fields=["login_version"])


def _white_label(slug: str) -> WhiteLabel | None:
    if not slug:
        return None
    label = WhiteLabel.objects.filter(slug=slug).first()
    if label is None:
        raise _LABEL
    return label


def _access(user: User) -> tuple[int | None, bool, bool]:
    return user.white_label_id, user.is_superuser, user.is_staff
