"""Login endpoints of contracts A and C, which issue login tokens."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from orgs.access import Credential, count_call, issue_token, log_in, principal
from orgs.errors import Unauthorized
from orgs.models import User
from orgs.schemas.errors import ErrorsOut, FailureOut

router = Router(tags=["login"], auth=None)
_STATUSES = (400, 401, 403, 413, 415, 429, 503)


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
        description="The code of two-factor login, or a recovery code.",
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

    Accounts that use two-factor login are refused; use an API key instead. The code
    `two_factor_required` means that the account has to set up two-factor login.
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

    Accounts that use two-factor login must also send `totpToken`. An account that has
    to set up two-factor login first gets a 403.
    """
    code = data.totpToken or ""
    token = _token(request, data.username, data.password, code=code)
    return {"success": True, "token": token}


@router.post(
    "/api/v1/users/auth/_refresh",
    response={200: TokenOut, **dict.fromkeys((400, 401, 403, 429, 500), ErrorsOut)},
    summary="Renew a login token (contract C)",
    operation_id="refresh_login_token",
    auth=Credential(),
)
def refresh(request: HttpRequest) -> Any:
    """Return a new login token for a valid one, which is sent as `Bearer`.

    The client of the contract asks for one every minute. The old token stays valid
    until it expires. A login can be renewed for 12 hours, or what the installation
    sets. An API key is refused: it needs no renewal.
    """
    caller = principal(request)
    if caller.user_id is None or caller.by_session:
        raise Unauthorized("Send a login token.")
    count_call(caller)
    user = User.objects.get(pk=caller.user_id)
    return {"token": issue_token(user, logged_in_at=caller.logged_in_at)}


def _token(request: HttpRequest, name: str, password: str, *, code: str = "") -> str:
    user = log_in(request, name, password, code=code)
    if user is None:
        raise Unauthorized(
            "The username or password is wrong, or a two-factor code is required.",
            code="root.unauthenticated",
        )
    return issue_token(user)
