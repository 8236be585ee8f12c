"""Read the API key of a call and the organization it names in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from orgs.models import Organization, WhiteLabel
from orgs.queries.prepared import fetch_all

Fields = frozenset[str] | None  # of both models; None: all but `_NEVER_READ`

# Long texts, and columns that exist only for an index: Django loads them when used.
_NEVER_READ = frozenset({"readme", "name_key", "search_text"})
# What a chart needs; reading another column costs about a microsecond.
FAST_PATH_FIELDS = frozenset({
    "id", "white_label", "rate_limit", "deleted_at", "time_zone",
    "default_rate_limit",
})  # fmt: skip
# What permissions and the rate limit need, and no more.
_ACCESS_FIELDS = frozenset({"id", "white_label", "rate_limit", "default_rate_limit"})


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """An active API key; `used_at` is updated at most once a minute and address.

    `label` is what history and logs call it, such as `gateway (ei_1a2b3c4d…)`.
    `address_ranges` are the networks that it may be used from; none means any address.
    """

    id: int
    label: str
    scopes: Sequence[str]
    white_label_id: int
    organization_id: int | None
    used_at: datetime | None
    used_address: str | None
    address_ranges: Sequence[str]


# The key by its hash, unless it has expired or was revoked. A revocation is compared
# with no clock, which could be set back. The key of a deleted organization may only
# report usage, if it ever could: gateways report minutes later what was used before.
_KEY = """
select k.id, k.name || ' (' || k.start || '…)',
    case when own.deleted_at is null then k.scopes
        else array['usage:write']::varchar[] end,
    k.white_label_id, k.organization_id, k.last_used_at, host(k.last_used_address),
    k.address_ranges, {columns}
from orgs_apikey k
left join orgs_organization own on own.id = k.organization_id
{joins}
where k.key_hash = %(key_hash)s
    and (k.expires_at is null or k.expires_at > %(now)s)
    and k.revoked_at is null
    and (own.deleted_at is null or 'usage:write' = any(k.scopes))
"""
_KEY_COLUMNS = 8
# Left joins, so that the key is returned even if the organization does not exist.
_ORGANIZATION_JOINS = """
left join orgs_organization o on o.id = %(organization_id)s
left join orgs_whitelabel w on w.id = o.white_label_id
"""
_LATERAL_JOIN = "left join lateral {} joined on o.id is not null"

_ORGANIZATION = """
select {columns} from orgs_organization o
join orgs_whitelabel w on w.id = o.white_label_id
where o.id = %(organization_id)s
"""
_WHITE_LABEL = "select {columns} from orgs_whitelabel w where w.id = %(white_label_id)s"


def find_key(
    key_hash: bytes, *, organization_id: int, now: datetime, fields: Fields = None
) -> tuple[KeyFacts | None, Organization | None]:
    """Return the key and the organization of this id, deleted or not; one statement.

    The caller checks whether the key may access the organization. Both are None if
    there is no such key. Fields that are not read here are loaded when used.
    """
    rows = fetch_all(
        _key_statement(fields),
        {"key_hash": key_hash, "organization_id": organization_id, "now": now},
    )
    if not rows:
        return None, None
    row = rows[0]
    return KeyFacts(*row[:_KEY_COLUMNS]), _organization(row[_KEY_COLUMNS:], fields)


def find_key_with(
    key_hash: bytes, *, organization_id: int, now: datetime, joined: str
) -> tuple[KeyFacts | None, Organization | None, Sequence[Any]]:
    """Return key and organization as `find_key` does, and the row of a subquery.

    `joined` is the SQL of the subquery; it may use the columns of `o`, and `%(now)s`.
    Of the organization, only what permissions and the rate limit need is read.
    """
    rows = fetch_all(
        _key_statement(_ACCESS_FIELDS, joined),
        {"key_hash": key_hash, "organization_id": organization_id, "now": now},
    )
    if not rows:
        return None, None, ()
    row, end = rows[0], _KEY_COLUMNS + _access_columns()
    organization = _organization(row[_KEY_COLUMNS:end], _ACCESS_FIELDS)
    return KeyFacts(*row[:_KEY_COLUMNS]), organization, row[end:]


def find_organization(organization_id: int) -> Organization | None:
    """Return the organization of this id with its white label, deleted or not."""
    statement = _ORGANIZATION.format(columns=_columns(None))
    rows = fetch_all(statement, {"organization_id": organization_id})
    return _organization(rows[0], None) if rows else None


def get_white_label_by_id(white_label_id: int) -> WhiteLabel:
    """Return the white label of a key; raise `WhiteLabel.DoesNotExist`."""
    names = _names(WhiteLabel, None)
    statement = _WHITE_LABEL.format(columns=", ".join(f"w.{name}" for name in names))
    rows = fetch_all(statement, {"white_label_id": white_label_id})
    if not rows:
        raise WhiteLabel.DoesNotExist
    return WhiteLabel.from_db(DEFAULT_DB_ALIAS, names, rows[0])


@cache
def _key_statement(fields: Fields, joined: str = "") -> str:
    if not joined:
        return _KEY.format(columns=_columns(fields), joins=_ORGANIZATION_JOINS)
    columns = f"{_columns(fields)}, joined.*"
    joins = _ORGANIZATION_JOINS + _LATERAL_JOIN.format(joined)
    return _KEY.format(columns=columns, joins=joins)


@cache
def _columns(fields: Fields) -> str:
    """Return the columns of the organization `o`, then of its white label `w`."""
    names = [f"o.{name}" for name in _names(Organization, fields)]
    names += [f"w.{name}" for name in _names(WhiteLabel, fields)]
    return ", ".join(names)


@cache
def _access_columns() -> int:
    """Return the number of columns that `_ACCESS_FIELDS` are read from."""
    models = (Organization, WhiteLabel)
    return sum(len(_names(model, _ACCESS_FIELDS)) for model in models)


@cache
def _names(model: type[Model], fields: Fields) -> list[str]:
    """Return the column names of the fields of a model that are read."""
    return [
        field.attname
        for field in model._meta.concrete_fields
        if (field.name in fields if fields else field.name not in _NEVER_READ)
    ]


def _organization(row: Sequence[Any], fields: Fields) -> Organization | None:
    """Return the organization of a row of `_columns`; None if all of them are null."""
    names = _names(Organization, fields)
    if row[0] is None:
        return None
    organization = Organization.from_db(DEFAULT_DB_ALIAS, names, row[: len(names)])
    label_names = _names(WhiteLabel, fields)
    organization.white_label = WhiteLabel.from_db(
        DEFAULT_DB_ALIAS, label_names, row[len(names) :]
    )
    return organization
