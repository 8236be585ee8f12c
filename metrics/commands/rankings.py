from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from metrics.commands.roll_up import roll_up_organizations

# The white label's day decides which 30 days count, today included, as on the pages.
_FILL = """
with wanted as materialized (
    select o.id, o.white_label_id, (%(now)s at time zone w.time_zone)::date as today
    from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
    where o.id = any(%(ids)s)
)
insert into metrics_organizationranking as s (organization_id, white_label_id,
    cost_30_days,
    last_usage_on, computed_on, computed_at)
select o.id, o.white_label_id, coalesce(sum(u.cost), 0), max(u.day), o.today, %(now)s
from wanted o left join metrics_dailyusage u on u.organization_id = o.id
    and u.day > o.today - 30 and u.day <= o.today
group by o.id, o.white_label_id, o.today
order by o.id
on conflict (organization_id) do update set
    cost_30_days = excluded.cost_30_days,
    last_usage_on = coalesce(excluded.last_usage_on, s.last_usage_on),
    computed_on = excluded.computed_on, computed_at = excluded.computed_at
"""


def fill_rankings(organization_ids: Sequence[int]) -> int:
    """Prepare the list's order for these organizations; answers how many rows."""
    ids = sorted(set(organization_ids))
    with transaction.atomic(), connection.cursor() as cursor:
        roll_up_organizations(ids)  # what is added after this is not in daily usage
        cursor.execute(_FILL, {"ids": ids, "now": timezone.now()})
        return int(cursor.rowcount)
