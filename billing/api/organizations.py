"""Contract B: the caller's own organization, its integrations and limits."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Body, Query, Router

from billing.commands import alerts, change_limits
from billing.queries import account, list_stripe_ids
from billing.queries.alerts import list_fired
from billing.schemas.bodies import organization_body
from billing.schemas.changes import (
    IntegrationsIn,
    LimitsIn,
    LimitsOut,
    MembershipOut,
    MembershipsIn,
    limits_body,
    memberships,
)
from billing.schemas.organizations import OwnOrganizationOut
from billing.tasks import tell
from metrics.commands import set_integrations
from orgs import access
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.schemas.errors import DetailOut

router = Router(tags=["own organization"])
_READS: dict[int, Any] = dict.fromkeys((401, 403, 404, 422, 429, 500), DetailOut)
_WRITES: dict[int, Any] = {**_READS, 413: DetailOut, 415: DetailOut}


@router.put(
    "/orgs/integrations",
    response={200: OwnOrganizationOut, **_WRITES},
    summary="Set where metrics and logs are pushed to",
    auth=access.needs(Scope.INTEGRATIONS_WRITE),
)
def set_targets(request: HttpRequest, data: Body[IntegrationsIn]) -> HttpResponse:
    """`prom` and `loki`: left out stays, null clears, an object replaces all of it.

    Answers the whole organization; tokens are masked there and everywhere.
    """
    organization = access.own_organization(request, Scope.INTEGRATIONS_WRITE)
    set_integrations(organization.id, data.targets())
    return _organization(organization)


@router.get(
    "/orgs/current",
    response={200: OwnOrganizationOut, **_READS},
    summary="The organization the key is of",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def current(request: HttpRequest) -> HttpResponse:
    """A white label's key acts for the organization that owns it."""
    organization = access.own_organization(request, Scope.ORGANIZATIONS_READ)
    return _organization(organization)


@router.get(
    "/orgs/list",
    response={200: list[MembershipOut], **_READS},
    summary="Organizations the credential reaches, by id",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def list_memberships(request: HttpRequest, filters: Query[MembershipsIn]) -> Any:
    """Deleted ones are left out; at most a thousand a call, more with `after`."""
    principal = access.caller(request, Scope.ORGANIZATIONS_READ)
    rows = access.visible(principal).present().filter(pk__gt=filters.after)
    page = list(rows.order_by("pk")[: filters.limit])
    return memberships(page, principal, list_stripe_ids([row.pk for row in page]))


@router.put(
    "/billing/limits",
    response={200: LimitsOut, **_WRITES},
    summary="Set both spending limits",
    auth=access.needs(Scope.BILLING_WRITE),
)
def set_limits(request: HttpRequest, data: Body[LimitsIn]) -> HttpResponse:
    """Soft: a letter. Hard: a letter, and access is refused. 0 or null is none.

    Compared with the open period's cost after free balance. Both are set at once: one
    that is left out is none. `alerts` are those that this fired: a limit that is below
    the cost is crossed as soon as it is set.
    """
    organization = access.own_organization(request, Scope.BILLING_WRITE)
    before = timezone.now()  # a worker may be as quick as we are
    change_limits(
        organization.id, soft=data.spending_limit_soft, hard=data.spending_limit_hard
    )
    tell(alerts.evaluate_whole([organization.id]))
    fired = list_fired(organization.id, since=before)
    return _json(limits_body(account(organization), fired))


def _organization(organization: Organization) -> HttpResponse:
    return _json(organization_body(account(organization)))


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json")
