"""The history: who changed what and when, newest first, a page at a time.

Triggers write a copy of each row on every change; a change is shown as the differences
between a copy and the one before it. Rows of journals are changes themselves.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core import signing
from pghistory.models import Event

from orgs.errors import DomainError
from orgs.queries import journals
from orgs.queries.journals import Journal
from orgs.queries.prepared import fetch_all, fetch_together

MAX_CHANGES = 100
_IDENTIFYING_FIELDS = ("number", "stripe_id")
_VERBS = {"insert": "added", "update": "changed", "delete": "removed"}
_IGNORED = {"updated_at"}
_OF_ACCOUNTS = {
    *("orgs.User", "orgs.UserPermission", "orgs.UserRole", "orgs.RolePermission")
}
_LAST_ID = 2**63 - 1
_UNKNOWN_TIME = datetime(2200, 1, 1, tzinfo=UTC)

Values = Mapping[str, Any]
HistoryKey = tuple[datetime, str, int]  # the time, the label of the model, and the ID
_NEWEST_KEY: HistoryKey = (_UNKNOWN_TIME, "", _LAST_ID)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """The text of a field before and after a change."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one row, with its columns before and after it.

    `label` is the model's label, such as `orgs.Member`. `metadata` says who made the
    change: a user name, an API key, a task, or a command; `note` is the reason that was
    entered. `before` is empty for a row that was added, and where no earlier copy is
    left.
    """

    at: datetime
    label: str
    model: str
    row_id: int
    verb: str
    before: Values
    after: Values
    metadata: Mapping[str, Any]
    organization_id: int | None
    key: tuple[datetime, str, int] = field(compare=False)

    @property
    def user(self) -> str:
        """The name of the user, or `Stripe`; empty for keys, commands and workers."""
        return str(self.metadata.get("username") or "")

    @property
    def reason(self) -> str:
        return str(self.metadata.get("note") or "")

    @property
    def request_id(self) -> str:
        return str(self.metadata.get("request_id") or "")

    @property
    def subject(self) -> str:
        """The number or Stripe ID of the row, or an empty text."""
        named = (self.after.get(name) for name in _IDENTIFYING_FIELDS)
        return next((str(value) for value in named if value), "")

    @property
    def changed(self) -> tuple[str, ...]:
        """The columns that differ from the copy before; none without one."""
        if not self.before:
            return ()
        return tuple(n for n, new in self.after.items() if self.before[n] != new)

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """The columns that changed, as texts."""
        return tuple(
            FieldChange(
                name.removesuffix("_id").replace("_", " "),
                _format_value(self.before[name]),
                _format_value(self.after[name]),
            )
            for name in self.changed
        )


@dataclass(frozen=True, slots=True)
class HistoryFilters:
    """Which changes are listed.

    `organization_id` is the owner, or None for all; `white_label_id` limits to one
    white label. `labels` are the models. `noise` are the columns of each model that
    alone make no change. `since` is included, `until` is not.
    """

    organization_id: int | None = None
    white_label_id: int | None = None
    labels: Collection[str] | None = None
    actor: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    noise: Mapping[str, Collection[str]] = field(default_factory=dict)
    # The changes that a rare actor made; None: look at the actor of each change.
    contexts: Sequence[UUID] | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Changes, newest first, and the cursor of the older ones; None at the end."""

    changes: Sequence[Change]
    next_cursor: str | None


def list_changes(organization_id: int, *, models: Collection[str] = ()) -> list[Change]:
    """Return the last 100 changes of an organization and its rows, newest first.

    Reads the history of every model that has an organization, or only of `models`,
    given by their verbose names, in one round trip. Secrets have no history.
    """
    labels = {t.label for t in _tables() if not models or t.model in models}
    filters = HistoryFilters(organization_id=organization_id, labels=labels)
    return list(history_page(filters, size=MAX_CHANGES, scope="").changes)


