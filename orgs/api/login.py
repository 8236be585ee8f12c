"""Login tokens, as contracts A and C ask for them."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from orgs.access import issue_token, log_in
from orgs.errors import Unauthorized
from orgs.schemas.errors import ErrorsOut, FailureOut

router = Router(tags=["login"], auth=None)


class LoginIn(Schema):
    """Fields we have no use for are ignored."""

    model_config = ConfigDict(strict=True)

    username: str = Field(min_length=1, max_length=254, description="Or the e-mail.")
    password: str = Field(min_length=1, max_length=1_000)


class LoginWithCodeIn(LoginIn):
    totpToken: str | None = Field(  # noqa: N815  contract A's spelling
        None, max_length=20, description="Needed where two-factor login is on."
    )


class TokenOut(Schema):
    token: str


class LoginOut(Schema):
    success: bool
    token: str


@router.post(
    "/api/v1/users/auth/_login",
    response={200: TokenOut, 400: ErrorsOut, 401: ErrorsOut, 413: ErrorsOut,
              415: ErrorsOut, 429: ErrorsOut, 503: ErrorsOut},
    summary="Log in with a password (contract C)",
)  # fmt: skip
def login(request: HttpRequest, data: LoginIn) -> Any:
    """A token for an hour; for accounts without two-factor login."""
    return {"token": _token(request, data.username, data.password)}


@router.post(
    "/v1/api-login",
    response={200: LoginOut, 400: FailureOut, 401: FailureOut, 413: FailureOut,
              415: FailureOut, 429: FailureOut, 503: FailureOut},
    summary="Log in with a password (contract A)",
)  # fmt: skip
def api_login(request: HttpRequest, data: LoginWithCodeIn) -> Any:
    """A token for an hour; `totpToken` where two-factor login is on."""
    code = data.totpToken or ""
    token = _token(request, data.username, data.password, code=code)
    return {"success": True, "token": token}


def _token(request: HttpRequest, name: str, password: str, *, code: str = "") -> str:
    user = log_in(request, name, password, code=code)
    if user is None:
        raise Unauthorized(
            "The name or password is wrong, or a code is needed.",
            code="root.unauthenticated",
        )
    return issue_token(user)
