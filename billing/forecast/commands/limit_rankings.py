"""Command that prepares the sort keys of the organization list by limit."""

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from billing.forecast.queries.forecasts import Forecast, list_forecasts
from billing.ledger.queries.limits import list_limited
from orgs.days import day_of
from orgs.models import Organization

# Updates only the rows that differ: an unchanged sort key costs no write and no dead
# row. Sorted by id, so that two of these statements at once cannot deadlock.
_UPSERT = """
insert into billing_limitranking as s (organization_id, white_label_id, reached_on)
select o.id, o.white_label_id, f.reached_on
from unnest(%(ids)s::bigint[], %(days)s::date[]) f (id, reached_on)
join orgs_organization o on o.id = f.id
order by o.id
on conflict (organization_id) do update set reached_on = excluded.reached_on
where s.reached_on is distinct from excluded.reached_on
"""


def fill_limit_rankings(organization_ids: Sequence[int]) -> int:
    """Prepare the sort keys of organizations; return how many of them changed.

    They are computed as the pages compute them, so that order and days agree. Nothing
    is locked meanwhile: if two workers compute the same organization, the older result
    may be written last, until its next change or at the latest the sweep.
    """
    ids = sorted(set(organization_ids))
    organizations = _list_with_limits(ids)
    zones = {row.pk: row.white_label.zone for row in organizations}
    forecasts = list_forecasts(organizations)
    days = {id_: _ranking_day(one, zones[id_]) for id_, one in forecasts.items()}
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, {"ids": ids, "days": [days.get(id_) for id_ in ids]})
        return int(cursor.rowcount)


def _list_with_limits(ids: Sequence[int]) -> list[Organization]:
    """Return the organizations that have a limit; only their forecasts are computed.

    Each batch of recorded usage comes here, and few organizations have a limit.
    """
    rows = Organization.objects.select_related("white_label")
    return list(rows.filter(pk__in=list_limited(ids)))


def _ranking_day(forecast: Forecast, zone: ZoneInfo) -> date | None:
    """Return the day to sort by; today in the zone for a limit without an alert yet."""
    limit = forecast.next_reached_limit
    if limit is None:
        return None
    return limit.day or day_of(timezone.now(), zone)
