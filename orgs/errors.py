"""Errors a caller can act on: each has a status, a stable code, and a message."""

from typing import ClassVar


class DomainError(Exception):
    """An expected error of a request, which `config.errors` renders.

    Views and endpoints never catch it. `fields` are the names of the invalid inputs, as
    the caller wrote them.
    """

    status: ClassVar[int] = 400
    part: ClassVar[str] = "body"  # of the request that contract B's 422 names
    code: str = "invalid_request"

    def __init__(
        self, message: str, *, code: str = "", fields: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = fields


class UnknownParameter(DomainError):
    """A query parameter that the operation does not take."""

    code = "unknown_parameter"
    part = "query"


class UrlNotAllowed(DomainError):
    """A URL that is invalid, or at a host that must not be contacted."""

    code = "url_not_allowed"


class Unauthorized(DomainError):
    """There is no valid credential."""

    status = 401
    code = "root.unauthorized"


class Forbidden(DomainError):
    """The credential does not allow this."""

    status = 403
    code = "organization.invalid_access"


class TwoFactorRequired(DomainError):
    """The account has to set up two-factor login first."""

    status = 403
    code = "two_factor_required"

    def __init__(self) -> None:
        super().__init__("Log in on the website and set up two-factor login first.")


class SingleSignOnRequired(DomainError):
    """Passwords are not accepted: accounts log in at the provider."""

    status = 403
    code = "single_sign_on_required"

    def __init__(self) -> None:
        super().__init__("Passwords are off. Log in on the website by single sign-on.")


class CodeUnavailable(DomainError):
    """The account has a second factor that API clients cannot send."""

    status = 403
    code = "two_factor_code_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "This account logs in with a passkey. Send a recovery code, or use an"
            " API key."
        )


class ReauthenticationRequired(DomainError):
    """A change needs a recent proof of who makes it; the session is older."""

    status = 403
    code = "reauthentication_required"

    def __init__(self) -> None:
        super().__init__("Log in again, or confirm your identity on the website.")


class NotFound(DomainError):
    """The requested row does not exist, or may not be seen."""

    status = 404
    code = "not_found"


class OrganizationNotFound(DomainError):
    """The organization does not exist, or may not be seen."""

    status = 404
    code = "organization.not_found"

    def __init__(self) -> None:
        super().__init__("Organization not found.")


class Conflict(DomainError):
    """The request contradicts the current state."""

    status = 409
    code = "conflict"


class AlreadyDone(Conflict):
    """The same change was made before, and the caller did not ask for another one."""

    code = "already_done"


class KeyReused(Conflict):
    """The idempotency key belongs to another change."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This key was used for another change. Choose another key.",
            fields=("key",),
        )


class RateLimited(DomainError):
    """The caller has to wait `retry_after` seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, *, retry_after: int, code: str = "") -> None:
        super().__init__(f"Too many requests. Try again in {retry_after} s.", code=code)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """A service that the request needs is down."""

    status = 503
    code = "unavailable"
    retry_after = 5


class TooLarge(DomainError):
    """The body is larger than its limit."""

    status = 413
    code = "too_large"


class UnsupportedMediaType(DomainError):
    """The body has another type, charset or encoding than is accepted."""

    status = 415
    code = "unsupported_media_type"


class InputRejected(Exception):
    """An event or a line of a file that cannot be accepted, with an error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SecretUnreadable(Exception):
    """A secret that cannot be decrypted: moved, changed, or without its key."""


class InvalidDateRange(DomainError):
    """A date or a range of dates is not valid."""

    code = "costs.invalid_date_range"
