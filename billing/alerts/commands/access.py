"""The access decision: which organizations are over their hard limit, since when."""

from collections.abc import Sequence
from datetime import datetime

from billing.alerts.queries.measuring import AccessChange
from billing.models import AccessState


def record_access(changes: Sequence[AccessChange], *, now: datetime) -> None:
    """Record who came over their hard limit, and who is no longer over it.

    A state holds for its period and version of the limit, so that a raised limit or a
    new period opens access at once, before anything is written here. One statement, in
    the transaction of the evaluation that found the changes; none without a change.
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
