"""An organization's usage and days: JSON and CSV, from the queries of the pages."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from metrics.periods import day_of
from metrics.queries import By, DayMetrics, Series, SeriesFilters, daily_metrics, series
from metrics.schemas import ChartsIn, number
from orgs import access
from orgs.catalog import Scope
from orgs.errors import DomainError
from orgs.models import Organization
from orgs.schemas.csv import csv_text
from orgs.schemas.errors import ErrorsOut
from orgs.schemas.numbers import PlainInt

router = Router(tags=["usage"])
_ERRORS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_CSV: dict[str, Any] = {
    "responses": {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
}


class UsageIn(ChartsIn):
    """As a chart's range; lines are meters unless `by=product`."""

    by: str = Field("meter", max_length=10, description="`meter` or `product`.")
    project_id: PlainInt | None = Field(None, ge=1, le=2**63 - 1)

    def series_filters(self, organization: Organization) -> SeriesFilters:
        found = self.filters(organization.white_label)
        try:
            by = By(self.by.lower())
        except ValueError:
            raise DomainError(
                "`by` must be `meter` or `product`.", code="invalid_by", fields=("by",)
            ) from None
        return SeriesFilters(found.range, found.grain, by, self.project_id)


class UsageBucketOut(Schema):
    id: str
    name: str
    quantity: int = Field(description="Whole units; of a product, only of one meter.")
    cost: float
    benchmark_cost: float


class UsagePointOut(Schema):
    bucket: str = Field(description="First day of the bucket, the white label's.")
    values: list[UsageBucketOut]


class UsageOut(Schema):
    """Every bucket of the half-open range, empty ones too."""

    currency: str
    time_zone: str
    data: list[UsagePointOut]


@router.get(
    "/organizations/{organization_id}/usage",
    response={200: UsageOut, **_ERRORS},
    summary="Usage of an organization over time",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def usage(
    request: HttpRequest, organization_id: str, query: Query[UsageIn]
) -> HttpResponse:
    """Quantities and costs by meter or product."""
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_READ
    )
    found = series(organization.pk, query.series_filters(organization))
    body = {
        "currency": organization.white_label.currency,
        "time_zone": organization.white_label.time_zone,
        "data": [_point(found, bucket) for bucket in found.buckets],
    }
    return HttpResponse(orjson.dumps(body), content_type="application/json")


def _point(found: Series, bucket: Any) -> dict[str, Any]:
    return {
        "bucket": bucket.isoformat(),
        "values": [
            {
                "id": line.id,
                "name": line.name,
                "quantity": number(amounts.quantity),
                "cost": number(amounts.cost),
                "benchmark_cost": number(amounts.benchmark_cost),
            }
            for line, amounts in found.of(bucket)
        ],
    }


@router.get(
    "/organizations/{organization_id}/costs.csv",
    response={200: None, **_ERRORS},
    summary="Costs over time as CSV",
    auth=access.needs(Scope.BILLING_READ),
    openapi_extra=_CSV,
)
def costs_csv(
    request: HttpRequest, organization_id: str, query: Query[ChartsIn]
) -> HttpResponse:
    """A row per bucket and product with usage."""
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ
    )
    found = series(organization.pk, query.filters(organization.white_label))
    currency = organization.white_label.currency
    columns = ("bucket", "product", "cost", "benchmark_cost", "currency")
    rows = (
        (bucket, line.id, amounts.cost, amounts.benchmark_cost, currency)
        for bucket in found.buckets
        for line, amounts in found.of(bucket)
    )
    return _attachment(csv_text(columns, rows), f"costs-{organization.pk}.csv")


_DAY_COLUMNS = DayMetrics.__struct_fields__


@router.get(
    "/organizations/{organization_id}/metrics.csv",
    response={200: None, **_ERRORS},
    summary="Daily metrics of the last 365 days as CSV",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
    openapi_extra=_CSV,
)
def metrics_csv(request: HttpRequest, organization_id: str) -> HttpResponse:
    """A row a day, oldest first, empty days too; seconds and bytes."""
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_READ
    )
    today = day_of(timezone.now(), organization.white_label.zone)
    rows = (
        [getattr(day, name) for name in _DAY_COLUMNS]
        for day in daily_metrics(organization, last=today)
    )
    return _attachment(csv_text(_DAY_COLUMNS, rows), f"metrics-{organization.pk}.csv")


def _attachment(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
