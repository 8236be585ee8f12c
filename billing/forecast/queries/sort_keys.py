"""Whose place in the list's order by limits is to be prepared."""

from django.db import connection

# As fields of an organization to sort by.
SOONEST_KEY = "limit_ranking__soonest_on"
LATEST_KEY = "limit_ranking__latest_on"

_LIMITED = """
select distinct organization_id from billing_spendinglimit
where organization_id > %s and amount > 0 order by 1 limit %s
"""
# Made by whoever knew nothing of it, or of a limit that was deleted.
_AMISS = """
select o.id from orgs_organization o
left join billing_limitranking s on s.organization_id = o.id
where s.organization_id is null or s.reached_on is not null and not exists (
    select from billing_spendinglimit where organization_id = o.id and amount > 0)
order by o.id limit %s
"""


def list_limited_after(after: int, *, limit: int) -> list[int]:
    """The next organizations by id that have a spending limit."""
    return _ids(_LIMITED, after, limit)


def list_stale(limit: int) -> list[int]:
    """Organizations without a standing, and those with a day but without a limit.

    Compares all of them; nothing else would find what nobody told of.
    """
    return _ids(_AMISS, limit)


def _ids(statement: str, *parameters: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [id_ for (id_,) in cursor.fetchall()]
