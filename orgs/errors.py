"""Errors a caller can act on: each has a status, a stable code, and a message."""

from typing import ClassVar


class DomainError(Exception):
    """An expected refusal; doors never catch it, `config.errors` renders it.

    `fields` names the inputs at fault, as the caller spelled them.
    """

    status: ClassVar[int] = 400
    code: str = "invalid_request"

    def __init__(
        self, message: str, *, code: str = "", fields: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = fields


class Unauthorized(DomainError):
    status = 401
    code = "root.unauthorized"


class Forbidden(DomainError):
    status = 403
    code = "organization.invalid_access"


class NotFound(DomainError):
    status = 404
    code = "not_found"


class OrganizationNotFound(DomainError):
    status = 404
    code = "organization.not_found"

    def __init__(self) -> None:
        super().__init__("Organization not found.")


class Conflict(DomainError):
    status = 409
    code = "conflict"


class RateLimited(DomainError):
    status = 429
    code = "rate_limited"

    def __init__(self, *, retry_after: int, code: str = "") -> None:
        super().__init__(f"Too many requests. Try again in {retry_after} s.", code=code)
        self.retry_after = retry_after


class Unavailable(DomainError):
    status = 503
    code = "unavailable"
    retry_after = 5


class TooLarge(DomainError):
    status = 413
    code = "too_large"


class UnsupportedMediaType(DomainError):
    status = 415
    code = "unsupported_media_type"


class SecretUnreadable(Exception):
    """A sealed secret does not open: another row's, altered, or its key is gone."""


class InvalidDateRange(DomainError):
    code = "costs.invalid_date_range"
