"""Removing the second factors of a person who lost them, as an operator does it."""

import pghistory
from allauth.mfa.models import Authenticator
from django.db import transaction

from orgs.commands.account_emails import write_email
from orgs.commands.factors.logins import end_logins
from orgs.errors import DomainError
from orgs.models import AccountEmail, User
from orgs.security_log import Kind, record

_MAX_REASON = 500


def reset_factors(user: User, *, reason: str) -> int:
    """Remove all second factors and recovery codes of an account; return their number.

    All its sessions and login tokens end, and a worker sends its owner an email. The
    reason is kept in the history. Raises `DomainError` without a reason. Factors
    whose data cannot be decrypted any more are removed, too.
    """
    reason = _checked(reason)
    with transaction.atomic(), pghistory.context(note=reason):
        factors = Authenticator.objects.filter(user=user)
        # Without signals: reading a row for them would decrypt it.
        removed = int(factors._raw_delete(factors.db))
        end_logins(user.pk)
        details = {"reason": reason, "removed": removed, "by": "reset"}
        record(Kind.SECOND_FACTOR_REMOVED, subject=user, details=details)
        write_email(user, AccountEmail.Kind.TWO_FACTOR_RESET, user.email)
    return removed


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= _MAX_REASON:
        raise DomainError(
            f"Enter a reason of 1 to {_MAX_REASON} characters.",
            fields=("reason",),
        )
    return reason
