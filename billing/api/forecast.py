"""API endpoint of an organization's estimated invoice and forecast."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from billing.api.schemas.forecast import ForecastOut, forecast_body
from billing.forecast.queries.estimated_invoices import get_estimate
from billing.stripe.tasks import request_previews
from orgs import access
from orgs.catalog import Scope
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["organizations"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)


@router.get(
    "/organizations/{organization_id}/forecast",
    response={200: ForecastOut, **_READS},
    summary="Estimate the next invoice of an organization",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="get_forecast",
)
def read_forecast(request: HttpRequest, organization_id: str) -> HttpResponse:
    """Return what the organization will owe at the end of its open period.

    The lines add up to the totals. Usage to date is exact; the rest of the period is
    forecast by weekday from the last eight weeks, with a range and with how often it
    was right in past periods. The pages show the same figures.
    """
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ
    )
    estimate = get_estimate(organization)
    request_previews(organization, estimate)
    return HttpResponse(forecast_body(estimate), content_type="application/json")
