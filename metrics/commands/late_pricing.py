"""Pricing unpriced usage of closing periods that got a rate in the meantime.

A person who adds a rate re-rates the open period to see and apply it. If a draft
invoice closes the period before, closing applies the rate to the unpriced usage alone:
it has a price that a person set, and is billed with this draft. Usage that was priced
keeps its price.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection

from metrics.commands import recompute
from metrics.commands.recompute import (
    CorrectionSpec,
    PriceBasis,
    RecomputeScope,
    finish_correction,
)
from metrics.models import Correction, LatePricing
from metrics.periods import DayRange
from orgs.days import ONE_DAY
from orgs.models import WhiteLabel

_AUTHOR = "Orgdesk"
_NOTE = "A rate was added for usage without a price; the period was closed."

# Unpriced usage of open periods whose product and meter have a rate now, which may
# still start too late for it.
_PRICEABLE = """
select u.organization_id, p.number, u.product, u.meter, min(u.day), max(u.day)
from metrics_openperiod p cross join lateral (
    select organization_id, product, meter, day, unpriced_quantity from metrics_usage
    where organization_id = p.organization_id and period = p.number
        and unpriced_quantity <> 0) u
where p.organization_id = any(%(ids)s) and exists (
    select from metrics_rate r where r.white_label_id = %(white_label)s
        and r.product = u.product and r.meter = u.meter and r.removed_in is null
        and r.base_price is not null
        and (r.organization_id is null or r.organization_id = u.organization_id))
group by 1, 2, 3, 4 having sum(u.unpriced_quantity) > 0 order by 1, 2, 3, 4
"""
_INSERT_LATE = """
insert into metrics_latepricing (organization_id, period, product, meter, price_version,
    correction_id)
select u.*, b.version, %(correction)s
from unnest(%(organizations)s::bigint[], %(periods)s::integer[], %(products)s::text[],
    %(meters)s::text[]) u
cross join metrics_pricebook b where b.white_label_id = %(white_label)s
order by 1, 2, 3, 4 on conflict do nothing
"""
# Differences of other usage are left to `rebuild_days`, which reports them.
_KEEP_LATE = """
delete from usage_difference x where not exists (
    select from metrics_latepricing l where l.correction_id = %(correction)s
        and l.organization_id = x.organization_id and l.period = x.period
        and l.product = x.product and l.meter = x.meter)
"""

_Row = tuple[int, int, str, str, date, date]


def price_late(white_label: WhiteLabel, organization_ids: Sequence[int]) -> None:
    """Price unpriced usage of the open periods for which there is a rate now.

    Call it in the transaction that closes the periods, before they are locked. Takes
    the locks of a correction only if there is such usage.
    """
    if not _list_priceable(white_label, organization_ids):
        return
    recompute.lock_corrections(white_label)
    recompute.lock_months()
    recompute.block_recording(white_label, sorted(organization_ids))
    rows = _list_priceable(white_label, organization_ids)
    if not rows:
        return
    correction = CorrectionSpec(Correction.Kind.RERATE, by=_AUTHOR, note=_NOTE)
    parameters: dict[str, Any] = {
        "white_label": white_label.pk,
        "correction": correction.id,
        "organizations": [row[0] for row in rows],
        "periods": [row[1] for row in rows],
        "products": [row[2] for row in rows],
        "meters": [row[3] for row in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_LATE, parameters)
    scope = _scope(white_label, rows)
    recompute.store_differences(scope, PriceBasis.RECORDED)
    if not _keep_late(parameters):  # the rates start too late for all of it
        LatePricing.objects.filter(correction_id=correction.id).delete()
        return
    recompute.apply_differences(scope, correction)
    finish_correction(correction)


def _keep_late(parameters: dict[str, Any]) -> bool:
    """Keep only the differences of late prices; return whether there are any."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_LATE, parameters)
        cursor.execute("select exists (select from usage_difference)")
        return bool(cursor.fetchone()[0])


def _list_priceable(
    white_label: WhiteLabel, organization_ids: Sequence[int]
) -> list[_Row]:
    parameters: dict[str, Any] = {
        "ids": list(organization_ids),
        "white_label": white_label.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PRICEABLE, parameters)
        return [(*row,) for row in cursor.fetchall()]


def _scope(white_label: WhiteLabel, rows: Sequence[_Row]) -> RecomputeScope:
    days = DayRange(min(row[4] for row in rows), max(row[5] for row in rows) + ONE_DAY)
    return RecomputeScope(white_label, sorted({row[0] for row in rows}), days)
