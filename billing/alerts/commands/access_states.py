"""Since when organizations have reached their hard limit, stored for access checks."""

from collections.abc import Sequence
from datetime import datetime

from billing.alerts.queries.measurements import AccessChange
from billing.models import AccessState


def record_access(changes: Sequence[AccessChange], *, now: datetime) -> None:
    """Record organizations that reached their hard limit or are below it again.

    A state is valid for its period and version of the limit, so a raised limit or a new
    period restores access at once, before anything is written here. Costs one
    statement, in the transaction of the evaluation; none without a change.
    """
    if not changes:
        return
    AccessState.objects.bulk_create(
        [
            AccessState(
                organization_id=change.organization_id,
                period=change.period,
                limit_version=change.limit_version,
                over_since=now if change.is_over else None,
            )
            for change in changes
        ],
        update_conflicts=True,
        unique_fields=["organization"],
        update_fields=["period", "limit_version", "over_since"],
    )
