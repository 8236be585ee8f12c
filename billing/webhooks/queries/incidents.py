"""Incidents that are over, found with the measurements of alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.alerts.kinds import ALERT_KINDS
from billing.alerts.queries.measurements import Measurement, list_current_measurements
from billing.models import OpenIncident


@dataclass(frozen=True, slots=True)
class EndedIncident:
    """An incident that is over, and what is measured now; null if nothing is."""

    incident: OpenIncident
    measurement: Measurement | None


def list_ended(
    organization_ids: Sequence[int], *, now: datetime
) -> list[EndedIncident]:
    """Return the incidents of organizations that are over.

    One statement if none is open, else three. The caller has the evaluation lock, so
    that no other evaluation finds the same.
    """
    rows = OpenIncident.objects.filter(organization_id__in=organization_ids)
    incidents = list(rows.select_related("organization__white_label").order_by("id"))
    if not incidents:
        return []
    ids = sorted({incident.organization_id for incident in incidents})
    measured = {
        (m.organization_id, m.measure, m.subject): m
        for m in list_current_measurements(ids, now=now)
    }
    ended = []
    for incident in incidents:
        kind = ALERT_KINDS[incident.alert_kind]
        key = (incident.organization_id, kind.measure, incident.subject)
        measurement = measured.get(key)
        if measurement is None or not measurement.is_reached(kind):
            ended.append(EndedIncident(incident, measurement))
    return ended
