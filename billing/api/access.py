"""API endpoint that answers whether an organization has access.

API gateways may call it on each request that they serve.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router

from billing.access.decision import read_refusals
from billing.access.queries.facts import ACCESS_JOIN, list_refusals
from billing.api.schemas.access import AccessOut, access_body
from orgs import access
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.schemas.errors import ErrorsOut

__all__ = ["ACCESS_JOIN", "access_answer", "router"]
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
    refusals = list_refusals(organization.pk, now=timezone.now())
    body = access_body(organization, refusals)
    return HttpResponse(body, content_type="application/json")


def access_answer(
    organization: Organization, row: Sequence[Any], now: datetime
) -> bytes:
    """Return the endpoint's body from a row that was read with `ACCESS_JOIN`.

    The fast path reads it in the statement that reads the organization.
    """
    return access_body(organization, read_refusals(row, now=now))
