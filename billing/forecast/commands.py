"""Preparing the list's order by the day that a limit falls."""

from collections.abc import Sequence
from datetime import date

from django.db import connection
from django.utils import timezone

from billing.forecast.queries.forecasts import Forecast, list_forecasts
from billing.ledger.queries.limits import list_limited
from orgs.models import Organization

_FILL = """
insert into billing_limitranking as s (organization_id, white_label_id, reached_on)
select o.id, o.white_label_id, f.reached_on
from unnest(%(ids)s::bigint[], %(days)s::date[]) f (id, reached_on)
join orgs_organization o on o.id = f.id
order by o.id
on conflict (organization_id) do update set reached_on = excluded.reached_on
where s.reached_on is distinct from excluded.reached_on
"""


def fill_limit_rankings(organization_ids: Sequence[int]) -> int:
    """Prepare the list's order for these; answers how many rows are other than before.

    By what the pages show, so that order and days agree. Nothing is locked while it is
    reckoned: of two at once the older may be written last, until the next comes, at
    the latest with the sweep.
    """
    ids = sorted(set(organization_ids))
    days = {id_: _day(ahead) for id_, ahead in list_forecasts(_limited(ids)).items()}
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"ids": ids, "days": [days.get(id_) for id_ in ids]})
        return int(cursor.rowcount)


def _limited(ids: Sequence[int]) -> list[Organization]:
    """Those with a limit: few, where every recording has all it touched looked at."""
    rows = Organization.objects.select_related("white_label")
    return list(rows.filter(pk__in=list_limited(ids)))


def _day(ahead: Forecast) -> date | None:
    """What was crossed just now is crossed today, before the ledger says so."""
    limit = ahead.next_reached_limit
    if limit is None:
        return None
    return limit.day or timezone.now().date()
