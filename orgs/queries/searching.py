"""Organizations by what people remember of them, in the order of a list."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from orgs.models.organizations import Organization, OrganizationQuerySet

_WORDS = 8  # of a search; more say nothing
_NEAR = 2_000  # rows of the list that are looked through before the index is asked


def search_organizations(
    organizations: OrganizationQuerySet, text: str
) -> OrganizationQuerySet:
    """Every word occurs in the name, the company's id or the billing e-mail.

    One trigram index answers; words of one or two letters read more of it. A number
    is an id, too.
    """
    for word in _words(text):
        found = Q(search_text__contains=word)
        if (id_ := _id(word)) is not None:
            found |= Q(pk=id_)
        organizations = organizations.filter(found)
    return organizations


def _words(text: str) -> list[str]:
    return text.lower().split()[:_WORDS]


def _id(word: str) -> int | None:
    is_number = word.isascii() and word.isdigit() and len(word) < len(str(2**63))
    return int(word) if is_number else None


def first_ids(
    organizations: OrganizationQuerySet, order_by: Sequence[str], text: str, count: int
) -> list[int]:
    """The ids of the first that a search finds, in the list's order; two statements.

    Left to itself the planner walks the list until enough is found, which is right
    when what is sought lies everywhere in it, and a read of all when it lies together,
    as names that begin alike do. So only the beginning is walked; then the trigram
    index says where all of it is, and that is sorted.
    """
    walked = organizations.order_by(*order_by)[:_NEAR]
    conditions, words = _conditions(text)
    near = _ids(walked, order_by, f"where {conditions}", words, count)
    if len(near) == count:
        return near
    found = search_organizations(organizations, text).order_by()
    return _ids(found, order_by, "", [], count)


def taker(text: str) -> Callable[..., list[Organization]]:
    """How a page takes its rows from a search's."""

    def take(
        organizations: OrganizationQuerySet, order_by: Sequence[str], count: int
    ) -> list[Organization]:
        ids = first_ids(organizations, order_by, text, count)
        return sorted(organizations.filter(pk__in=ids), key=lambda o: ids.index(o.pk))

    return take


def _conditions(text: str) -> tuple[str, list[Any]]:
    """The search once more, of columns of a subquery."""
    conditions, parameters = ["true"], list[Any]()
    for word in _words(text):
        escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        conditions.append("(s.search_text like %s or s.id = %s)")
        parameters += [f"%{escaped}%", _id(word)]
    return " and ".join(conditions), parameters


def _ids(
    rows: QuerySet[Any], order_by: Sequence[str], where: str, words: list[Any],
    count: int,
) -> list[int]:  # fmt: skip
    """`offset 0` keeps the two apart: the inner one is planned for all of its rows."""
    field, direction = order_by[0].lstrip("-"), "desc" if order_by[0][0] == "-" else ""
    columns = rows.values_list("pk", "search_text", field)
    inner, parameters = columns.query.sql_with_params()
    statement = f"""
select s.id from ({inner} offset 0) s (id, search_text, key) {where}
order by s.key {direction}, s.id {direction} limit %s"""  # noqa: S608  ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, *words, count])
        return [id_ for (id_,) in cursor.fetchall()]
