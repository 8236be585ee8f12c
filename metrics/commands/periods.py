"""The open billing period of each organization, which billing closes."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from metrics.models import OpenPeriod

# The first period starts with the contract, or else when the organization was created.
_INSERT_FIRST_PERIODS = """
insert into metrics_openperiod (organization_id, number, starts_at)
select o.id, 1, coalesce(
    o.contract_started_on::timestamp at time zone w.time_zone, o.created_at)
from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
where o.id = any(%s)
order by o.id
on conflict do nothing
"""


def open_first_periods(organization_ids: Sequence[int]) -> None:
    """Open period 1 of the organizations that have no open period."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_FIRST_PERIODS, [list(organization_ids)])


def lock_open_periods(organization_ids: Sequence[int]) -> dict[int, int]:
    """Block recording until the transaction ends; return the open periods' numbers.

    Waits for recordings in flight, which lock the same rows `for share`. The numbers
    are by organization ID. Rows are locked in the order of their IDs.
    """
    rows = OpenPeriod.objects.filter(pk__in=organization_ids)
    return dict(rows.select_for_update().order_by("pk").values_list("pk", "number"))


@transaction.atomic
def advance_periods(
    organization_ids: Sequence[int], *, starts_at: datetime
) -> dict[int, int]:
    """Close the open periods and open the next; return the closed periods' numbers.

    Blocks recording until the transaction ends. Call it inside the transaction that
    sums the closed periods afterwards.
    """
    numbers = lock_open_periods(organization_ids)
    rows = OpenPeriod.objects.filter(pk__in=organization_ids)
    rows.update(number=F("number") + 1, starts_at=starts_at)
    return numbers
