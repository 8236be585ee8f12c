"""The account that a login name or an address belongs to."""

from typing import cast

from allauth.mfa.models import Authenticator
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from orgs.models import User

# What counts as a second factor: recovery codes alone do not.
FACTOR_TYPES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def find_account(name: str) -> User | None:
    """Return the account with this username or email address, in any case, or None.

    The exact username comes first, then the address: both are unique in any case.
    """
    name = name.strip()
    if not name or "\x00" in name:  # PostgreSQL refuses NUL
        return None
    rows = sorted(_named(name), key=lambda user: _rank(user, name))
    return rows[0] if rows else None


def find_account_by_email(address: str) -> User | None:
    """Return the account with this email address, in any case, or None.

    The database compares as its unique constraint does, so no second account matches.
    """
    if not address or "\x00" in address:  # PostgreSQL refuses NUL
        return None
    rows = User.objects.alias(lower_email=Lower("email"))
    return rows.filter(lower_email=Lower(Value(address))).first()


def _named(name: str) -> QuerySet[User]:
    lower = Lower(Value(name))
    is_named = Q(lower_username=lower) | Q(lower_email=lower)
    rows = User.objects.alias(
        lower_username=Lower("username"), lower_email=Lower("email")
    )
    return cast("QuerySet[User]", rows.filter(is_named).order_by("pk"))


def _rank(user: User, name: str) -> int:
    if user.username == name:
        return 0
    return 1 if user.email.lower() == name.lower() else 2
