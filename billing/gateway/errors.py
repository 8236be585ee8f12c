"""What a call to Stripe can end in; none of these ever carries the key."""

import re
from typing import ClassVar

from orgs.errors import DomainError

_SECRETS = re.compile(r"\b(?:sk|rk|pk|whsec)_\w[\w*]*")


def redacted(text: str) -> str:
    """Stripe repeats parts of keys in its messages: pages and logs must not."""
    return _SECRETS.sub("(secret)", text)


class GatewayError(DomainError):
    """Any of the below; `is_retryable` says that the same call may succeed later."""

    is_retryable: ClassVar[bool] = False


class Missing(GatewayError):
    """There is no such object in Stripe."""

    status = 404
    code = "stripe.missing"


class Refused(GatewayError):
    """Stripe will not: `code` and `param` are its own words, as `card_declined`."""

    status = 422
    code = "stripe.refused"

    def __init__(self, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message, code=code, fields=(param,) if param else ())
        self.param = param


class Unavailable(GatewayError):
    """No answer, too many calls, or an error of theirs; or they do not take our key.

    Whether a write was done is not known: send it again with the same key.
    """

    status = 503
    code = "stripe.unavailable"
    is_retryable = True

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        again: bool = True,
        asked_pause: float = 0.0,
    ) -> None:
        super().__init__(message, code=code)
        self.again = again  # within this call; else later, when something has changed
        self.asked_pause = asked_pause  # seconds, of Stripe's own
        self.retry_after = max(5, int(asked_pause))


class Malformed(GatewayError):
    """An answer without what the pinned version promises; `path` says where."""

    status = 502
    code = "stripe.malformed"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"Stripe's answer: {path} {problem}")
        self.path = path
        self.stripe_id = ""  # of the whole object, where it is known


class BadSignature(GatewayError):
    """A webhook that Stripe did not sign, or not just now."""

    status = 400
    code = "stripe.bad_signature"
