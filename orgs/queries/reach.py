"""What every call reads first: whose key it is, and the organization it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.db.models.base import ModelState

from orgs.models import Organization, WhiteLabel
from orgs.queries.prepared import fetch_all

# Long, and for an index alone: read by those who want them.
_UNREAD = frozenset({"readme", "name_key", "search_text"})
# What the hot doors look at; each column costs a microsecond to read.
_HOT = frozenset({
    "id", "white_label", "rate_limit", "is_billable", "is_personal", "created_at",
    "contract_started_on", "deleted_at", "slug", "owner", "time_zone", "gpu_weight",
    "currency", "default_rate_limit",
})  # fmt: skip


# What the gate and the count of calls look at, and no more.
_FEW = frozenset({"id", "white_label", "rate_limit", "default_rate_limit"})
_Fields = frozenset[str] | None  # those that are read; none: all but the unread


def _fields(is_hot: bool) -> _Fields:
    return _HOT if is_hot else None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key that is in force; `used_at` is noted now and then, not at each call."""

    id: int
    scopes: Sequence[str]
    white_label_id: int
    organization_id: int | None
    used_at: datetime | None


_KEY = """
select k.id, k.scopes, k.white_label_id, k.organization_id, k.last_used_at, {columns}
from orgs_apikey k
left join orgs_organization own on own.id = k.organization_id
{beside}
where k.key_hash = %(key_hash)s
    and (k.expires_at is null or k.expires_at > %(now)s)
    and (k.revoked_at is null or k.revoked_at > %(now)s)
    and (k.organization_id is null or own.deleted_at is null)
"""
_KEY_COLUMNS = 5
_NAMED = """
left join orgs_organization o on o.id = %(organization_id)s
left join orgs_whitelabel w on w.id = o.white_label_id
"""
_OWN_LABEL = "join orgs_whitelabel w on w.id = k.white_label_id"
_BESIDE = "left join lateral {} beside on o.id is not null"

_ORGANIZATION = """
select {columns} from orgs_organization o
join orgs_whitelabel w on w.id = o.white_label_id
where o.id = %(organization_id)s
"""


def find_key(
    key_hash: bytes, *, organization_id: int, now: datetime, is_hot: bool = False
) -> tuple[KeyFacts | None, Organization | None]:
    """The key, and the organization of this id, deleted or not; in one statement.

    Whether the key reaches the organization is the gate's to say. Without a key there
    is no organization either. `is_hot` reads the few fields that hot doors look at.
    """
    fields = _fields(is_hot)
    rows = fetch_all(
        _key_statement(fields),
        {"key_hash": key_hash, "organization_id": organization_id, "now": now},
    )
    if not rows:
        return None, None
    row = rows[0]
    return KeyFacts(*row[:_KEY_COLUMNS]), _organization(row[_KEY_COLUMNS:], fields)


def find_key_beside(
    key_hash: bytes, *, organization_id: int, now: datetime, beside: str
) -> tuple[KeyFacts | None, Organization | None, Sequence[Any]]:
    """As `find_key`, and what a lateral subquery reads beside the organization.

    It may name the columns of `o`, and `%(now)s`. Of the organization itself there is
    only what the gate looks at.
    """
    rows = fetch_all(
        _key_statement(_FEW, beside),
        {"key_hash": key_hash, "organization_id": organization_id, "now": now},
    )
    if not rows:
        return None, None, ()
    row, end = rows[0], _KEY_COLUMNS + _few_columns()
    organization = _organization(row[_KEY_COLUMNS:end], _FEW)
    return KeyFacts(*row[:_KEY_COLUMNS]), organization, row[end:]


def find_key_of_label(
    key_hash: bytes, *, now: datetime
) -> tuple[KeyFacts | None, WhiteLabel | None]:
    """The key and the white label it is of: what hot doors look at; one statement."""
    names = _names(WhiteLabel, _HOT)
    rows = fetch_all(_own_label_statement(), {"key_hash": key_hash, "now": now})
    if not rows:
        return None, None
    row = rows[0]
    label = _instance(WhiteLabel, names, row[_KEY_COLUMNS:])
    return KeyFacts(*row[:_KEY_COLUMNS]), label


def find_organization(
    organization_id: int, *, is_hot: bool = False
) -> Organization | None:
    """The organization of this id with its white label, deleted or not."""
    fields = _fields(is_hot)
    statement = _ORGANIZATION.format(columns=_columns(fields))
    rows = fetch_all(statement, {"organization_id": organization_id})
    return _organization(rows[0], fields) if rows else None


_LABEL = "select {columns} from orgs_whitelabel w where w.id = %(white_label_id)s"


def get_white_label_by_id(white_label_id: int) -> WhiteLabel:
    """The white label of a key; raises `WhiteLabel.DoesNotExist`."""
    names = _names(WhiteLabel, None)
    statement = _LABEL.format(columns=", ".join(f"w.{name}" for name in names))
    rows = fetch_all(statement, {"white_label_id": white_label_id})
    if not rows:
        raise WhiteLabel.DoesNotExist
    return _instance(WhiteLabel, names, rows[0])


@cache
def _names(model: type[Model], fields: _Fields) -> list[str]:
    """Of the columns that are read."""
    return [
        field.attname
        for field in model._meta.concrete_fields
        if (field.name in fields if fields else field.name not in _UNREAD)
    ]


@cache
def _few_columns() -> int:
    return len(_names(Organization, _FEW)) + len(_names(WhiteLabel, _FEW))


@cache
def _key_statement(fields: _Fields, beside: str = "") -> str:
    if not beside:
        return _KEY.format(columns=_columns(fields), beside=_NAMED)
    columns = f"{_columns(fields)}, beside.*"
    return _KEY.format(columns=columns, beside=_NAMED + _BESIDE.format(beside))


@cache
def _own_label_statement() -> str:
    columns = ", ".join(f"w.{name}" for name in _names(WhiteLabel, _HOT))
    return _KEY.format(columns=columns, beside=_OWN_LABEL)


@cache
def _columns(fields: _Fields) -> str:
    """Of the organization `o`, then of its white label `w`."""
    names = [f"o.{name}" for name in _names(Organization, fields)]
    names += [f"w.{name}" for name in _names(WhiteLabel, fields)]
    return ", ".join(names)


def _organization(row: Sequence[Any], fields: _Fields) -> Organization | None:
    names = _names(Organization, fields)
    if row[0] is None:
        return None
    organization = _instance(Organization, names, row[: len(names)])
    label_names = _names(WhiteLabel, fields)
    organization.white_label = _instance(WhiteLabel, label_names, row[len(names) :])
    return organization


Row = TypeVar("Row", bound=Model)


def _instance(model: type[Row], names: Sequence[str], values: Sequence[Any]) -> Row:
    """As `from_db` makes it, which would look at each field that was not read, too.

    A twentieth of a hot call. What was not read is read when it is asked for.
    """
    found = model.__new__(model)
    found._state = ModelState()
    found._state.adding, found._state.db = False, DEFAULT_DB_ALIAS
    found.__dict__.update(zip(names, values, strict=True))
    return found
