"""Whether an organization has access; API gateways ask on each request."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router

from billing.api.queries.access import BESIDE, list_refusals, refusals_of
from billing.api.schemas.access import AccessOut, access_body
from orgs import access
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.schemas.errors import ErrorsOut

__all__ = ["BESIDE", "answer", "router"]
router = Router(tags=["organizations"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)


@router.get(
    "/organizations/{organization_id}/access",
    response={200: AccessOut, **_READS},
    summary="Check the access of an organization",
    auth=access.needs(Scope.ORGANIZATIONS_READ, reaches_deleted=True),
)
def read_access(request: HttpRequest, organization_id: str) -> HttpResponse:
    """Return whether API requests of an organization should be served.

    `allowed` is false while there are `reasons` to refuse them. Usage that is reported
    anyway is recorded and billed. Reaching a hard limit takes effect within two
    seconds. Works for deleted organizations as well. Safe to call on each request.
    """
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_READ, include_deleted=True
    )
    barred = list_refusals(organization.pk, now=timezone.now())
    body = access_body(organization, barred)
    return HttpResponse(body, content_type="application/json")


def answer(organization: Organization, row: Sequence[Any], now: datetime) -> bytes:
    """The same from what was read beside the organization."""
    return access_body(organization, refusals_of(row, now=now))
