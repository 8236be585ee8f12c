"""Codes of authenticator apps and recovery codes, each of which works once."""

import time

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.db import transaction
from django.utils.crypto import constant_time_compare

from orgs.models import User

_CODE_TYPES = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
_LAST_COUNTER = "last_counter"  # of the code that was used last


@transaction.atomic
def use_code(user: User, code: str) -> Authenticator | None:
    """Use up a code and return the factor that it belongs to; None if it is wrong.

    The rows are locked, so that of several requests with one code, in whatever process
    and by whatever entry point, only one succeeds.
    """
    factors = Authenticator.objects.select_for_update().filter(
        user=user, type__in=_CODE_TYPES
    )
    for factor in factors.order_by("-type"):
        if _use(factor, code):
            factor.record_usage()
            return factor
    return None


def _use(factor: Authenticator, code: str) -> bool:
    if factor.type == Authenticator.Type.TOTP:
        return _use_totp(factor, code)
    is_right: bool = factor.wrap().validate_code(code)
    return is_right


def _use_totp(factor: Authenticator, code: str) -> bool:
    """Accept a code only if no code of its time step or a later one was used."""
    counter = totp_counter(factor.data["secret"], code)
    if counter is None or counter <= factor.data.get(_LAST_COUNTER, -1):
        return False
    factor.data[_LAST_COUNTER] = counter
    factor.save(update_fields=["data"])
    return True


def totp_counter(secret: str, code: str) -> int | None:
    """Return the time step whose code this is, of those near now; None if of none."""
    now = int(time.time()) // app_settings.TOTP_PERIOD
    tolerance = app_settings.TOTP_TOLERANCE
    steps = range(now - tolerance, now + tolerance + 1)
    text = "".join(code.split())
    matching = [
        step
        for step in steps
        if constant_time_compare(text, format_hotp_value(hotp_value(secret, step)))
    ]
    return matching[-1] if matching else None


def mark_code_used(factor: Authenticator, code: str) -> None:
    """Use up the code by which an authenticator app was set up."""
    counter = totp_counter(factor.data["secret"], code)
    factor.data[_LAST_COUNTER] = -1 if counter is None else counter
    factor.save(update_fields=["data"])
