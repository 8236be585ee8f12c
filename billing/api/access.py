"""API endpoints of access: whether it is allowed, what would lift it, its history.

API gateways may call the first on each request that they serve.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from billing.access.decision import read_refusals
from billing.access.queries.explanations import explain_access
from billing.access.queries.facts import ACCESS_JOIN, list_refusals
from billing.access.queries.refusals import access_refusals
from billing.api.schemas.access import AccessOut, access_body
from billing.api.schemas.refusals import (
    AccessActionsOut,
    AccessHistoryOut,
    actions_body,
    history_body,
)
from orgs import access
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.queries.paging import Order, fetch_page
from orgs.schemas.errors import ErrorsOut
from orgs.schemas.numbers import PlainInt

__all__ = ["ACCESS_JOIN", "access_answer", "router"]
router = Router(tags=["organizations"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)


@router.get(
    "/organizations/{organization_id}/access",
    response={200: AccessOut, **_READS},
    summary="Check the access of an organization",
    auth=access.needs(Scope.ORGANIZATIONS_READ, reaches_deleted=True),
    operation_id="get_access",
)
def read_access(request: HttpRequest, organization_id: str) -> HttpResponse:
    """Return whether API requests of an organization should be served.

    `allowed` is false while there are `reasons` to refuse them. Usage that is reported
    anyway is recorded and billed. Reaching a hard limit takes effect within two
    seconds. Works for deleted organizations as well. Safe to call on each request.
    `access/actions` has the same reasons with figures and what lifts them.
    """
    organization = access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_READ, include_deleted=True
    )
    refusals = list_refusals(organization.pk, now=timezone.now())
    body = access_body(organization, refusals)
    return HttpResponse(body, content_type="application/json")


@router.get(
    "/organizations/{organization_id}/access/actions",
    response={200: AccessActionsOut, **_READS},
    summary="Explain the access of an organization",
    auth=access.needs(Scope.BILLING_READ, reaches_deleted=True),
    operation_id="get_access_actions",
)
def read_actions(request: HttpRequest, organization_id: str) -> HttpResponse:
    """Return the reasons of `access` with figures, and the actions that lift each.

    Each action was tried on the decision itself: with its effect, the decision no
    longer has the reason. Meant for people; a gateway asks `access`.
    """
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ, include_deleted=True
    )
    explanation = explain_access(organization, now=timezone.now())
    return HttpResponse(actions_body(explanation), content_type="application/json")


class HistoryIn(Schema):
    """The page of the history."""

    limit: PlainInt = Field(
        50, ge=1, le=200, description="The number of refusals per page, from 1 to 200."
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )


@router.get(
    "/organizations/{organization_id}/access/history",
    response={200: AccessHistoryOut, **_READS},
    summary="List when access was refused",
    auth=access.needs(Scope.BILLING_READ, reaches_deleted=True),
    operation_id="list_access_refusals",
)
def read_history(
    request: HttpRequest, organization_id: str, filters: Query[HistoryIn]
) -> HttpResponse:
    """Return the times in which access was refused, with reasons and what lifted them.

    Recorded in the transaction that changes the decision, once per change.
    """
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ, include_deleted=True
    )
    page = fetch_page(
        access_refusals(organization.pk),
        Order("id", descending=True),
        size=filters.limit,
        cursor=filters.cursor,
        scope=f"refusals:{organization.pk}",
    )
    body = history_body(page.rows, page.next_cursor, organization.white_label.zone)
    return HttpResponse(body, content_type="application/json")


def access_answer(
    organization: Organization, row: Sequence[Any], now: datetime
) -> bytes:
    """Return the endpoint's body from a row that was read with `ACCESS_JOIN`.

    The fast path reads it in the statement that reads the organization.
    """
    return access_body(organization, read_refusals(row, now=now))
