"""Daily counts of members and projects, computed from their dates."""

from collections.abc import Sequence

from django.db import connection, transaction

# In the order of recording and corrections. Held until commit: two refreshes of one
# organization at a time would each miss the other's new member.
_LOCK_PERIODS = """
select 1 from metrics_openperiod where organization_id = any(%s)
order by organization_id for no key update
"""

# `moved` is one row per arrival or departure; its days are the white label's. All days
# are recomputed, because an edited date or a restored member leaves no trace of the day
# it counted for before. Days that had counts and may have none now are added with 0.
# The last `where` skips rows that stay the same, so that they are not rewritten.
_UPSERT_COUNTS = """
with moved as (
    select organization_id, added_at as at, 1 as member_in, 0 as member_out,
        is_staff::int as staff_in, 0 as staff_out, 0 as project_in, 0 as project_out
    from orgs_member where organization_id = any(%(ids)s)
    union all
    select organization_id, deleted_at, 0, 1, 0, is_staff::int, 0, 0
    from orgs_member where organization_id = any(%(ids)s) and deleted_at is not null
    union all
    select organization_id, added_at, 0, 0, 0, 0, 1, 0
    from orgs_project where organization_id = any(%(ids)s)
    union all
    select organization_id, deleted_at, 0, 0, 0, 0, 0, 1
    from orgs_project where organization_id = any(%(ids)s) and deleted_at is not null
), counted as (
    select m.organization_id, (m.at at time zone w.time_zone)::date as day,
        sum(member_in) as members_added, sum(member_out) as members_deleted,
        sum(staff_in) as staff_added, sum(staff_out) as staff_deleted,
        sum(project_in) as projects_added, sum(project_out) as projects_deleted
    from moved m
    join orgs_organization o on o.id = m.organization_id
    join orgs_whitelabel w on w.id = o.white_label_id
    group by 1, 2
    union all
    select d.organization_id, d.day, 0, 0, 0, 0, 0, 0
    from metrics_dailymetric d
    where d.organization_id = any(%(ids)s) and d.members_added + d.members_deleted
        + d.projects_added + d.projects_deleted > 0
)
insert into metrics_dailymetric as d (organization_id, day, members_added,
    members_deleted, staff_added, staff_deleted, projects_added, projects_deleted)
select organization_id, day, sum(members_added), sum(members_deleted),
    sum(staff_added), sum(staff_deleted), sum(projects_added), sum(projects_deleted)
from counted group by 1, 2 order by 1, 2
on conflict (organization_id, day) do update set
    members_added = excluded.members_added,
    members_deleted = excluded.members_deleted,
    staff_added = excluded.staff_added, staff_deleted = excluded.staff_deleted,
    projects_added = excluded.projects_added,
    projects_deleted = excluded.projects_deleted
where (d.members_added, d.members_deleted, d.staff_added, d.staff_deleted,
    d.projects_added, d.projects_deleted) is distinct from (excluded.members_added,
    excluded.members_deleted, excluded.staff_added, excluded.staff_deleted,
    excluded.projects_added, excluded.projects_deleted)
"""


def refresh_daily_counts(organization_ids: Sequence[int]) -> None:
    """Recompute the daily counts of members and projects of these organizations.

    Costs a read of all their members and projects. Locks their open periods first.
    """
    ids = sorted(set(organization_ids))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK_PERIODS, [ids])
        cursor.execute(_UPSERT_COUNTS, {"ids": ids})
