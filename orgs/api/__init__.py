"""API endpoints for organizations, their people, and logging in."""

from orgs.api.login import router as login_router
from orgs.api.organizations import router as organizations_router
from orgs.api.people import router as people_router

__all__ = ["login_router", "organizations_router", "people_router"]
