"""Carrying unpriced usage of a closing period into the next one, and returning it.

A period that closes is billed without its unpriced usage. So that this usage is not
lost, it counts in the next period from then on: pricing reads `CarriedUsage`, and daily
usage is moved here. A named person can write it off, which returns it to its period.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from metrics.commands import recompute
from metrics.commands.recompute import CorrectionSpec, PriceBasis, RecomputeScope
from metrics.commands.roll_up import roll_up_organizations
from metrics.commands.statements import USAGE_KEY
from metrics.errors import NotCarried, UsagePriced
from metrics.events import CLOCK_MARGIN
from metrics.models import CarriedUsage, Correction, OpenPeriod
from metrics.periods import DayRange
from metrics.queries.pricing import IS_VOIDED
from metrics.queries.unpriced import list_unpriced
from orgs.days import ONE_DAY
from orgs.models import Organization


def _columns(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in USAGE_KEY.split(", "))


_INSERT_CARRIED = """
insert into metrics_carriedusage (organization_id, period, product, meter)
select * from unnest(%(ids)s::bigint[], %(periods)s::integer[], %(products)s::text[],
    %(meters)s::text[])
"""
# A quantity of 0 is not carried. A row of daily usage stays if it has a priced part or
# events with a quantity of 0; otherwise it is deleted, as rows without events are.
# Rolled up before, so that no pending row has a part of the moved usage.
_MOVE_UNPRICED = f"""
with closing as (
    select c.id as organization_id, c.number as period, w.time_zone
    from unnest(%(ids)s::bigint[], %(numbers)s::integer[]) c (id, number)
    join orgs_organization o on o.id = c.id
    join orgs_whitelabel w on w.id = o.white_label_id
), moved as materialized (
    select d.* from metrics_dailyusage d join closing using (organization_id, period)
    where d.unpriced_quantity <> 0
), zero as materialized (
    select distinct m.organization_id, m.day, m.product, m.meter, m.project_id
    from closing c join metrics_usageevent e on e.organization_id = c.organization_id
        and e.period = c.period
        and e.at >= (select min(day) - 1 from moved) and e.at < %(until)s
    join moved m on m.organization_id = e.organization_id and m.product = e.product
        and m.project_id = e.project_id
        and m.day = (e.at at time zone c.time_zone)::date
    where e.quantities -> m.meter = '0' and not {IS_VOIDED}
), kept as materialized (
    select m.*, m.quantity > m.unpriced_quantity or exists (
        select from zero z where z.organization_id = m.organization_id
            and z.day = m.day and z.product = m.product and z.meter = m.meter
            and z.project_id = m.project_id) as is_kept
    from moved m
), deleted as (
    delete from metrics_dailyusage d using kept k
    where not k.is_kept and ({_columns("d")}) = ({_columns("k")})
), reduced as (
    update metrics_dailyusage d set quantity = d.quantity - d.unpriced_quantity,
        unpriced_quantity = 0
    from kept k where k.is_kept and ({_columns("d")}) = ({_columns("k")})
)
insert into metrics_dailyusage as d ({USAGE_KEY}, quantity, cost, benchmark_cost,
    unpriced_quantity)
select organization_id, day, product, meter, project_id, period + 1,
    unpriced_quantity, 0, 0, unpriced_quantity
from moved order by 1, 2, 3, 4, 5
on conflict ({USAGE_KEY}) do update set quantity = d.quantity + excluded.quantity,
    unpriced_quantity = d.unpriced_quantity + excluded.unpriced_quantity
"""  # noqa: S608  no user input


def carry_unpriced(numbers: dict[int, int]) -> None:
    """Move the unpriced usage of closing periods into the next ones.

    `numbers` is the number of the closing period by organization ID. Call it in the
    transaction that closes the periods, before anything is recorded into the next
    ones. Takes the roll-up lock only if there is such usage.
    """
    lines = list_unpriced(numbers)
    if not lines:
        return
    ids = sorted({line.organization_id for line in lines})
    roll_up_organizations(ids)
    parameters: dict[str, Any] = {
        "ids": [line.organization_id for line in lines],
        "periods": [numbers[line.organization_id] for line in lines],
        "products": [line.product for line in lines],
        "meters": [line.meter for line in lines],
    }
    closing: dict[str, Any] = {
        "ids": ids,
        "numbers": [numbers[id_] for id_ in ids],
        "until": timezone.now() + CLOCK_MARGIN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_CARRIED, parameters)
        cursor.execute(_MOVE_UNPRICED, closing)


@dataclass(frozen=True, slots=True)
class ReturnedUsage:
    """Unpriced usage that was returned to the closed period `period`."""

    period: int
    product: str
    meter: str
    quantity: int


def return_carried(
    organization: Organization, product: str, meter: str, *, by: str, note: str
) -> ReturnedUsage:
    """Return carried usage from the open period to the closed one before.

    It stays unpriced there for good. Call it in the transaction that records who wrote
    it off. Raises `NotCarried` if nothing of the product and meter is carried, and
    `UsagePriced` if some of it has a rate already.
    """
    correction = CorrectionSpec(Correction.Kind.WRITE_OFF, by=by, note=note)
    recompute.lock_corrections(organization.white_label)
    recompute.lock_months()
    recompute.block_recording(organization.white_label, [organization.pk])
    period = OpenPeriod.objects.get(pk=organization.pk).number - 1
    days = _find_days(organization.pk, period + 1, product, meter)
    carried = CarriedUsage.objects.filter(
        organization_id=organization.pk, period=period, product=product, meter=meter
    )
    if not carried.delete()[0] or days is None:
        raise NotCarried("No usage of this product and meter is carried.")
    scope = RecomputeScope(organization.white_label, [organization.pk], days)
    recompute.store_differences(scope, PriceBasis.RECORDED)
    quantity = _keep_returned(period, product, meter)
    recompute.apply_differences(scope, correction)
    recompute.finish_correction(correction)
    return ReturnedUsage(period, product, meter, quantity)


# Differences of other usage are left to `rebuild_days`, which reports them.
_KEEP_RETURNED = """
delete from usage_difference where product is distinct from %(product)s
    or meter <> %(meter)s
"""
_RETURNED = """
select bool_or(coalesce(old_cost, 0) <> coalesce(new_cost, 0)),
    coalesce(sum(coalesce(new_quantity, 0) - coalesce(old_quantity, 0))
        filter (where period = %(period)s), 0)
from usage_difference
"""


def _keep_returned(period: int, product: str, meter: str) -> int:
    """Keep only the differences of the usage that returns; return its quantity."""
    parameters: dict[str, Any] = {"period": period, "product": product, "meter": meter}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_RETURNED, parameters)
        cursor.execute(_RETURNED, parameters)
        has_cost, quantity = cursor.fetchone()
    if has_cost:
        raise UsagePriced(
            "Some of this usage has a price now. Add a price of 0 for the rest."
        )
    return int(quantity)


_DAYS = """
select min(day), max(day) from metrics_usage
where organization_id = %s and period = %s and product = %s and meter = %s
"""


def _find_days(
    organization_id: int, period: int, product: str, meter: str
) -> DayRange | None:
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [organization_id, period, product, meter])
        first, last = cursor.fetchone()
    return None if first is None else DayRange(first, last + ONE_DAY)
