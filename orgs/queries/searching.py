"""Organizations by what people remember of them, in the order of a list."""

from typing import Any, TypeVar

from django.db import connection
from django.db.models import Q, QuerySet

from orgs.models import Organization
from orgs.queries.paging import Key, Order, Take, take_in_order

Rows = TypeVar("Rows", bound=QuerySet[Any])
_WORDS = 8  # of a search; more say nothing
_NEAR = 2_000  # rows of the list that are looked through before the index is asked


def search_organizations(organizations: Rows, text: str) -> Rows:
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


def _first_ids(
    organizations: QuerySet[Organization],
    order: Order,
    after: Key | None,
    text: str,
    count: int,
    *,
    are_few: bool,
) -> list[int]:
    """The ids of the first that a search finds after a key; two statements at most.

    Left to itself the planner walks the list until enough is found, which is right
    when what is sought lies everywhere in it, and a read of all when it lies together,
    as names that begin alike do. So only the beginning is walked; then the trigram
    index says where all of it is, and that is sorted. Where the organizations are
    few themselves, nothing is walked.
    """
    if not are_few:
        near = order.of(organizations, after)[:_NEAR]
        ids = _ids(near, order, _searched(text), count)
        if len(ids) == count:
            return ids
    found = search_organizations(organizations, text).order_by()
    return _ids(found, order, _beyond(order, after), count)


def taker(text: str, *, are_few: bool = False) -> Take[Organization]:
    """How a page takes its rows from a search's; `are_few`: of those of a tab, say.

    They are fetched by their ids alone: half of a list may share one key, and the
    planner, who takes the rows after it for few, would read them all.
    """
    if not _words(text):
        return take_in_order

    def take(
        organizations: QuerySet[Organization],
        order: Order,
        after: Key | None,
        count: int,
    ) -> list[Organization]:
        ids = _first_ids(organizations, order, after, text, count, are_few=are_few)
        return sorted(organizations.filter(pk__in=ids), key=lambda o: ids.index(o.pk))

    return take


Condition = tuple[str, list[Any]]  # of columns of a subquery, and its parameters


def _searched(text: str) -> Condition:
    """The search once more."""
    conditions, parameters = ["true"], list[Any]()
    for word in _words(text):
        escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        conditions.append("(s.search_text like %s or s.id = %s)")
        parameters += [f"%{escaped}%", _id(word)]
    return " and ".join(conditions), parameters


def _beyond(order: Order, after: Key | None) -> Condition:
    if not after:
        return "true", []
    return f"(s.key, s.id) {'<' if order.descending else '>'} (%s, %s)", [*after]


def _ids(rows: QuerySet[Any], order: Order, where: Condition, count: int) -> list[int]:
    """`offset 0` keeps the two apart: the inner one is planned for all of its rows."""
    condition, given = where
    direction = "desc" if order.descending else ""
    columns = rows.values_list("pk", "search_text", order.field)
    inner, parameters = columns.query.sql_with_params()
    statement = f"""
select s.id from ({inner} offset 0) s (id, search_text, key) where {condition}
order by s.key {direction}, s.id {direction} limit %s"""  # noqa: S608  ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, *given, count])
        return [id_ for (id_,) in cursor.fetchall()]
