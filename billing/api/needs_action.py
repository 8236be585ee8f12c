"""API endpoint of the organizations that need action."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router

from billing.api.schemas.needs_action import (
    NeedsActionIn,
    NeedsActionOut,
    needs_action_out,
)
from billing.needs_action.forms import need_filters
from billing.needs_action.queries.pages import NeedsPage, needs_page
from billing.needs_action.queries.reasons import NeedFilters, Needs, list_reasons
from billing.needs_action.queries.scores import count_needs
from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.errors import NotFound
from orgs.models import WhiteLabel
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["organizations"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)


@router.get(
    "/needs-action",
    response={200: NeedsActionOut, **_READS},
    summary="List organizations that need action",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="list_needs_action",
)
def read_needs_action(request: HttpRequest, filters: Query[NeedsActionIn]) -> Any:
    """Return the organizations that need action with their reasons and score.

    These are those of the page *Needs action*. Of each kind of reason, at most 1,000
    rows of each white label are read, the oldest first; counts state whether there are
    more.
    """
    caller, now = access.caller(request, Scope.BILLING_READ), timezone.now()
    labels = _labels(caller, filters.white_label)
    snoozed = "1" if filters.snoozed else ""
    selected = need_filters(filters.reason, filters.severity, snoozed)
    if caller.organization_id is not None:
        page = _only(caller.organization_id, labels, selected, now)
    else:
        scope = (caller.name, filters.white_label or "", filters.reason)
        page = needs_page(
            list(labels),
            filters=selected,
            cursor=filters.cursor,
            size=filters.limit,
            scope=":".join(("api", *scope, filters.severity, snoozed)),
            now=now,
        )
    return needs_action_out(page, labels, now)


def _labels(caller: Principal, slug: str | None) -> dict[int, WhiteLabel]:
    labels = access.visible_white_labels(caller)
    if slug is not None:
        labels = [label for label in labels if label.slug == slug]
        if not labels:
            raise NotFound("White label not found.")
    return {label.pk: label for label in labels}


def _only(
    organization_id: int,
    labels: dict[int, WhiteLabel],
    filters: NeedFilters,
    now: datetime,
) -> NeedsPage:
    """Return what a key of one organization may see: only that."""
    rows = list_reasons([organization_id], now=now).values()
    needs = Needs([row for row in rows if row.white_label_id in labels])
    selected = list(filter(filters.select, needs.organizations))
    return NeedsPage(selected, count_needs(needs, filters), next_cursor=None)
