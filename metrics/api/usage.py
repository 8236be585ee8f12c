"""API endpoints of an organization's usage, as JSON and CSV."""

from dataclasses import replace
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from metrics.periods import DayRange, Grain
from metrics.queries.daily_metrics import DAYS, DayMetrics, daily_metrics
from metrics.queries.series import GroupBy, Series, SeriesFilters, series
from metrics.schemas.charts import ChartsIn, number
from metrics.schemas.costs_csv import cost_columns, cost_rows
from orgs import access
from orgs.catalog import Scope
from orgs.days import ONE_DAY, day_of, parse_day
from orgs.errors import DomainError
from orgs.models import Organization, WhiteLabel
from orgs.schemas.csv import csv_text
from orgs.schemas.errors import ErrorsOut
from orgs.schemas.exports import CsvIn, csv_answer
from orgs.schemas.numbers import DELETED_FIELD, PlainBool, PlainInt

router = Router(tags=["usage"])
_ERRORS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_COSTS_EXAMPLE = (
    ",".join(cost_columns(GroupBy.PRODUCT))
    + "\r\n2026-11-05,gpt-4o,12.87,15.44,usd,0\r\n"
)


BY_FIELD: Any = Field(
    None, max_length=10, description="The same as `group_by`, as the pages spell it."
)


class UsageIn(ChartsIn):
    """Range and grouping of the usage."""

    group_by: str | None = Field(
        None,
        max_length=10,
        description="Group by `meter`, `product`, or `project`; by default by meter.",
    )
    by: str | None = BY_FIELD
    project_id: PlainInt | None = Field(
        None, ge=1, le=2**63 - 1, description="Only usage of the project with this ID."
    )

    def series_filters(self, organization: Organization) -> SeriesFilters:
        """Return the filters of the query; raise `DomainError` for an unknown `by`."""
        filters = self.filters(organization.white_label)
        group_by = _read_group_by(self.group_by, self.by) or GroupBy.METER
        return replace(filters, group_by=group_by, project_id=self.project_id)


class CostsIn(ChartsIn):
    """Range and grouping of the costs."""

    group_by: str | None = Field(
        None,
        max_length=10,
        description="Group by `product`, `project`, or `meter`; by default by product.",
    )
    by: str | None = BY_FIELD

    def series_filters(self, organization: Organization) -> SeriesFilters:
        """Return the filters of the query; raise `DomainError` for an unknown `by`."""
        filters = self.filters(organization.white_label)
        group_by = _read_group_by(self.group_by, self.by) or GroupBy.PRODUCT
        return replace(filters, group_by=group_by)


def _read_group_by(group_by: str | None, by: str | None) -> GroupBy | None:
    """Return what to group by; None without either parameter.

    Raises `DomainError` for an unknown value, and if the two differ.
    """
    if group_by is not None and by not in (None, group_by):
        message = "Send `group_by` or `by`, not both."
        raise DomainError(message, code="invalid_by", fields=("by",))
    name, text = ("by", by) if group_by is None else ("group_by", group_by)
    try:
        return None if text is None else GroupBy(text.lower())
    except ValueError:
        raise DomainError(
            f"`{name}` must be `meter`, `product`, or `project`.",
            code="invalid_by",
            fields=(name,),
        ) from None


class UsageBucketOut(Schema):
    """Usage of one meter or product in one bucket."""

    id: str = Field(description="The meter's code or the product.")
    name: str = Field(description="A label for people.")
    quantity: int = Field(
        description="Whole units of the meter. With `group_by=product`, units of"
        " different meters are added up, so it is meaningful for products with one"
        " meter only."
    )
    cost: float | None = Field(
        description="Cost in `currency`; null without the scope `billing:read`."
    )
    benchmark_cost: float | None = Field(
        description="Cost at benchmark prices in `currency`; null without the scope"
        " `billing:read`."
    )
    unpriced_quantity: int = Field(
        description="The part of `quantity` for which there was no rate. It is not in"
        " the costs."
    )


class UsagePointOut(Schema):
    """Usage in one day or month."""

    bucket: str = Field(
        description="First day of the bucket in the white label's time zone."
    )
    values: list[UsageBucketOut] = Field(
        description="The meters or products with usage in the bucket."
    )


class UsageOut(Schema):
    """Usage per day or month."""

    currency: str = Field(description="The white label's currency, such as `usd`.")
    time_zone: str = Field(description="The time zone in which days start.")
    data: list[UsagePointOut] = Field(
        description="Every bucket of the range, oldest first, including empty ones."
    )


