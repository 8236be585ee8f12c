"""The JSON API, put together: one OpenAPI document, one set of credentials."""

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.operation import Operation
from ninja.parser import Parser

from billing.api import (
    access_router,
    account_router,
    balance_router,
    difference_router,
    forecast_router,
    needs_action_router,
)
from billing.exports.api import router as exports_router
from billing.listings.api import router as listings_router
from billing.webhooks.api import router as webhooks_router
from config import errors
from config.version import VERSION
from metrics.api import (
    costs_router,
    events_router,
    rates_router,
    usage_router,
    whitelabel_router,
)
from orgs.access import Credential, with_parameters
from orgs.api import login_router, organizations_router, people_router
from orgs.schemas.bodies import read_json


class StrictParser(Parser):
    """Bodies as `orgs.schemas.bodies` reads them."""

    def parse_body(self, request: HttpRequest) -> Any:
        return read_json(request)


class Api(NinjaAPI):
    """The API; an operation's ID is its `operation_id`, or its function's name.

    Files and functions of generated clients are named after it.
    """

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


api = Api(
    title="Orgdesk",
    version=VERSION,
    auth=Credential(),
    parser=StrictParser(),
    docs_url=None,  # served by config.views, to those who may see them
    openapi_url=None,
    urls_namespace="api",
)
errors.register(api)
api.add_decorator(with_parameters, mode="view")
# Addresses are tried in this order: those asked for most come first.
api.add_router("/api/v1", costs_router)
api.add_router("/api/v1", access_router)
api.add_router("/api/v1", events_router)
api.add_router("", login_router)
api.add_router("/api/v1", organizations_router)
api.add_router("/api/v1", people_router)
api.add_router("/api/v1", usage_router)
api.add_router("/api/v1", rates_router)
api.add_router("/api/v1", balance_router)
api.add_router("/api/v1", difference_router)
api.add_router("/api/v1", forecast_router)
api.add_router("/api/v1", needs_action_router)
api.add_router("/api/v1", exports_router)
api.add_router("/api/v1", webhooks_router)
api.add_router("/api/v1", listings_router)
api.add_router("/v1", account_router)
api.add_router("/v1/api", whitelabel_router)