def history_page(
    filters: HistoryFilters, *, size: int, scope: str, cursor: str = ""
) -> HistoryPage:
    """Return a page of the history; one round trip, and another for an actor.

    From each history table at most one row more than the page has is read. Cursors are
    signed for `scope` (the viewer and the filters): another one raises
    `invalid_cursor`.
    """
    after = _read_cursor(cursor, scope)
    changes = _fetch(_with_contexts(filters), after, size + 1)
    shown = changes[:size]
    has_more = len(changes) > size
    return HistoryPage(shown, _cursor(shown[-1], scope) if has_more else None)


def iterate_history(
    filters: HistoryFilters, *, at_once: int, after: HistoryKey = _NEWEST_KEY
) -> Iterator[list[Change]]:
    """Yield all changes after a key, newest first, in lists; memory stays bounded."""
    filters = _with_contexts(filters)
    while changes := _fetch(filters, after, at_once):
        yield changes
        after = changes[-1].key


def count_history(filters: HistoryFilters, limit: int | None) -> int:
    """Return how many changes there are, counted up to a limit in each table.

    Without a limit changes that are noise are counted as well: leaving them out would
    compare each of millions with the copy before it.
    """
    filters = _with_contexts(filters)
    if limit is None:
        filters = replace(filters, noise={})
    statements = [
        journals.count_statement(table, filters, limit)
        if isinstance(table, Journal)
        else _count_statement(table, filters, limit)
        for table in _listed(filters)
    ]
    counts = fetch_together(statements) if statements else []
    return sum(int(rows[0][0]) for rows in counts)


def tracked_labels() -> set[str]:
    """Return the labels of all models that have a history."""
    return {table.label for table in _tables()} | {
        row.label for row in journals.registered()
    }


def _fetch(
    filters: HistoryFilters, after: tuple[datetime, str, int], count: int
) -> list[Change]:
    """Return the first changes after a key, across all tables."""
    tables = _listed(filters)
    statements = [
        journals.list_statement(table, filters, _position(table.label, after), count)
        if isinstance(table, Journal)
        else _statement(table, filters, after, count)
        for table in tables
    ]
    rows = fetch_together(statements) if statements else []
    changes = [
        _change(table, row)
        for table, copies in zip(tables, rows, strict=True)
        for row in copies
    ]
    return sorted(changes, key=_newest_first)[:count]


def _newest_first(change: Change) -> tuple[float, str, int]:
    at, label, id_ = change.key
    return (-at.timestamp(), label, -id_)


@dataclass(frozen=True, slots=True)
class _Table:
    """The history table of a model, and the columns that are compared.

    `owner` and `white_label` are the columns of the organization and white label;
    empty if the model has none.
    """

    name: str
    label: str
    model: str
    columns: tuple[str, ...]
    owner: str
    white_label: str


@cache
def _tables() -> tuple[_Table, ...]:
    """Return the history tables of all models."""
    return tuple(_table(model) for model in _event_models())


def _event_models() -> Iterator[Any]:
    """Yield the models of pghistory that hold copies of rows."""
    for model in apps.get_models():
        if issubclass(model, Event) and hasattr(model, "pgh_obj_id"):
            yield model


def _table(model: Any) -> _Table:
    label = model.pgh_tracked_model._meta.label
    columns = tuple(
        field.attname
        for field in model._meta.concrete_fields
        if not field.name.startswith("pgh_") and field.name not in _IGNORED
    )
    own_ids = {"orgs.Organization": "pgh_obj_id"}
    return _Table(
        model._meta.db_table,
        label,
        str(model.pgh_tracked_model._meta.verbose_name),
        columns,
        own_ids.get(label, "organization_id" if "organization_id" in columns else ""),
        {"orgs.WhiteLabel": "pgh_obj_id"}.get(
            label, "white_label_id" if "white_label_id" in columns else ""
        ),
    )


