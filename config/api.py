"""The JSON API, put together: one OpenAPI document, one set of credentials."""

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.parser import Parser
from ninja.security.base import AuthBase

from billing.api import account_router, balance_router
from config import errors
from metrics.api import (
    costs_router,
    events_router,
    rates_router,
    usage_router,
    whitelabel_router,
)
from orgs.access import Principal, authenticate
from orgs.api import login_router, organizations_router, people_router
from orgs.errors import DomainError
from orgs.schemas.bodies import read_json

_OWN_PREFIX = "/api/v1/"


class Credential(AuthBase):
    """A key or a login token, in any of the forms the contracts know."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = (
        "An API key or login token. The same is taken as `Authorization: ApiKey …`,"
        " `x-api-key`, `x-jwt-token`, the cookie `jwt`, or Basic's password."
    )

    def __call__(self, request: HttpRequest) -> Principal | None:
        found = authenticate(request)
        if found is not None and request.path.startswith(_OWN_PREFIX):
            check_query(request)
        return found


def check_query(request: HttpRequest) -> None:
    """Ours: a parameter twice, or a NUL in one, is a mistake and not a choice.

    The published contracts ignore what they do not know, so only `/api/v1` is strict.
    """
    for name, values in request.GET.lists():
        if len(values) > 1:
            raise DomainError(
                "A parameter is given twice.",
                code="duplicate_parameter",
                fields=(name,),
            )
        if "\x00" in name or "\x00" in values[0]:
            raise DomainError(
                "Text must not contain a NUL.",
                code="invalid_character",
                fields=(name.replace("\x00", ""),),
            )


class StrictParser(Parser):
    """Bodies as `orgs.schemas.bodies` reads them."""

    def parse_body(self, request: HttpRequest) -> Any:
        return read_json(request)


api = NinjaAPI(
    title="Orgdesk",
    version="1",
    description=(
        "Organizations, their usage, and what it costs. Of the white-label contract"
        " under `/v1/api`, themes, boards, deployment targets, learning blocks and"
        " data exports are not served."
    ),
    auth=Credential(),
    parser=StrictParser(),
    docs_url=None,  # served by config.views, to those who may see them
    openapi_url=None,
    urls_namespace="api",
)
errors.register(api)
api.add_router("", login_router)
api.add_router("/api/v1", organizations_router)
api.add_router("/api/v1", people_router)
api.add_router("/api/v1", events_router)
api.add_router("/api/v1", usage_router)
api.add_router("/api/v1", rates_router)
api.add_router("/api/v1", costs_router)
api.add_router("/api/v1", balance_router)
api.add_router("/v1", account_router)
api.add_router("/v1/api", whitelabel_router)
