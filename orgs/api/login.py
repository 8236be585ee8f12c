"""Login endpoints of contracts A and C, which issue login tokens."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from orgs.access import issue_token, log_in
from orgs.errors import Unauthorized
from orgs.schemas.errors import ErrorsOut, FailureOut

router = Router(tags=["login"], auth=None)
_STATUSES = (400, 401, 413, 415, 429, 503)


class LoginIn(Schema):
    """A username and password. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True)

    username: str = Field(
        min_length=1, max_length=254, description="The username or email address."
    )
    password: str = Field(
        min_length=1, max_length=1_000, description="The account's password."
    )


class LoginWithCodeIn(LoginIn):
    """A username, password, and two-factor code. Unknown fields are ignored."""

    totpToken: str | None = Field(  # noqa: N815  contract A's spelling
        None,
        max_length=20,
        description="The six-digit code; required with two-factor login.",
    )


class TokenOut(Schema):
    """A login token."""

    token: str = Field(description="The login token. It expires after one hour.")


class LoginOut(Schema):
    """A login token, in the format of contract A."""

    success: bool = Field(description="Always true.")
    token: str = Field(description="The login token. It expires after one hour.")


@router.post(
    "/api/v1/users/auth/_login",
    response={200: TokenOut, **dict.fromkeys(_STATUSES, ErrorsOut)},
    summary="Log in with a password (contract C)",
    operation_id="create_login_token",
)
def login(request: HttpRequest, data: LoginIn) -> Any:
    """Return a login token that is valid for one hour.

    Accounts that use two-factor login are refused; use an API key instead.
    """
    return {"token": _token(request, data.username, data.password)}


@router.post(
    "/v1/api-login",
    response={200: LoginOut, **dict.fromkeys(_STATUSES, FailureOut)},
    summary="Log in with a password (contract A)",
    operation_id="create_white_label_login_token",
)
def api_login(request: HttpRequest, data: LoginWithCodeIn) -> Any:
    """Return a login token that is valid for one hour.

    Accounts that use two-factor login must also send `totpToken`.
    """
    code = data.totpToken or ""
    token = _token(request, data.username, data.password, code=code)
    return {"success": True, "token": token}


def _token(request: HttpRequest, name: str, password: str, *, code: str = "") -> str:
    user = log_in(request, name, password, code=code)
    if user is None:
        raise Unauthorized(
            "The username or password is wrong, or a two-factor code is required.",
            code="root.unauthenticated",
        )
    return issue_token(user)
