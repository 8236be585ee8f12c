"""What other percentages of limits and entitlements change in an organization."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.alerts.kinds import AlertKind, AlertPercents, kinds_at
from billing.alerts.queries.recipients import find_recipients
from billing.alerts.queries.statuses import AlertStatus, Status, list_statuses


@dataclass(frozen=True, slots=True)
class PercentsPreview:
    """The alerts that percentages would trigger now, arm, and take away."""

    triggered: Sequence[AlertStatus]
    armed: Sequence[AlertStatus]
    removed: Sequence[AlertKind]


def preview_percents(
    organization_id: int, percents: AlertPercents, *, now: datetime
) -> PercentsPreview:
    """Return what these percentages would change; nothing is written."""
    recipients = find_recipients([organization_id])[organization_id]
    before = [kind for kind in kinds_at(recipients.percents) if kind.percent_list]
    after = [kind for kind in kinds_at(percents) if kind.percent_list]
    statuses = list_statuses(
        organization_id, now=now, recipients=recipients, percents=percents
    )
    chosen = [status for status in statuses if status.kind.percent_list]
    return PercentsPreview(
        triggered=[status for status in chosen if status.is_new],
        armed=[
            status
            for status in chosen
            if status.kind not in before and status.status is Status.NOT_REACHED
        ],
        removed=[kind for kind in before if kind not in after],
    )
