"""Which organizations use a product's meter, before its price ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, Q

from metrics.models import Rate
from orgs.models import WhiteLabel
from orgs.queries.prepared import fetch_all


class PricesAround(NamedTuple):
    """The rate in force at an instant, and the next one; None without one."""

    current: Rate | None
    following: Rate | None


def find_prices_around(
    white_label_id: int,
    product: str,
    meter: str,
    organization_id: int | None,
    at: datetime,
) -> PricesAround:
    """Return the rates of one product, meter, and organization around an instant."""
    rows = Rate.objects.current().filter(
        white_label_id=white_label_id,
        product=product,
        meter=meter,
        organization=organization_id,
    )
    before = rows.filter(Q(effective_from=None) | Q(effective_from__lte=at))
    after = rows.filter(effective_from__gt=at)
    return PricesAround(
        before.order_by(F("effective_from").desc(nulls_last=True)).first(),
        after.order_by("effective_from").first(),
    )


@dataclass(frozen=True, slots=True)
class OrganizationUse:
    """Usage of a product's meter in the open period; `later_…` is that after the end.

    The costs are those recorded; they stay until the period is re-rated.
    """

    organization_id: int
    name: str
    quantity: int
    cost: Decimal
    later_quantity: int
    later_cost: Decimal


@dataclass(frozen=True, slots=True)
class PriceUse:
    """The organizations that used most, and the totals of all of them."""

    rows: Sequence[OrganizationUse]
    organizations: int = 0
    cost: Decimal = Decimal(0)
    later_organizations: int = 0
    later_cost: Decimal = Decimal(0)


# Lateral, so that each organization's usage is read by the primary key of daily usage:
# the days of its open period alone. An organization that has its own rate by then is
# not affected by the end of the general one.
_USE = """
with used as (
    select o.id, o.name, sum(u.quantity) as quantity, sum(u.cost) as cost,
        coalesce(sum(u.quantity) filter (where {later}), 0) as later_quantity,
        coalesce(sum(u.cost) filter (where {later}), 0) as later_cost
    from orgs_organization o
    join metrics_openperiod p on p.organization_id = o.id
    cross join lateral (
        select day, quantity, cost from metrics_usage
        where organization_id = o.id and period = p.number and product = %(product)s
            and meter = %(meter)s
            and day >= (p.starts_at at time zone %(zone)s)::date) u
    where o.white_label_id = %(white_label)s
        and (%(organization)s::bigint is null or o.id = %(organization)s)
        and (%(organization)s::bigint is not null or not exists (
            select from metrics_rate r where r.white_label_id = o.white_label_id
                and r.product = %(product)s and r.meter = %(meter)s
                and r.organization_id = o.id and r.removed_in is null
                and (r.effective_from is null or r.effective_from <= %(at)s)))
    group by o.id
)
select id, name, quantity, cost, later_quantity, later_cost, count(*) over (),
    sum(cost) over (), count(*) filter (where later_quantity > 0) over (),
    sum(later_cost) over ()
from used order by later_cost desc, cost desc, quantity desc, id limit %(limit)s
"""
_LATER = (
    "u.day >= %(since)s and (%(until)s::date is null or u.day < %(until)s)"  # by day
)


def price_use(
    white_label: WhiteLabel,
    product: str,
    meter: str,
    organization_id: int | None,
    *,
    at: datetime,
    since: date,
    until: date | None,
    limit: int = 10,
) -> PriceUse:
    """Return who used a product's meter in the open period; one statement.

    Days from `since` until before `until` have no price once it ends. Usage that was
    reported late, for a day before the open period, is left out. Costs an index look-up
    for each organization of the white label.
    """
    parameters: dict[str, Any] = {
        "white_label": white_label.pk,
        "zone": white_label.time_zone,
        "product": product,
        "meter": meter,
        "organization": organization_id,
        "at": at,
        "since": since,
        "until": until,
        "limit": limit,
    }
    rows = fetch_all(_USE.format(later=_LATER), parameters)
    if not rows:
        return PriceUse([])
    return PriceUse([_use(row) for row in rows], *rows[0][6:])


def _use(row: Sequence[Any]) -> OrganizationUse:
    id_, name, quantity, cost, later_quantity, later_cost = row[:6]
    return OrganizationUse(
        id_, name, int(quantity), cost, int(later_quantity), later_cost
    )