@router.get(
    "/organizations/{organization_id}/usage",
    response={200: UsageOut, **_ERRORS},
    summary="Retrieve the usage of an organization over time",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
    operation_id="get_usage",
)
def usage(
    request: HttpRequest, organization_id: str, query: Query[UsageIn]
) -> HttpResponse:
    """Return quantities and costs per day or month, by meter or product.

    Costs are null without the scope `billing:read`.
    """
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_READ
    )
    usage_series = series(organization.pk, query.series_filters(organization))
    has_costs = Scope.BILLING_READ in access.principal(request).scopes
    body = {
        "currency": organization.white_label.currency,
        "time_zone": organization.white_label.time_zone,
        "data": [
            _point(usage_series, bucket, has_costs=has_costs)
            for bucket in usage_series.buckets
        ],
    }
    return HttpResponse(orjson.dumps(body), content_type="application/json")


def _point(usage_series: Series, bucket: Any, *, has_costs: bool) -> dict[str, Any]:
    return {
        "bucket": bucket.isoformat(),
        "values": [
            {
                "id": line.id,
                "name": line.name,
                "quantity": number(amounts.quantity),
                "cost": number(amounts.cost) if has_costs else None,
                "benchmark_cost": (
                    number(amounts.benchmark_cost) if has_costs else None
                ),
                "unpriced_quantity": number(amounts.unpriced_quantity),
            }
            for line, amounts in usage_series.amounts_in(bucket)
        ],
    }


@router.get(
    "/organizations/{organization_id}/costs.csv",
    response={200: None, **_ERRORS},
    summary="Export costs over time as CSV",
    auth=access.needs(Scope.BILLING_READ),
    openapi_extra=csv_answer(_COSTS_EXAMPLE),
    operation_id="export_costs",
)
def costs_csv(
    request: HttpRequest,
    organization_id: str,
    query: Query[CostsIn],
    file: Query[CsvIn],
) -> HttpResponse:
    """Return one row per day or month and product, project, or meter with usage.

    `unpriced_quantity` is the quantity for which there was no rate; if that is all of
    it, the costs are empty, not 0.
    """
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ
    )
    filters = query.series_filters(organization)
    costs = series(organization.pk, filters)
    rows = cost_rows(costs, organization.white_label.currency)
    columns = cost_columns(filters.group_by)
    text = csv_text(columns, rows, for_excel=file.is_for_excel)
    return _attachment(text, f"costs-{organization.pk}.csv")


class DaysIn(CsvIn):
    """Which days to export; by default the last 365, including today."""

    from_: str | None = Field(
        None,
        alias="from",
        max_length=40,
        description="First day, as a date or date-time. Defaults to 365 days before"
        " `to`.",
    )
    to: str | None = Field(
        None,
        max_length=40,
        description="Day after the last, as a date or date-time. Defaults to tomorrow,"
        " so that today is included.",
    )

    includeDeleted: PlainBool = DELETED_FIELD  # noqa: N815  as everywhere in this API

    def days(self, white_label: WhiteLabel) -> DayRange:
        """Return the days, at most three years; raise `InvalidDateRange`."""
        zone = white_label.zone
        end = day_of(timezone.now(), zone) + ONE_DAY
        if self.to:
            end = parse_day(self.to, zone, field="to")
        start = end - DAYS * ONE_DAY
        if self.from_:
            start = parse_day(self.from_, zone, field="from")
        return DayRange(start, end).within(Grain.DAILY)


_DAY_COLUMNS = DayMetrics.__struct_fields__
_METRICS_EXAMPLE = "{}\r\n2026-11-05{}\r\n".format(
    ",".join(_DAY_COLUMNS), ",0" * (len(_DAY_COLUMNS) - 1)
)


@router.get(
    "/organizations/{organization_id}/metrics.csv",
    response={200: None, **_ERRORS},
    summary="Export daily metrics as CSV",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
    openapi_extra=csv_answer(_METRICS_EXAMPLE),
    operation_id="export_daily_metrics",
)
def metrics_csv(
    request: HttpRequest, organization_id: str, query: Query[DaysIn]
) -> HttpResponse:
    """Return one row per day, oldest first, including days without usage.

    Compute is in seconds, storage in bytes.
    """
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_READ
    )
    days = query.days(organization.white_label)
    metrics = (
        daily_metrics(organization, last=days.end - ONE_DAY, days=days.days)
        if days.days
        else []
    )
    rows = ([getattr(day, name) for name in _DAY_COLUMNS] for day in metrics)
    text = csv_text(_DAY_COLUMNS, rows, for_excel=query.is_for_excel)
    return _attachment(text, f"metrics-{organization.pk}.csv")


def _attachment(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
