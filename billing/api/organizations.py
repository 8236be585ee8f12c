"""API endpoints of contract B: the caller's organization, integrations and limits."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Body, Query, Router

from billing.alerts.commands.evaluation import evaluate_all_measures
from billing.alerts.commands.percents import set_percents
from billing.alerts.queries.history import list_recorded
from billing.alerts.queries.recipients import find_recipients
from billing.alerts.tasks import enqueue_emails
from billing.api.queries.accounts import get_account, list_stripe_ids
from billing.api.schemas.bodies import organization_body
from billing.api.schemas.changes import (
    IntegrationsIn,
    LimitsIn,
    LimitsOut,
    MembershipOut,
    MembershipsIn,
    limits_body,
    memberships,
)
from billing.api.schemas.organizations import OwnOrganizationOut
from billing.ledger.commands.limits import change_limits
from metrics.commands.integrations import set_integrations
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
    summary="Set the targets for metrics and logs",
    auth=access.needs(Scope.INTEGRATIONS_WRITE),
    operation_id="set_integrations",
)
def set_targets(request: HttpRequest, data: Body[IntegrationsIn]) -> HttpResponse:
    """Set the push targets of the organization for Prometheus and Loki.

    A target that is not sent stays unchanged; null removes it. Returns the
    organization. Tokens are always masked; a masked token that is sent back keeps the
    one that is stored.
    """
    organization = access.own_organization(request, Scope.INTEGRATIONS_WRITE)
    _require_costs(request)
    set_integrations(organization.id, data.targets())
    organization.refresh_from_db(fields=["updated_at"])
    return _organization_response(organization)


@router.get(
    "/orgs/current",
    response={200: OwnOrganizationOut, **_READS},
    summary="Retrieve the organization of the credential",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
    operation_id="get_current_organization",
)
def current(request: HttpRequest) -> HttpResponse:
    """Return the organization that the credential belongs to.

    For an API key of a whole white label, this is the organization that owns it. A
    person also needs the scope `billing:read`: the answer has costs and balances.
    """
    organization = access.own_organization(request, Scope.ORGANIZATIONS_READ)
    _require_costs(request)
    return _organization_response(organization)


@router.get(
    "/orgs/list",
    response={200: list[MembershipOut], **_READS},
    summary="List the organizations of the credential",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def list_memberships(request: HttpRequest, filters: Query[MembershipsIn]) -> Any:
    """Return the organizations that the credential can access, ordered by ID.

    Deleted organizations are left out. For the next page, send the last ID as `after`.
    """
    principal = access.caller(request, Scope.ORGANIZATIONS_READ)
    rows = access.visible(principal).active().filter(pk__gt=filters.after)
    page = list(rows.order_by("pk")[: filters.limit])
    return memberships(page, principal, list_stripe_ids([row.pk for row in page]))


@router.put(
    "/billing/limits",
    response={200: LimitsOut, **_WRITES, 409: DetailOut},
    summary="Set the spending limits",
    auth=access.needs(Scope.BILLING_WRITE),
    operation_id="set_spending_limits",
)
@access.idempotent
def set_limits(request: HttpRequest, data: Body[LimitsIn]) -> HttpResponse:
    """Set the soft and the hard spending limit of the organization.

    Reaching the soft limit sends an alert email; reaching the hard limit also refuses
    access. Limits are compared with the cost of the open billing period after free
    balance. A limit that is 0, null, or not sent is removed, so that unknown fields are
    refused: one may be a limit that is misspelled. A limit below the current
    cost is reached at once; `alerts` then lists the alerts it triggered.
    Percentages at which alerts are sent change only if the request has them.
    """
    organization = access.own_organization(request, Scope.BILLING_WRITE)
    # Alerts are listed by time, not from what this request evaluates: a worker may
    # evaluate the new limits first.
    changed_at = timezone.now()
    with transaction.atomic():
        change_limits(
            organization.id,
            soft=data.spending_limit_soft,
            hard=data.spending_limit_hard,
        )
        if data.percents:
            set_percents(organization.id, data.percents)
    enqueue_emails(evaluate_all_measures([organization.id]))
    alerts = list_recorded(organization.id, since=changed_at)
    percents = find_recipients([organization.id])[organization.id].percents
    return _json_response(limits_body(get_account(organization), alerts, percents))


def _require_costs(request: HttpRequest) -> None:
    """Raise `Forbidden` for a person who may not see costs, which the answer has.

    The contract of this answer knows no absent costs; keys have it by its scope alone.
    """
    caller = access.principal(request)
    if caller.key_id is None:
        caller.require(Scope.BILLING_READ)


def _organization_response(organization: Organization) -> HttpResponse:
    return _json_response(organization_body(get_account(organization)))


def _json_response(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json")
