"""The inbox as the jobs page shows it; never the payload."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from billing.models import StripeEvent
from orgs.models import WhiteLabel

_State = StripeEvent.State


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event and what became of it; instants in UTC."""

    id: int
    event_id: str
    type: str
    object_id: str
    state: str
    reason: str
    source: str
    attempts: int
    happened_at: datetime
    received_at: datetime
    next_attempt_at: datetime
    finished_at: datetime | None
    error: str
    organization_id: int | None
    organization_name: str | None

    @property
    def can_resend(self) -> bool:
        return self.state in (_State.PARKED, _State.FAILED, _State.IGNORED)

    @property
    def can_ignore(self) -> bool:
        return self.state in (_State.PARKED, _State.FAILED)


_FIELDS = (
    "id", "event_id", "type", "object_id", "state", "reason", "source", "attempts",
    "happened_at", "received_at", "next_attempt_at", "finished_at", "error",
    "organization_id",
)  # fmt: skip


def list_webhook_events(
    white_labels: Sequence[WhiteLabel] | None,
    *,
    states: Collection[str] = (),
    organization_id: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[EventRow]:
    """Newest first, before a row's id; null white labels: all, and nobody's events."""
    rows = _within(white_labels)
    if organization_id is not None:
        rows = rows.filter(organization_id=organization_id)
    if states:
        rows = rows.filter(state__in=states)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return _rows(rows, limit)


def get_event(id_: int, white_labels: Sequence[WhiteLabel] | None) -> EventRow | None:
    """Nothing for one of another white label."""
    return next(iter(_rows(_within(white_labels).filter(id=id_), 1)), None)


def _within(white_labels: Sequence[WhiteLabel] | None) -> QuerySet[StripeEvent]:
    rows = StripeEvent.objects.all()
    if white_labels is None:
        return rows
    return rows.filter(organization__white_label__in=white_labels)


def _rows(rows: QuerySet[StripeEvent], limit: int) -> list[EventRow]:
    found = rows.annotate(name=F("organization__name")).order_by("-id")[:limit]
    return [EventRow(*row) for row in found.values_list(*_FIELDS, "name")]