def _listed(filters: HistoryFilters) -> list["_Table | Journal"]:
    known: list[_Table | Journal] = [*_tables(), *journals.registered()]
    return [table for table in known if _is_listed(table, filters)]


def _is_listed(table: "_Table | Journal", filters: HistoryFilters) -> bool:
    if filters.labels is not None and table.label not in filters.labels:
        return False
    if filters.organization_id is not None:
        owner_source = table.owner_source if isinstance(table, Journal) else ""
        return bool(table.owner or owner_source)
    # An account belongs to no organization: it is in the history of all of them alone.
    return filters.white_label_id is None or table.label not in _OF_ACCOUNTS


# The newest copies of one history table, each with the copy before it. The copies are
# found by an index on their time or owner, the one before by that on its row.
_NEWEST = """
select e.pgh_created_at, e.pgh_id, e.pgh_label, e.pgh_obj_id, {owner}, c.metadata,
    p.pgh_id, {columns}, {before}
from {table} e left join pghistory_context c on c.id = e.pgh_context_id
{copy_before}
where (e.pgh_created_at, e.pgh_id) < (%(at)s, %(id)s) {conditions}
order by e.pgh_created_at desc, e.pgh_id desc limit {count}
"""
_COPY_BEFORE = """
left join lateral (
    select o.* from {table} o
    where o.pgh_obj_id = e.pgh_obj_id and o.pgh_id < e.pgh_id
    order by o.pgh_id desc limit 1) p on e.pgh_label = 'update'
"""
_COUNT = """
select count(*) from (
    select from {table} e left join pghistory_context c on c.id = e.pgh_context_id
    {copy_before}
    where true {conditions} limit %(limit)s) counted
"""
_IN_WHITE_LABEL = """and e.organization_id in (
    select id from orgs_organization where white_label_id = %(white_label_id)s)"""


def _position(label: str, after: tuple[datetime, str, int]) -> dict[str, Any]:
    """Return the parameters that continue after a change; labels break ties."""
    at, last_label, id_ = after
    if label != last_label:
        id_ = _LAST_ID if label > last_label else 0
    return {"at": at, "id": id_}


def _statement(
    table: _Table,
    filters: HistoryFilters,
    after: tuple[datetime, str, int],
    count: int,
) -> tuple[str, dict[str, Any]]:
    parameters = _position(table.label, after)
    conditions, values = _conditions(table, filters)
    text = _NEWEST.format(
        table=table.name,
        owner=f"e.{table.owner}" if table.owner else "null::bigint",
        columns=", ".join(f"e.{column}" for column in table.columns),
        before=", ".join(f"p.{column}" for column in table.columns),
        copy_before=_COPY_BEFORE.format(table=table.name),
        conditions=conditions,
        count=count,
    )
    return text, parameters | values


def _count_statement(
    table: _Table, filters: HistoryFilters, limit: int | None
) -> tuple[str, dict[str, Any]]:
    """Return the statement that counts; copies before are read only to find noise."""
    conditions, values = _conditions(table, filters)
    has_noise = bool(filters.noise.get(table.label))
    text = _COUNT.format(
        table=table.name,
        copy_before=_COPY_BEFORE.format(table=table.name) if has_noise else "",
        conditions=conditions,
    )
    return text, values | {"limit": limit}


def _conditions(table: _Table, filters: HistoryFilters) -> tuple[str, dict[str, Any]]:
    """Return the conditions of the filters, each with an `and`, and their values."""
    conditions = [_scope(table, filters), _noise(table, filters)]
    parameters: dict[str, Any] = {}
    for name, condition in (
        ("organization_id", f"and e.{table.owner} = %(organization_id)s"),
        ("white_label_id", ""),
        ("since", "and e.pgh_created_at >= %(since)s"),
        ("until", "and e.pgh_created_at < %(until)s"),
    ):
        if (value := getattr(filters, name)) is not None:
            conditions.append(condition)
            parameters[name] = value
    if filters.contexts is not None:
        conditions.append("and e.pgh_context_id = any(%(contexts)s::uuid[])")
        return " ".join(conditions), parameters | {"contexts": filters.contexts}
    for condition, value in _actor_conditions(filters.actor):
        conditions.append(condition)
        parameters |= value
    return " ".join(conditions), parameters


