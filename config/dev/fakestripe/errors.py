"""Refusals as Stripe words them: a status, a type, a code and the parameter."""

from typing import Any

_DOCS = "https://docs.stripe.com/error-codes#"


class ApiError(Exception):
    """A call that is refused.

    `keeps`: what the call did stays, as a failed payment does. `saved`: the answer is
    kept under the idempotency key; refused parameters are not, nothing had begun.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        keeps: bool = False,
        saved: bool = True,
        **more: str,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.kind = kind
        self.keeps = keeps
        self.saved = saved
        self.more = more

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": str(self), "type": self.kind}
        if self.code:
            error |= {"code": self.code, "doc_url": _DOCS + self.code}
        if self.param:
            error["param"] = self.param
        return {"error": error | self.more}


def no_such(noun: str, object_id: str, *, param: str = "id") -> ApiError:
    """404 when the path names it, 400 when a parameter does."""
    return ApiError(
        404 if param == "id" else 400,
        f"No such {noun}: '{object_id}'",
        code="resource_missing",
        param=param,
    )


def missing(param: str) -> ApiError:
    return ApiError(
        400,
        f"Missing required param: {param}.",
        code="parameter_missing",
        param=param,
        saved=False,
    )


def unknown(param: str) -> ApiError:
    return ApiError(
        400,
        f"Received unknown parameter: {param}",
        code="parameter_unknown",
        param=param,
        saved=False,
    )


def invalid(param: str, message: str, code: str | None = None) -> ApiError:
    return ApiError(400, message, code=code, param=param, saved=False)


def refused(message: str, *, code: str | None = None, param: str = "") -> ApiError:
    """Return the error of a call whose object is in the wrong state."""
    return ApiError(400, message, code=code, param=param or None)


def declined() -> ApiError:
    return ApiError(
        402,
        "Your card was declined.",
        code="card_declined",
        kind="card_error",
        keeps=True,
        decline_code="generic_decline",
    )


def unauthorized(message: str, code: str | None = None) -> ApiError:
    return ApiError(401, message, code=code, saved=False)
