"""The statement of a search: what it reads of each table, and in which order.

A search has parts, and each part reads a bounded number of rows: beginnings of names by
their index, then a sample of the table, then the trigram index. A part is reached only
if those before it found too little, so that a word of half of all rows costs as little
as a rare one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connection

_READ_ROWS = 100  # of each search, of which the best are shown
SAMPLED_ROWS = 2_000  # of a table, which are compared before its index is used
_SMALL_LABEL = 2_000  # organizations of a white label that are searched one by one


class Kind(StrEnum):
    """The kinds of things that are searched for."""

    ORGANIZATION = "organization"
    MEMBER = "member"
    PROJECT = "project"
    API_KEY = "api_key"
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"


@dataclass(frozen=True, slots=True)
class Match:
    """A row that matches a search, with the organization it belongs to.

    `label` names it; `detail` distinguishes it from others of that name. A key of a
    whole white label belongs to no organization.
    """

    kind: Kind
    id: int
    label: str
    detail: str
    text: str  # the search key that was compared
    organization_id: int | None
    organization_name: str
    is_deleted: bool
    rank: float = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A table `t` that is searched, as SQL.

    `columns` are id, label, detail, search text, and whether the row was deleted;
    `owner` is the column of the organization.
    """

    kind: Kind
    table: str
    columns: str
    owner: str = "organization_id"
    has_white_label: bool = False


SOURCES = {
    Kind.ORGANIZATION: Source(
        Kind.ORGANIZATION,
        "orgs_organization",
        "t.id, t.name, t.external_id, t.search_text, t.deleted_at is not null",
        owner="id",
        has_white_label=True,
    ),
    Kind.MEMBER: Source(
        Kind.MEMBER,
        "orgs_member",
        """t.id, coalesce(nullif(t.name, ''), nullif(t.email, ''), t.external_id),
        case when t.name <> '' then coalesce(nullif(t.email, ''), t.external_id)
            else '' end,
        t.search_text, t.deleted_at is not null""",
    ),
    Kind.PROJECT: Source(
        Kind.PROJECT,
        "orgs_project",
        "t.id, t.name, t.external_id, t.search_text, t.deleted_at is not null",
    ),
    Kind.API_KEY: Source(
        Kind.API_KEY,
        "orgs_apikey",
        "t.id, t.name, t.start || '…', t.start, t.revoked_at <= now()",
        has_white_label=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """The rows a search may find: those of one white label, or all (None)."""

    white_label_id: int | None


@dataclass(frozen=True, slots=True)
class Search:
    """Rows of a source that meet an SQL condition on its columns, with parameters.

    `first` are other conditions, which an index of the table answers; their rows come
    first. With `by_index`, an index answers the condition itself; without, only
    `sampled` rows are compared with it. `sample_condition` is one that costs less.
    """

    source: Source
    condition: str
    parameters: dict[str, Any]
    first: tuple[str, ...] = ()
    by_index: bool = True
    sampled: int = SAMPLED_ROWS
    sample_condition: str = ""


# Rows that an index finds with the condition. Found row by row until there are enough:
# with the limit alone, PostgreSQL would expect matches everywhere, and read the table
# from its beginning. `offset 0` keeps it from merging the subquery, and a subquery that
# is joined is planned for all of its rows. The one row of `unnest` is such a join.
_BY_INDEX = """(select found.* from unnest('{{1}}'::integer[]) once
    cross join (select t.{owner}, {columns} from {table} t
        where {condition} {scope} offset 0) found limit {rows})"""
# Some blocks of the table, the same ones in each search; a small table as a whole. The
# newest rows would be faster, but those of one load may be alike.
_SAMPLE = """(select t.{owner}, {columns} from (
    select * from {table} tablesample system ((
        select least(100.0, 100.0 * {sampled} / greatest(reltuples, 1))
        from pg_class where oid = '{table}'::regclass)) repeatable (1)
    limit {sampled}) t where {sample_condition} {scope} limit {rows})"""
_FIRST = "(select t.{owner}, {columns} from {first} {scope} limit {rows})"
_MATCHES = """
select '{kind}', h.id, h.label, h.detail, h.text, o.id, coalesce(o.name, ''),
    coalesce(h.is_deleted or o.deleted_at is not null, false)
from (select * from ({parts}) p limit {rows})
    h (owner, id, label, detail, text, is_deleted)
left join orgs_organization o on o.id = h.owner
"""


def run_searches(viewer: Viewer, searches: Sequence[Search]) -> list[Match]:
    """Return the first matches of all searches, unordered and without repetition.

    One statement, and one more for a viewer of one white label. Reads 100 matches of
    each search at most, and for each of them few rows.
    """
    if not searches:
        return []
    parameters: dict[str, Any] = {"white_label": viewer.white_label_id}
    is_small = viewer.white_label_id is not None and _is_small(viewer.white_label_id)
    statements = []
    for search in searches:
        parameters |= search.parameters
        statements.append(_statement(search, _scope(viewer, search.source, is_small)))
    with connection.cursor() as cursor:
        cursor.execute(" union all ".join(f"({s})" for s in statements), parameters)
        rows = [Match(Kind(kind), *values) for kind, *values in cursor.fetchall()]
    return list(dict.fromkeys(rows))


def _statement(search: Search, scope: str) -> str:
    source = search.source
    values = {
        "table": source.table,
        "owner": source.owner,
        "columns": source.columns,
        "condition": search.condition,
        "scope": scope,
        "rows": _READ_ROWS,
        "sampled": search.sampled,
        "sample_condition": search.sample_condition or search.condition,
    }
    parts = [
        _FIRST.format(**values, first=first.format(scope=scope))
        for first in search.first
    ]
    if search.sampled:
        parts.append(_SAMPLE.format(**values))
    if search.by_index:
        parts.append(_BY_INDEX.format(**values))
    return _MATCHES.format(
        kind=source.kind, parts=" union all ".join(parts), rows=_READ_ROWS
    )


def _scope(viewer: Viewer, source: Source, is_small: bool) -> str:
    """Return the condition that a row is of the viewer's white label.

    Of a large white label, the organization of each found row is looked up. PostgreSQL
    cannot turn a scalar subquery into a join, which would read all organizations. In a
    small white label many rows would be looked up before one is of it, so its
    organizations are read instead.
    """
    if viewer.white_label_id is None:
        return ""
    if source.has_white_label:
        return "and t.white_label_id = %(white_label)s"
    if is_small:
        return f"""and t.{source.owner} in (
            select id from orgs_organization where white_label_id = %(white_label)s)"""  # noqa: S608  only our own names
    return f"""and (select o.white_label_id from orgs_organization o
        where o.id = t.{source.owner}) = %(white_label)s"""  # noqa: S608  only our own names


def _is_small(white_label_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from (select from orgs_organization"
            " where white_label_id = %s limit %s) rows",
            [white_label_id, _SMALL_LABEL + 1],
        )
        return bool(cursor.fetchone()[0] <= _SMALL_LABEL)
