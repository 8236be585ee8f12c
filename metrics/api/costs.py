"""Contract C: costs of an organization and its projects, as charts and as items.

All answers read the same rows: the items, the deployments and the buckets of a chart
of one range add up to the same total. Balances are in `billing.api.costs`.
"""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from metrics.errors import DeploymentNotFound
from metrics.queries.items import (
    Deployment,
    cost_items,
    deployment_costs,
    find_deployment,
)
from metrics.queries.series import GroupBy, SeriesFilters, cost_digits
from metrics.queries.usage_version import usage_version
from metrics.schemas.charts import ChartsIn, ChartsOut, RangeIn, charts_body
from metrics.schemas.costs import (
    DeploymentsOut,
    ItemsOut,
    deployments_body,
    items_body,
)
from orgs import access
from orgs.catalog import Scope
from orgs.errors import OrganizationNotFound
from orgs.models import Organization
from orgs.schemas.errors import ErrorsOut
from orgs.web.http import add_tag, entity_tag, matches_tag, not_modified

router = Router(tags=["costs"])
ERRORS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_PATH = "/billing/costs/{organization_id}"
_DEPLOYMENT = _PATH + "/deployments/{deployment_id}"


class AccountOut(Schema):
    """The organization of the credential."""

    id: str = Field(description="The organization's ID in Orgdesk.")


@router.get(
    "/account",
    response={200: AccountOut, **dict.fromkeys((401, 403, 404, 429, 500), ErrorsOut)},
    summary="Retrieve the organization of the credential",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="get_account",
)
def account(request: HttpRequest) -> dict[str, str]:
    """Return the organization that the credential belongs to.

    For an API key of a whole white label, this is the organization that owns it.
    """
    organization = access.own_organization(request, Scope.BILLING_READ)
    return {"id": str(organization.id)}


@router.get(
    _PATH + "/charts",
    response={200: ChartsOut, **ERRORS},
    summary="Retrieve the costs of an organization over time, by product",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="get_cost_chart",
)
def charts(
    request: HttpRequest, organization_id: str, query: Query[ChartsIn]
) -> HttpResponse:
    """Return the cost per day or month and product, as on the Costs page."""
    organization = access.billed_organization(request, organization_id)
    return _chart(request, organization, query.filters(organization.white_label))


@router.get(
    _PATH + "/items",
    response={200: ItemsOut, **ERRORS},
    summary="List the cost items of an organization",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="list_cost_items",
)
def items(
    request: HttpRequest, organization_id: str, query: Query[RangeIn]
) -> HttpResponse:
    """Return the cost of each product and meter in the range.

    Compute and tokens are listed in `resources`, storage in
    `data_transfer_and_storage`.
    """
    organization = access.billed_organization(request, organization_id)
    return _items(organization, query)


@router.get(
    _PATH + "/deployments",
    response={200: DeploymentsOut, **ERRORS},
    summary="List the costs of an organization by project",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="list_deployment_costs",
)
def list_deployments(
    request: HttpRequest, organization_id: str, query: Query[RangeIn]
) -> HttpResponse:
    """Return the cost of each deployment, which is a project in Orgdesk.

    Usage without a project is listed as the deployment `none`, so the costs add up to
    the total of the organization.
    """
    organization = access.billed_organization(request, organization_id)
    days = query.days(organization.white_label)
    costs = deployment_costs(organization.id, days)
    return _json(deployments_body(costs, days, organization.white_label))


@router.get(
    _DEPLOYMENT + "/items",
    response={200: ItemsOut, **ERRORS},
    summary="List the cost items of a project",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="list_deployment_cost_items",
)
def deployment_items(
    request: HttpRequest,
    organization_id: str,
    deployment_id: str,
    query: Query[RangeIn],
) -> HttpResponse:
    """Return the cost of each product and meter of a project in the range."""
    organization = access.billed_organization(request, organization_id)
    deployment = _get_deployment(organization, deployment_id, DeploymentNotFound.code)
    return _items(organization, query, project_id=deployment.project_id)


@router.get(
    _DEPLOYMENT + "/charts",
    response={200: ChartsOut, **ERRORS},
    summary="Retrieve the costs of a project over time, by meter",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="get_deployment_cost_chart",
)
def deployment_charts(
    request: HttpRequest,
    organization_id: str,
    deployment_id: str,
    query: Query[ChartsIn],
) -> HttpResponse:
    """Return the cost per day or month and meter.

    Each value has the meter's code as `id` and its label as `name`.
    """
    organization = access.billed_organization(request, organization_id)
    deployment = _get_deployment(organization, deployment_id, OrganizationNotFound.code)
    filters = replace(
        query.filters(organization.white_label),
        group_by=GroupBy.METER,
        project_id=deployment.project_id,
    )
    return _chart(request, organization, filters)


def _get_deployment(organization: Organization, id_: str, code: str) -> Deployment:
    """Return the deployment; raise `DeploymentNotFound` with the path's error code."""
    deployment = find_deployment(organization.id, id_)
    if deployment is None:
        raise DeploymentNotFound(code=code)
    return deployment


def _chart(
    request: HttpRequest, organization: Organization, filters: SeriesFilters
) -> HttpResponse:
    tag, body = read_chart(organization, filters, request.headers.get("If-None-Match"))
    return add_tag(_json(body) if body else not_modified(), tag)


def read_chart(
    organization: Organization, filters: SeriesFilters, sent_tag: str | None
) -> tuple[str, bytes | None]:
    """Return the entity tag and `ChartsOut` as JSON, or null if the caller has it.

    `sent_tag` is the `If-None-Match` header. If it is still current, only the usage
    version is read; otherwise one query reads the version and the costs.
    """
    zone = organization.white_label.zone
    if sent_tag is not None:
        tag = _tag(usage_version(organization.pk), filters, zone)
        if matches_tag(sent_tag, tag):
            return tag, None
    costs = cost_digits(organization.pk, filters)
    return _tag(costs.changes, filters, zone), charts_body(costs, filters, zone)


# Version of the body's format: raising it makes every chart that callers cached stale.
_BODY_VERSION = 1


def _tag(changes: int, filters: SeriesFilters, zone: ZoneInfo) -> str:
    """Return the entity tag: a hash of everything that the body depends on.

    The organization is part of the URL already.
    """
    return entity_tag(_BODY_VERSION, changes, filters, zone.key)


def _items(
    organization: Organization, query: RangeIn, *, project_id: int | None = None
) -> HttpResponse:
    days = query.days(organization.white_label)
    items = cost_items(organization.id, days, project_id=project_id)
    return _json(items_body(items, days, organization.white_label))


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json")
