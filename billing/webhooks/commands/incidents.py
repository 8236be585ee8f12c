"""Incidents: events whose end is reported, too."""

from collections.abc import Iterable, Sequence

from billing.models import OpenIncident
from billing.webhooks.commands.outbox import NewEvent
from billing.webhooks.event_types import RESOLVED


def open_incidents(
    events: Iterable[tuple[NewEvent, str, str]],
) -> None:
    """Remember events, each with its kind of alert and subject, until they end.

    One that is open keeps its beginning, and names its last event. Call it in the
    transaction of the events.
    """
    rows = {
        (event.organization_id, event.type, subject): OpenIncident(
            organization_id=event.organization_id,
            type=event.type,
            subject=subject,
            alert_kind=alert_kind,
            event_key=event.key,
            since=event.occurred_at,
        )
        for event, alert_kind, subject in events
    }
    OpenIncident.objects.bulk_create(
        (rows[key] for key in sorted(rows)),
        update_conflicts=True,
        unique_fields=["organization", "type", "subject"],
        update_fields=["event_key", "alert_kind"],
    )


def close_incidents(incidents: Sequence[OpenIncident]) -> None:
    """Forget incidents that are over, in the transaction of the events of their end."""
    OpenIncident.objects.filter(pk__in=[incident.pk for incident in incidents]).delete()


def resolved_type(incident: OpenIncident) -> str:
    """Return the type of the event that reports the end of an incident."""
    return f"{incident.type}{RESOLVED}"
