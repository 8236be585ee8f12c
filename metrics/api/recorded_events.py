"""API endpoint that lists the usage events that were recorded."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Schema
from pydantic import AwareDatetime, Field

from metrics.api.events import router
from metrics.catalog import METERS
from metrics.events import MAX_AGE, MAX_AHEAD, MAX_PRODUCT_LENGTH
from metrics.queries.recorded_events import (
    EventFilters,
    EventKey,
    RecordedEvent,
    list_recorded_events,
)
from orgs import access
from orgs.catalog import Scope
from orgs.days import parse_instant
from orgs.errors import DomainError, InvalidDateRange
from orgs.models import Organization, WhiteLabel
from orgs.queries.paging import read_key, sign_key
from orgs.schemas.errors import ErrorsOut
from orgs.schemas.numbers import DELETED_FIELD, PlainBool, PlainInt

__all__ = ["router"]
_ERRORS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_DEFAULT_RANGE = timedelta(days=30)
# From the oldest event that is stored with its month to the latest that is accepted.
_LONGEST_RANGE = MAX_AGE + timedelta(days=60)
_NO_PROJECT = "none"


class RecordedEventsIn(Schema):
    """Whose events, and which of them; all filters must match."""

    organization: str | None = Field(
        None,
        max_length=200,
        description="The organization's external ID. Send this or `organization_id`; a"
        " key of one organization needs neither.",
        examples=["o-1"],
    )
    organization_id: str | None = Field(
        None,
        max_length=19,
        description="The organization's ID in Orgdesk.",
        examples=["42"],
    )
    id: str | None = Field(
        None,
        max_length=200,
        description="Only events with this ID, of the whole retention unless `from` or"
        " `to` is sent.",
        examples=["api-1"],
    )
    from_: str | None = Field(
        None,
        alias="from",
        max_length=40,
        description="First instant, as a date or date-time. Defaults to 30 days before"
        " `to`.",
        examples=["2026-11-01"],
    )
    to: str | None = Field(
        None,
        max_length=40,
        description="Instant after the last, as a date or date-time. Defaults to the"
        " latest that an event may have; at most 460 days after `from`.",
        examples=["2026-12-01"],
    )
    product: str | None = Field(
        None,
        max_length=MAX_PRODUCT_LENGTH,
        description="Only events of this product.",
        examples=["gpt-4o"],
    )
    meter: str | None = Field(
        None,
        max_length=64,
        description="Only events with a quantity of this meter.",
        examples=["prompt_tokens"],
    )
    project_id: str | None = Field(
        None,
        max_length=19,
        description="Only events of the project with this ID in Orgdesk, or `none`:"
        " without a project.",
        examples=["7"],
    )
    includeDeleted: PlainBool = DELETED_FIELD  # noqa: N815  as everywhere in this API
    limit: PlainInt = Field(
        100,
        ge=1,
        le=1_000,
        description="The number of events per page, from 1 to 1,000.",
        examples=[100],
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )

    def filters(self, white_label: WhiteLabel, now: datetime) -> EventFilters:
        """Return the filters of the query; raise `DomainError` with the field."""
        start, end = self._range(white_label, now)
        if self.meter and self.meter not in METERS:
            message = f"Unknown meter. Accepted: {', '.join(METERS)}."
            raise DomainError(message, code="unknown_meter", fields=("meter",))
        return EventFilters(
            start,
            end,
            event_id=self.id or "",
            product=self.product or "",
            meter=self.meter or "",
            project_id=self._project(),
        )

    def _range(
        self, white_label: WhiteLabel, now: datetime
    ) -> tuple[datetime, datetime]:
        end = now + MAX_AHEAD
        if self.to:
            end = _instant(self.to, white_label, "to")
        longest = self.id and not self.to
        start = end - (_LONGEST_RANGE if longest else _DEFAULT_RANGE)
        if self.from_:
            start = _instant(self.from_, white_label, "from")
        if not timedelta() <= end - start <= _LONGEST_RANGE:
            message = "`to` must be after `from`, by at most 460 days."
            raise InvalidDateRange(message, fields=("from", "to"))
        return start, end

    def _project(self) -> int | None:
        if self.project_id in (None, ""):
            return None
        if self.project_id == _NO_PROJECT:
            return 0
        id_ = access.row_id(self.project_id or "")
        if not id_:
            message = "`project_id` must be an ID or `none`."
            raise DomainError(message, fields=("project_id",))
        return id_


def _instant(text: str, white_label: WhiteLabel, field: str) -> datetime:
    try:
        return parse_instant(text, white_label.zone)
    except ValueError:
        message = f"`{field}` must be a date or a date-time."
        raise InvalidDateRange(message, fields=(field,)) from None


class EventVoidOut(Schema):
    """The correction that took an event out of usage."""

    voided_at: AwareDatetime = Field(
        description="When it was voided.", examples=["2026-11-21T10:00:00Z"]
    )
    is_credited: bool = Field(
        description="Whether its period was closed: then the event stays in the sums of"
        " that period, and its cost was returned as credit.",
        examples=[False],
    )
    correction_id: str = Field(
        description="The ID of the correction.",
        examples=["0d0f2f0e-6c0a-4f0e-9a8e-2f6f0c9e7a11"],
    )
    by: str = Field(description="Who voided it.", examples=["ann"])
    reason: str = Field(description="Why.", examples=["Load test"])


class RecordedEventOut(Schema):
    """A usage event as it was reported, and what became of it."""

    id: str = Field(description="Your ID of the event.", examples=["api-1"])
    organization_id: int = Field(
        description="The organization's ID in Orgdesk.", examples=[42]
    )
    organization: str = Field(
        description="The organization's external ID.", examples=["o-1"]
    )
    timestamp: AwareDatetime = Field(
        description="When the usage occurred.", examples=["2026-11-20T09:30:00Z"]
    )
    product: str = Field(description="The product.", examples=["gpt-4o"])
    project_id: int | None = Field(
        description="The project's ID in Orgdesk; null without a project.",
        examples=[7],
    )
    project: str | None = Field(
        description="The project's external ID.", examples=["p-1"]
    )
    quantities: dict[str, int] = Field(
        description="Whole units by meter.", examples=[{"prompt_tokens": 800}]
    )
    billing_period: int = Field(
        description="The number of the billing period that it was recorded in.",
        examples=[8],
    )
    recorded_at: AwareDatetime = Field(
        description="When it was recorded.", examples=["2026-11-20T09:30:02Z"]
    )
    void: EventVoidOut | None = Field(
        description="The correction that voided it; null if it counts as usage."
    )


class RecordedEventsOut(Schema):
    """A page of recorded events."""

    events: list[RecordedEventOut] = Field(description="By ID, then by time.")
    next_cursor: str | None = Field(
        description="The cursor of the next page; null on the last one.",
        examples=[None],
    )


@router.get(
    "/usage/events",
    response={200: RecordedEventsOut, **_ERRORS},
    operation_id="list_usage_events",
    summary="List recorded usage events",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def list_usage_events(
    request: HttpRequest, query: Query[RecordedEventsIn]
) -> HttpResponse:
    """Return the events that were recorded for an organization, with corrections.

    Events are ordered by ID, so that a page costs the same however many there are.
    Without `from` and `to` they are those of the last 30 days. Events that were
    rejected are not stored.
    """
    organization = _organization(request, query)
    filters = query.filters(organization.white_label, timezone.now())
    scope = f"events:{access.principal(request).name}:{organization.pk}"
    if query.cursor:
        filters = replace(filters, after=_read_cursor(query.cursor, scope))
    rows = list_recorded_events(organization.pk, filters, limit=query.limit + 1)
    page = rows[: query.limit]
    has_more = len(rows) > len(page)
    body = {
        "events": [_event_out(row, organization) for row in page],
        "next_cursor": _cursor(page[-1].key, scope) if has_more else None,
    }
    content = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    return HttpResponse(content, content_type="application/json")


def _organization(request: HttpRequest, query: RecordedEventsIn) -> Organization:
    """Return the organization that is asked for; count the call against its limit."""
    scope, caller = Scope.ORGANIZATIONS_READ, access.principal(request)
    if query.organization_id and query.organization:
        message = "Send `organization` or `organization_id`, not both."
        raise DomainError(message, fields=("organization", "organization_id"))
    id_: int | str | None = query.organization_id or caller.organization_id
    if query.organization:
        rows = access.visible(caller).filter(external_id=query.organization)
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:2])
        if len(ids) > 1:
            message = "Several white labels have it. Send `organization_id`."
            raise DomainError(message, fields=("organization",))
        id_ = ids[0] if ids else 0
    if id_ is None:
        message = "Send `organization` or `organization_id`."
        fields = ("organization", "organization_id")
        raise DomainError(message, code="missing_field", fields=fields)
    return access.called_organization(request, id_, scope)


def _cursor(key: EventKey, scope: str) -> str:
    id_, at = key
    return sign_key([id_, at.isoformat()], scope)


def _read_cursor(cursor: str, scope: str) -> EventKey:
    id_, at = read_key(cursor, scope)
    return str(id_), datetime.fromisoformat(str(at))


def _event_out(row: RecordedEvent, organization: Organization) -> dict[str, Any]:
    void = row.void
    return {
        "id": row.event_id,
        "organization_id": organization.pk,
        "organization": organization.external_id,
        "timestamp": row.at,
        "product": row.product,
        "project_id": row.project_id,
        "project": row.project,
        "quantities": row.quantities,
        "billing_period": row.period,
        "recorded_at": row.recorded_at,
        "void": void
        and {
            "voided_at": void.voided_at,
            "is_credited": void.is_credited,
            "correction_id": void.correction_id,
            "by": void.by,
            "reason": void.note,
        },
    }
