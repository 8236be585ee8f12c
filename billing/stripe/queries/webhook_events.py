"""Reads of Stripe webhook events, without their payloads."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from billing.models import StripeEvent
from orgs.models import WhiteLabel

_State = StripeEvent.State


@dataclass(frozen=True, slots=True)
class WebhookEventRow:
    """A webhook event and its processing status; instants are in UTC."""

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
) -> list[WebhookEventRow]:
    """Return webhook events, newest first; `before` is the ID to continue from.

    Null for `white_labels` means every event, also those of no organization.
    """
    rows = _visible(white_labels)
    if organization_id is not None:
        rows = rows.filter(organization_id=organization_id)
    if states:
        rows = rows.filter(state__in=states)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return _read(rows, limit)


def get_webhook_event(
    id_: int, white_labels: Sequence[WhiteLabel] | None
) -> WebhookEventRow | None:
    """Return an event, or null if it belongs to another white label."""
    return next(iter(_read(_visible(white_labels).filter(id=id_), 1)), None)


def _visible(white_labels: Sequence[WhiteLabel] | None) -> QuerySet[StripeEvent]:
    rows = StripeEvent.objects.all()
    if white_labels is None:
        return rows
    return rows.filter(organization__white_label__in=white_labels)


def _read(rows: QuerySet[StripeEvent], limit: int) -> list[WebhookEventRow]:
    rows = rows.annotate(name=F("organization__name")).order_by("-id")
    return [WebhookEventRow(*row) for row in rows.values_list(*_FIELDS, "name")[:limit]]
