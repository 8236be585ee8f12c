"""Tables whose rows are themselves the record of who did what, when, and why.

A ledger is appended and never edited, so that it needs no triggers: each row is a
change in the history. Apps register theirs (`register_journal`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orgs.queries.history import HistoryFilters


@dataclass(frozen=True, slots=True)
class Journal:
    """A table of the history; its parts are SQL, and `t` is the table.

    `id` is a bigint that orders rows of one instant. `author` is a user name, `key` and
    the id of an API key, or `SYSTEM`. `owner` and `white_label` are empty if a row has
    none. `owner_source` has the rows of `%(organization_id)s` only, for a table without
    an owner.
    """

    label: str  # as a model's: `billing.CreditEntry`
    model: str
    source: str
    values: Mapping[str, str]  # the columns that texts are written from
    at: str = "t.created_at"
    id: str = "t.id"
    owner: str = "t.organization_id"
    white_label: str = ""
    author: str = "t.by"
    note: str = "t.note"
    condition: str = ""
    owner_source: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.values)


SYSTEM = "Orgdesk"  # the author of rows that no person made
_JOURNALS: dict[str, Journal] = {}


def register_journal(journal: Journal) -> None:
    """Add a table to the history."""
    _JOURNALS[journal.label] = journal


def registered() -> tuple[Journal, ...]:
    """Return the registered tables."""
    return tuple(_JOURNALS.values())


# The newest rows of a journal, in the columns that the history reads of its tables.
_NEWEST = """
select {at}, {id}, 'recorded', {id}, {owner}, case
        when {author} like 'key %%' then jsonb_build_object(
            'api_key', substr({author}, 5), 'note', {note})
        when {author} in ('', '{system}') then jsonb_build_object('note', {note})
        else jsonb_build_object('username', {author}, 'note', {note}) end,
    null, {columns}
from {source}
where ({at}, {id}) < (%(at)s, %(id)s) {conditions}
order by {at} desc, {id} desc limit {count}
"""
_COUNT = """
select count(*) from (select from {source} where true {conditions}
    limit %(limit)s) counted
"""
_IN_WHITE_LABEL = """and {owner} in (
    select id from orgs_organization where white_label_id = %(white_label_id)s)"""
_ACTORS = {
    "username": "and lower({author}) = any(%(username)s)",
    "api_key": "and {author} = 'key ' || %(api_key)s",
    "system": "and {author} in ('', '{system}')",
}
Statement = tuple[str, dict[str, Any]]


def list_statement(
    journal: Journal,
    filters: "HistoryFilters",
    position: Mapping[str, Any],
    count: int,
) -> Statement:
    """Return the statement of the first rows after a position, newest first."""
    parts = _parts(journal, filters)
    conditions, values = _conditions(journal, filters, parts)
    columns = ", ".join(journal.values.values())
    text = _NEWEST.format(**parts, columns=columns, conditions=conditions, count=count)
    return text, {**values, **position}


def count_statement(
    journal: Journal, filters: "HistoryFilters", limit: int | None
) -> Statement:
    """Return the statement that counts rows, up to a limit."""
    parts = _parts(journal, filters)
    conditions, values = _conditions(journal, filters, parts)
    text = _COUNT.format(source=parts["source"], conditions=conditions)
    return text, values | {"limit": limit}


def _parts(journal: Journal, filters: "HistoryFilters") -> dict[str, str]:
    is_of_one = filters.organization_id is not None and bool(journal.owner_source)
    owner = "%(organization_id)s::bigint" if is_of_one else journal.owner
    return {
        "at": journal.at,
        "id": journal.id,
        "owner": owner or "null::bigint",
        "author": journal.author,
        "note": journal.note,
        "system": SYSTEM,
        "source": journal.owner_source if is_of_one else journal.source,
    }


def _conditions(
    journal: Journal, filters: "HistoryFilters", parts: Mapping[str, str]
) -> Statement:
    """Return the conditions of the filters, each with an `and`, and their values."""
    conditions = [journal.condition, _scope(journal, filters)]
    values: dict[str, Any] = {}
    for name, condition in (
        ("organization_id", "and {owner} = %(organization_id)s"),
        ("white_label_id", ""),
        ("since", "and {at} >= %(since)s"),
        ("until", "and {at} < %(until)s"),
    ):
        if (value := getattr(filters, name)) is not None:
            conditions.append(condition)
            values[name] = value
    for name, value in filters.actor.items():
        conditions.append(_ACTORS[name])
        values |= {} if name == "system" else {name: value}
    return " ".join(text.format(**parts) for text in conditions), values


def _scope(journal: Journal, filters: "HistoryFilters") -> str:
    if filters.white_label_id is None or filters.organization_id is not None:
        return ""
    if journal.white_label:
        return f"and {journal.white_label} = %(white_label_id)s"
    return _IN_WHITE_LABEL
