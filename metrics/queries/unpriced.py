"""Usage without a rate: which it is, and what a period's quantities add up to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from orgs.queries.prepared import array, fetch_all


@dataclass(frozen=True, slots=True)
class UnpricedUsage:
    """Unpriced quantity of a product and meter in one billing period.

    `since` is the first day with such usage.
    """

    organization_id: int
    product: str
    meter: str
    quantity: int
    since: date


# Lateral, so that each organization's usage is read by its index. Daily usage has an
# index of its unpriced rows alone: an organization without any costs a look-up.
_UNPRICED = """
select p.id, u.product, u.meter, sum(u.unpriced_quantity), min(u.day)
from unnest(%(ids)s::bigint[], %(numbers)s::integer[]) p (id, number)
cross join lateral (
    select product, meter, day, unpriced_quantity from metrics_usage
    where organization_id = p.id and period = p.number and unpriced_quantity <> 0) u
group by 1, 2, 3 having sum(u.unpriced_quantity) > 0 order by 1, 2, 3
"""


def list_unpriced(numbers: Mapping[int, int]) -> list[UnpricedUsage]:
    """Return the unpriced usage of one period of each organization; one query.

    `numbers` is the number of the period by organization ID. Ordered by organization,
    product, and meter.
    """
    parameters = {"ids": array(numbers), "numbers": array(numbers.values())}
    return [
        UnpricedUsage(id_, product, meter, int(quantity), since)
        for id_, product, meter, quantity, since in fetch_all(_UNPRICED, parameters)
    ]


_OPEN_NUMBER = "select number from metrics_openperiod where organization_id = %(id)s"


def list_open_unpriced(organization_id: int) -> list[UnpricedUsage]:
    """Return the unpriced usage of an organization's open period, with carried usage.

    Two queries.
    """
    rows = fetch_all(_OPEN_NUMBER, {"id": organization_id})
    return list_unpriced({organization_id: rows[0][0]}) if rows else []


_CARRIED = """
select product, meter from metrics_carriedusage c
join metrics_openperiod p using (organization_id)
where c.organization_id = %(id)s and c.period = p.number - 1
"""


def list_carried(organization_id: int) -> set[tuple[str, str]]:
    """Return products and meters whose usage is carried into the open period."""
    return {(row[0], row[1]) for row in fetch_all(_CARRIED, {"id": organization_id})}


@dataclass(frozen=True, slots=True)
class FleetUnpriced:
    """Unpriced usage of a product and meter in all open periods of a white label."""

    white_label_id: int
    product: str
    meter: str
    quantity: int
    since: date
    organizations: int


# Starts from the unpriced rows, which an index has, and not from the organizations.
_FLEET = """
select o.white_label_id, u.product, u.meter, sum(u.unpriced_quantity), min(u.day),
    count(distinct o.id)
from (select * from metrics_usage where unpriced_quantity <> 0) u
join metrics_openperiod p on p.organization_id = u.organization_id
    and p.number = u.period
join orgs_organization o on o.id = u.organization_id
where o.white_label_id = any(%(white_labels)s::bigint[])
group by 1, 2, 3 having sum(u.unpriced_quantity) > 0 order by 5, 1, 2, 3
limit %(limit)s
"""


def list_fleet_unpriced(
    white_label_ids: Iterable[int], *, limit: int | None
) -> list[FleetUnpriced]:
    """Return the unpriced usage of white labels, the longest without a price first.

    Costs a read of the unpriced rows of open periods; usually there are none.
    """
    parameters = {"white_labels": array(white_label_ids), "limit": limit}
    return [
        FleetUnpriced(id_, product, meter, int(quantity), since, organizations)
        for id_, product, meter, quantity, since, organizations in fetch_all(
            _FLEET, parameters
        )
    ]


@dataclass(frozen=True, slots=True)
class OrganizationUnpriced:
    """Unpriced usage of one product and meter in an organization's open period."""

    organization_id: int
    name: str
    external_id: str
    quantity: int
    since: date


_ORGANIZATIONS = """
select o.id, o.name, o.external_id, sum(u.unpriced_quantity), min(u.day)
from (select * from metrics_usage where unpriced_quantity <> 0
    and product = %(product)s and meter = %(meter)s) u
join metrics_openperiod p on p.organization_id = u.organization_id
    and p.number = u.period
join orgs_organization o on o.id = u.organization_id
where o.white_label_id = %(white_label)s
group by 1, 2, 3 having sum(u.unpriced_quantity) > 0 order by 4 desc, 1
limit %(limit)s
"""


def list_unpriced_organizations(
    white_label_id: int, product: str, meter: str, *, limit: int | None
) -> list[OrganizationUnpriced]:
    """Return the organizations that used a product and meter without a price.

    The one that used most comes first.
    """
    parameters = {
        "white_label": white_label_id,
        "product": product,
        "meter": meter,
        "limit": limit,
    }
    return [
        OrganizationUnpriced(id_, name, external_id, int(quantity), since)
        for id_, name, external_id, quantity, since in fetch_all(
            _ORGANIZATIONS, parameters
        )
    ]
