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
from billing.needs_action.queries.reasons import (
    Needs,
    find_needs,
    list_reasons,
    needs_page,
)
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
)
def read_needs_action(request: HttpRequest, filters: Query[NeedsActionIn]) -> Any:
    """Return the organizations that need action with their reasons and score.

    These are those of the page *Needs action*. Of each kind of reason, at most 1,000
    rows of each white label are read, the oldest first; counts state whether there are
    more.
    """
    caller, now = access.caller(request, Scope.BILLING_READ), timezone.now()
    labels = _labels(caller, filters.white_label)
    needs = _find(caller, labels, now)
    snoozed = "1" if filters.snoozed else ""
    selected = needs.select(need_filters(filters.reason, filters.severity, snoozed))
    scope = ":".join(
        (caller.name, filters.white_label or "", filters.reason, filters.severity)
    )
    page = needs_page(
        selected,
        cursor=filters.cursor,
        size=filters.limit,
        scope=f"api:{scope}:{snoozed}",
        now=now,
    )
    return needs_action_out(needs, page, labels, now)


def _labels(caller: Principal, slug: str | None) -> dict[int, WhiteLabel]:
    labels = access.visible_white_labels(caller)
    if slug is not None:
        labels = [label for label in labels if label.slug == slug]
        if not labels:
            raise NotFound("White label not found.")
    return {label.pk: label for label in labels}


def _find(caller: Principal, labels: dict[int, WhiteLabel], now: datetime) -> Needs:
    """Return what the caller may see: of a key of one organization, only that."""
    if caller.organization_id is None:
        return find_needs(list(labels), now=now)
    rows = list_reasons([caller.organization_id], now=now).values()
    return Needs([row for row in rows if row.white_label_id in labels])
