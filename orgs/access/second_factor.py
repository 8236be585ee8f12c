"""The second factor of an account: whether it has one, must have one, and sent it.

All entry points ask this module: the middleware of pages and Django's admin, and
`credentials` for sessions, passwords and login tokens of API calls.
"""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest

from orgs.commands.factors import use_code
from orgs.errors import CodeUnavailable, TwoFactorRequired
from orgs.models import User
from orgs.queries.accounts import FACTOR_TYPES

# In a session that began with two factors at the provider: the ID of its account.
PROVIDER_SESSION_KEY = "second_factor_at_provider"


def has_second_factor(user: User) -> bool:
    """Return whether the account has an authenticator app or a passkey.

    No query for a user that `orgs.access.backends` read. Recovery codes alone are no
    second factor.
    """
    if user.has_second_factor is None:
        factors = Authenticator.objects.filter(user=user, type__in=FACTOR_TYPES)
        user.has_second_factor = factors.exists()
    return user.has_second_factor


def is_second_factor_missing(user: User) -> bool:
    """Return whether the account may do nothing but set up two-factor login."""
    return settings.REQUIRE_TWO_FACTOR and not has_second_factor(user)


def require_second_factor(user: User) -> None:
    """Raise `TwoFactorRequired` for an account that has to set it up first."""
    if is_second_factor_missing(user):
        raise TwoFactorRequired


def is_second_factor_missing_in(request: HttpRequest, user: User) -> bool:
    """Return the same of a session, which may have begun with two factors elsewhere."""
    if request.session.get(PROVIDER_SESSION_KEY) == user.pk:
        return False
    return is_second_factor_missing(user)


def is_code_valid(user: User, code: str) -> bool:
    """Return whether a login with a right password sent its second factor.

    Always true for an account without one. The code is used up. Raises
    `CodeUnavailable` for an account with passkeys only that sent no code.
    """
    if not has_second_factor(user):
        return True
    if code:
        return use_code(user, code) is not None
    if not Authenticator.objects.filter(
        user=user, type=Authenticator.Type.TOTP
    ).exists():
        raise CodeUnavailable
    return False
