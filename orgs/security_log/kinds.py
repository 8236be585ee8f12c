"""The catalog of security events: label, usual outcome, and whether it may repeat."""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How an act ended."""

    SUCCESS = "success"
    FAILURE = "failure"  # a credential was wrong
    DENIED = "denied"  # the credential was right, the permission missing


class Kind(StrEnum):
    """What happened. The values are stored and exported: they never change."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGIN_LOCKED = "login_locked"
    LOGOUT = "logout"
    REAUTHENTICATED = "reauthenticated"
    REAUTHENTICATION_FAILED = "reauthentication_failed"
    SESSION_ENDED = "session_ended"
    SESSIONS_ENDED = "sessions_ended"
    SINGLE_SIGN_ON_LINKED = "single_sign_on_linked"
    SINGLE_SIGN_ON_REFUSED = "single_sign_on_refused"

    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    RECOVERY_CODES_CREATED = "recovery_codes_created"
    RECOVERY_CODE_USED = "recovery_code_used"

    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of an event
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    EMAIL_CHANGED = "email_changed"
    ACCOUNT_CREATED = "account_created"
    ACCOUNT_CHANGED = "account_changed"
    ACCOUNT_DELETED = "account_deleted"
    ROLES_CHANGED = "roles_changed"
    VIEW_AS_STARTED = "view_as_started"
    VIEW_AS_ENDED = "view_as_ended"

    API_KEY_CREATED = "api_key_created"
    API_KEY_ROTATED = "api_key_rotated"
    API_KEY_REVOKED = "api_key_revoked"
    API_KEY_CHANGED = "api_key_changed"
    API_KEY_NEW_ADDRESS = "api_key_new_address"
    API_KEY_REFUSED = "api_key_refused"

    CUSTOMER_LINK_CREATED = "customer_link_created"
    CUSTOMER_LINK_REVOKED = "customer_link_revoked"

    ACCESS_DENIED = "access_denied"
    EXPORT = "export"
    HISTORY_SEALED = "history_sealed"
    HISTORY_BROKEN = "history_broken"


class Description(NamedTuple):
    """How a kind is shown and recorded.

    A kind that `repeats` can be caused any number of times without any right: its rows
    are limited (`orgs.security_log.repeats`), its lines in the log are not. What was
    granted, as a login or a file, is always a row.
    """

    label: str
    outcome: Outcome = Outcome.SUCCESS
    repeats: bool = False


_FAILURE, _DENIED = Outcome.FAILURE, Outcome.DENIED

DESCRIPTIONS: dict[Kind, Description] = {
    Kind.LOGIN: Description("Login"),
    Kind.LOGIN_FAILED: Description("Login failed", _FAILURE, repeats=True),
    Kind.LOGIN_LOCKED: Description("Login locked", _DENIED, repeats=True),
    Kind.LOGOUT: Description("Logout"),
    Kind.REAUTHENTICATED: Description("Identity confirmed"),
    Kind.REAUTHENTICATION_FAILED: Description(
        "Identity not confirmed", _FAILURE, repeats=True
    ),
    Kind.SESSION_ENDED: Description("Session ended"),
    Kind.SESSIONS_ENDED: Description("All sessions ended"),
    Kind.SINGLE_SIGN_ON_LINKED: Description("Single sign-on linked"),
    Kind.SINGLE_SIGN_ON_REFUSED: Description(
        "Single sign-on refused", _DENIED, repeats=True
    ),
    Kind.SECOND_FACTOR_ADDED: Description("Second factor added"),
    Kind.SECOND_FACTOR_REMOVED: Description("Second factor removed"),
    Kind.SECOND_FACTOR_FAILED: Description(
        "Second factor failed", _FAILURE, repeats=True
    ),
    Kind.RECOVERY_CODES_CREATED: Description("Recovery codes created"),
    Kind.RECOVERY_CODE_USED: Description("Recovery code used"),
    Kind.PASSWORD_CHANGED: Description("Password changed"),
    Kind.PASSWORD_RESET_REQUESTED: Description(
        "Password reset requested", repeats=True
    ),
    Kind.PASSWORD_RESET: Description("Password reset"),
    Kind.EMAIL_CHANGED: Description("Email address changed"),
    Kind.ACCOUNT_CREATED: Description("Account created"),
    Kind.ACCOUNT_CHANGED: Description("Account changed"),
    Kind.ACCOUNT_DELETED: Description("Account deleted"),
    Kind.ROLES_CHANGED: Description("Roles changed"),
    Kind.VIEW_AS_STARTED: Description("View as another person started"),
    Kind.VIEW_AS_ENDED: Description("View as another person ended"),
    Kind.API_KEY_CREATED: Description("API key created"),
    Kind.API_KEY_ROTATED: Description("API key rotated"),
    Kind.API_KEY_REVOKED: Description("API key revoked"),
    Kind.API_KEY_CHANGED: Description("API key changed"),
    Kind.API_KEY_NEW_ADDRESS: Description("API key used from a new address"),
    Kind.API_KEY_REFUSED: Description("API key refused", _FAILURE, repeats=True),
    Kind.CUSTOMER_LINK_CREATED: Description("Customer page link created"),
    Kind.CUSTOMER_LINK_REVOKED: Description("Customer page link revoked"),
    Kind.ACCESS_DENIED: Description("Access denied", _DENIED, repeats=True),
    Kind.EXPORT: Description("Export"),
    Kind.HISTORY_SEALED: Description("History sealed"),
    Kind.HISTORY_BROKEN: Description("History does not match its seal", _FAILURE),
}
