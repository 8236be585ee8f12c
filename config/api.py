"""The JSON API, put together: one OpenAPI document, one error language."""

from ninja import NinjaAPI

from config import errors
from metrics.api import router as costs
from orgs.access import authenticate
from orgs.api import router as organizations

api = NinjaAPI(
    title="Orgdesk",
    version="1",
    auth=authenticate,
    docs_url=None,  # public by default; comes back for staff, from our own host
    openapi_url=None,
    urls_namespace="api",
)
errors.register(api)
api.add_router("", organizations)
api.add_router("", costs)
