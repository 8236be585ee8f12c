"""Rankings: the values that organization lists are sorted by."""

from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from metrics.commands.roll_up import roll_up_organizations

# The last 30 days include today, in the white label's time zone, as on the pages. The
# day of the last usage can lie further back: then the older value stays.
_UPSERT_RANKINGS = """
with organization as materialized (
    select o.id, o.white_label_id, w.currency,
        (%(now)s at time zone w.time_zone)::date as today
    from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
    where o.id = any(%(ids)s)
)
insert into metrics_organizationranking as r (organization_id, white_label_id,
    currency, cost_30_days, cost_30_days_before, last_usage_on, computed_on,
    computed_at)
select o.id, o.white_label_id, o.currency,
    coalesce(sum(u.cost) filter (where u.day > o.today - 30), 0),
    coalesce(sum(u.cost) filter (where u.day <= o.today - 30), 0),
    max(u.day), o.today, %(now)s
from organization o left join metrics_dailyusage u on u.organization_id = o.id
    and u.day > o.today - 60 and u.day <= o.today
group by o.id, o.white_label_id, o.currency, o.today
order by o.id
on conflict (organization_id) do update set
    currency = excluded.currency, cost_30_days = excluded.cost_30_days,
    cost_30_days_before = excluded.cost_30_days_before,
    last_usage_on = coalesce(excluded.last_usage_on, r.last_usage_on),
    computed_on = excluded.computed_on, computed_at = excluded.computed_at
"""


def fill_rankings(organization_ids: Sequence[int]) -> int:
    """Compute the rankings of these organizations; return how many rows were written.

    Rolls up their pending usage first. The roll-up lock is held until commit, so no
    usage is rolled up between that and reading daily usage.
    """
    ids = sorted(set(organization_ids))
    with transaction.atomic(), connection.cursor() as cursor:
        roll_up_organizations(ids)
        cursor.execute(_UPSERT_RANKINGS, {"ids": ids, "now": timezone.now()})
        return int(cursor.rowcount)
