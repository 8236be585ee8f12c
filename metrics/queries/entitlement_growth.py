"""Query of how fast organizations come closer to their entitlements."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orgs.queries.prepared import array, fetch_all

GROWTH_DAYS = 28  # complete days: four of each weekday


@dataclass(frozen=True, slots=True)
class RecentGrowth:
    """What was added in the last `GROWTH_DAYS` complete days, less what was removed."""

    compute_seconds: int = 0
    gpu_seconds: int = 0
    storage_bytes: int = 0
    projects: int = 0
    users: int = 0


# Lateral, so that each organization's days are read by the primary key.
_GROWTH = f"""
select o.id, m.*
from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
cross join lateral (
    select coalesce(sum(cpu_seconds + gpu_seconds), 0),
        coalesce(sum(gpu_seconds), 0),
        coalesce(sum(storage_bytes_added - storage_bytes_deleted), 0),
        coalesce(sum(projects_added - projects_deleted), 0),
        coalesce(sum(members_added - members_deleted), 0)
    from metrics_dailymetric
    where organization_id = o.id
        and day >= (%(now)s::timestamptz at time zone w.time_zone)::date - {GROWTH_DAYS}
        and day < (%(now)s::timestamptz at time zone w.time_zone)::date
) m
where o.id = any(%(ids)s::bigint[])
"""  # noqa: S608  a constant


def list_recent_growth(
    organization_ids: Iterable[int], *, now: datetime
) -> dict[int, RecentGrowth]:
    """Return the recent growth of each organization; one statement."""
    rows = fetch_all(_GROWTH, {"ids": array(organization_ids), "now": now})
    return {id_: RecentGrowth(*map(int, sums)) for id_, *sums in rows}
