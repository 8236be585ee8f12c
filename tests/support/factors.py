"""Second factors of accounts in tests: an authenticator app and its codes."""

import time

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.mfa.webauthn.internal.auth import WebAuthn

from orgs.models import User

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "correct horse battery"


def code_at(step: int = 0, *, seed: str = SEED) -> str:
    """Return the code of the time step now, or so many steps later."""
    code: str = format_hotp_value(hotp_value(seed, int(time.time()) // 30 + step))
    return code


def add_app(user: User) -> Authenticator:
    """Give an account an authenticator app with `SEED`."""
    factor: Authenticator = TOTP.activate(user, SEED).instance
    return factor


def add_recovery_codes(user: User) -> list[str]:
    codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    return codes


def add_passkey(user: User, name: str = "Laptop") -> Authenticator:
    """Give an account a passkey that no device has."""
    factor: Authenticator = WebAuthn.add(user, name, {"id": "canary"}).instance
    return factor


def with_password(user: User) -> User:
    user.set_password(PASSWORD)
    user.save()
    return user
