"""Errors of calls to Stripe; none of them ever contains the secret key."""

import re
from typing import ClassVar

from orgs.errors import DomainError

_SECRETS = re.compile(r"\b(?:sk|rk|pk|whsec)_\w[\w*]*")


def redacted(text: str) -> str:
    """Return a text without keys; Stripe's messages repeat parts of them."""
    return _SECRETS.sub("(secret)", text)


class GatewayError(DomainError):
    """Base of all errors of the gateway.

    `is_retryable` says that the same call may succeed later.
    """

    is_retryable: ClassVar[bool] = False


class Missing(GatewayError):
    """Stripe has no object with that id."""

    status = 404
    code = "stripe.missing"


class Refused(GatewayError):
    """Refusal by Stripe, with its own `code` (such as `card_declined`) and `param`."""

    status = 422
    code = "stripe.refused"

    def __init__(self, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message, code=code, fields=(param,) if param else ())
        self.param = param


class Unavailable(GatewayError):
    """Failure to get an answer: a timeout, rate limit, server error or refused key.

    It is unknown whether a write was done: repeat it with the same idempotency key.
    """

    status = 503
    code = "stripe.unavailable"
    is_retryable = True

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        may_retry_now: bool = True,
        requested_pause: float = 0.0,
    ) -> None:
        super().__init__(message, code=code)
        # False: another attempt within this call would fail in the same way.
        self.may_retry_now = may_retry_now
        self.requested_pause = requested_pause  # in seconds, from `Retry-After`
        self.retry_after = max(5, int(requested_pause))


class Malformed(GatewayError):
    """Answer without a field of the pinned API version; `path` names the field."""

    status = 502
    code = "stripe.malformed"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"Stripe's answer: {path} {problem}")
        self.path = path
        self.stripe_id = ""  # of the whole object, where it is known
        self.customer_id = ""  # of the object, where it is known


class BadSignature(GatewayError):
    """Webhook that Stripe did not sign, or did not sign just now."""

    status = 400
    code = "stripe.bad_signature"
