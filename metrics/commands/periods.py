"""The open period of each organization; billing decides, this app keeps it."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from metrics.models import OpenPeriod

# The first period opens at the contract start, or else with the organization.
_OPEN_FIRST = """
insert into metrics_openperiod (organization_id, number, starts_at)
select o.id, 1, coalesce(
    o.contract_started_on::timestamp at time zone w.time_zone, o.created_at)
from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
where o.id = any(%s)
order by o.id
on conflict do nothing
"""


def open_first_periods(organization_ids: Sequence[int]) -> None:
    """Open period 1 of those organizations that have none."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_FIRST, [list(organization_ids)])


def advance_period(organization_id: int, *, starts_at: datetime) -> OpenPeriod:
    """Close the open period and open the next; answers the one that was open.

    Waits for recordings in flight: they hold a share lock on the row. To be called in
    the caller's transaction, which sums the closed period after it.
    """
    with transaction.atomic():
        period = OpenPeriod.objects.select_for_update().get(pk=organization_id)
        OpenPeriod.objects.filter(pk=organization_id).update(
            number=period.number + 1, starts_at=starts_at
        )
    return period
