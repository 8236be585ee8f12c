"""Contract C: what an organization costs, as a chart."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from metrics.queries import series
from metrics.schemas import ChartsIn, ChartsOut, charts_body
from orgs import access
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["costs"])
ERRORS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)


@router.get(
    "/billing/costs/{organization_id}/charts",
    response={200: ChartsOut, **ERRORS},
    summary="Costs of an organization over time, by product",
)
def charts(
    request: HttpRequest, organization_id: str, query: Query[ChartsIn]
) -> HttpResponse:
    """The same numbers as the organization's cost chart: one query serves both."""
    organization = access.billed_organization(request, organization_id)
    white_label = organization.white_label
    found = series(organization.id, query.filters(white_label))
    body = charts_body(found, white_label)
    return HttpResponse(body, content_type="application/json")
