"""The open period of each organization; billing decides, this app keeps it."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

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


def lock_open_periods(organization_ids: Sequence[int]) -> dict[int, int]:
    """Wait for recordings in flight and let none begin until the caller's transaction
    ends; answers the numbers of the open periods."""
    rows = OpenPeriod.objects.filter(pk__in=organization_ids)
    return dict(rows.select_for_update().order_by("pk").values_list("pk", "number"))


@transaction.atomic
def advance_periods(
    organization_ids: Sequence[int], *, starts_at: datetime
) -> dict[int, int]:
    """Close the open periods and open the next; answers the numbers of the closed.

    Waits for recordings in flight: they hold a share lock on the row. To be called in
    the caller's transaction, which sums the closed periods after it.
    """
    numbers = lock_open_periods(organization_ids)
    rows = OpenPeriod.objects.filter(pk__in=organization_ids)
    rows.update(number=F("number") + 1, starts_at=starts_at)
    return numbers