def _scope(table: _Table, filters: HistoryFilters) -> str:
    if filters.white_label_id is None or filters.organization_id is not None:
        return ""
    if table.white_label:
        return f"and e.{table.white_label} = %(white_label_id)s"
    return _IN_WHITE_LABEL


def _noise(table: _Table, filters: HistoryFilters) -> str:
    """Return the condition that another column than those of the noise changed."""
    noise = filters.noise.get(table.label)
    if not noise:
        return ""
    rest = [column for column in table.columns if column not in noise]
    new, old = (", ".join(f"{t}.{column}" for column in rest) for t in "ep")
    return f"and (e.pgh_label <> 'update' or row({new}) is distinct from row({old}))"


# Up to so many changes of an actor are found by an index. The newest ones of a frequent
# actor are soon found in the order of time, where a rare one would take all history.
_MAX_CONTEXTS = 2_000


def _with_contexts(filters: HistoryFilters) -> HistoryFilters:
    """Return the filters with the contexts of a rare actor; one statement, or none."""
    if filters.contexts is not None or not {"username", "api_key"} & {*filters.actor}:
        return filters
    conditions = " ".join(sql for sql, _ in _actor_conditions(filters.actor))
    rows = fetch_all(
        f"select c.id from pghistory_context c where true {conditions} limit %(most)s",  # noqa: S608  ours
        {**filters.actor, "most": _MAX_CONTEXTS + 1},
    )
    if len(rows) > _MAX_CONTEXTS:
        return filters
    return replace(filters, contexts=[id_ for (id_,) in rows])


_ACTORS = {
    "username": "and lower(c.metadata ->> 'username') = any(%(username)s)",
    "api_key": "and c.metadata ->> 'api_key' = %(api_key)s",
    "system": """and coalesce(c.metadata ->> 'username', c.metadata ->> 'api_key',
    c.metadata ->> 'recipient') is null""",
}


def _actor_conditions(
    actor: Mapping[str, Any],
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in actor.items():
        yield _ACTORS[name], {} if name == "system" else {name: value}


def _change(table: "_Table | Journal", row: Sequence[Any]) -> Change:
    at, id_, label, row_id, owner, metadata, before_id, *values = row
    split = len(table.columns)
    before = dict(zip(table.columns, values[split:], strict=True)) if before_id else {}
    return Change(
        at,
        table.label,
        table.model,
        row_id,
        _VERBS.get(label, label),
        before,
        dict(zip(table.columns, values[:split], strict=True)),
        metadata or {},
        owner,
        (at, table.label, id_),
    )


def without(change: Change, names: Collection[str]) -> Change:
    """Return the change as if these columns had not changed."""
    same = {n: change.after[n] for n in names if n in change.before}
    return replace(change, before={**change.before, **same})


def _cursor(change: Change, scope: str) -> str:
    at, label, id_ = change.key
    return signing.dumps([at.isoformat(), label, id_], salt=f"history:{scope}")


def _read_cursor(cursor: str, scope: str) -> tuple[datetime, str, int]:
    if not cursor:
        return _UNKNOWN_TIME, "", _LAST_ID
    try:
        at, label, id_ = signing.loads(cursor, salt=f"history:{scope}")
        return datetime.fromisoformat(at), label, id_
    except (signing.BadSignature, ValueError):
        raise DomainError(
            "`cursor` is not a cursor of this list.",
            code="invalid_cursor",
            fields=("cursor",),
        ) from None


def _format_value(value: object) -> str:
    """Return a value as people read it: UTC minutes, grouped digits, a dash."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "\N{EN DASH}" if value in (None, "") else str(value)
