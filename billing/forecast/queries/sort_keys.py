"""Queries of the organizations whose sort keys by limit have to be prepared."""

from collections.abc import Iterable
from decimal import Decimal

from django.db import connection

from orgs.queries.prepared import array, fetch_all

# Fields to sort organizations by.
SOONEST_KEY = "limit_ranking__soonest_on"
LATEST_KEY = "limit_ranking__latest_on"
ENTITLEMENT_KEY = "limit_ranking__entitlement_use"

_WITH_LIMIT_AFTER = """
select distinct organization_id from billing_spendinglimit
where organization_id > %s and amount > 0 order by 1 limit %s
"""
# Organizations that were created without the signal (by SQL, say), and those whose
# limit was deleted: no signal names them.
_STALE = """
select o.id from orgs_organization o
left join billing_limitranking s on s.organization_id = o.id
where s.organization_id is null or s.reached_on is not null and not exists (
    select from billing_spendinglimit where organization_id = o.id and amount > 0)
order by o.id limit %s
"""


_ENTITLEMENT_USES = """
select organization_id, entitlement_use from billing_limitranking
where organization_id = any(%(ids)s::bigint[]) and entitlement_use >= 0
"""


def list_limited_after(after: int, *, limit: int) -> list[int]:
    """Return the ids of the next organizations with a spending limit, by id."""
    return _fetch_ids(_WITH_LIMIT_AFTER, after, limit)


def list_stale(limit: int) -> list[int]:
    """Return organizations without a sort key, or with a day but without a limit.

    Reads the sort keys of all organizations: no signal reported these.
    """
    return _fetch_ids(_STALE, limit)


def list_entitlement_uses(organization_ids: Iterable[int]) -> dict[int, Decimal]:
    """Return the used part of the most used entitlement of each organization.

    Organizations without a limit are left out. One query.
    """
    return dict(fetch_all(_ENTITLEMENT_USES, {"ids": array(organization_ids)}))


def _fetch_ids(statement: str, *parameters: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [id_ for (id_,) in cursor.fetchall()]
