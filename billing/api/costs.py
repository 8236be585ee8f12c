"""API endpoint of contract C's overview, in billing because it shows balances."""

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from billing.api.schemas.balances import OverviewOut, overview_body
from billing.ledger.queries.balances import get_free_balance
from metrics.api.costs import ERRORS
from metrics.queries.items import cost_items
from metrics.schemas.charts import RangeIn
from orgs import access
from orgs.catalog import Scope

router = Router(tags=["costs"])


@router.get(
    "/billing/costs/{organization_id}",
    response={200: OverviewOut, **ERRORS},
    summary="Retrieve the costs and balance of an organization",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="get_cost_overview",
)
def overview(
    request: HttpRequest, organization_id: str, query: Query[RangeIn]
) -> HttpResponse:
    """Return the costs of the range and the free balance that is left.

    `costs.total` equals the sum of the cost items, of the deployments, and of the chart
    of the same range.
    """
    organization = access.billed_organization(request, organization_id)
    white_label = organization.white_label
    days = query.days(white_label)
    items = cost_items(organization.id, days)
    body = overview_body(items, get_free_balance(organization), days, white_label)
    return HttpResponse(body, content_type="application/json")
