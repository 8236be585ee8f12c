"""What every call reads first: whose key it is, and the organization it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db.models import Model

from orgs.models import Organization, WhiteLabel
from orgs.queries.prepared import fetch_all

# Long, and for an index alone: read by those who want them.
_UNREAD = frozenset({"readme", "name_key", "search_text"})


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
left join orgs_organization o on o.id = %(organization_id)s
left join orgs_whitelabel w on w.id = o.white_label_id
where k.key_hash = %(key_hash)s
    and (k.expires_at is null or k.expires_at > %(now)s)
    and (k.revoked_at is null or k.revoked_at > %(now)s)
    and (k.organization_id is null or own.deleted_at is null)
"""
_KEY_COLUMNS = 5

_ORGANIZATION = """
select {columns} from orgs_organization o
join orgs_whitelabel w on w.id = o.white_label_id
where o.id = %(organization_id)s
"""


def find_key(
    key_hash: bytes, *, organization_id: int, now: datetime
) -> tuple[KeyFacts | None, Organization | None]:
    """The key, and the organization of this id, deleted or not; in one statement.

    Whether the key reaches the organization is the gate's to say. Without a key there
    is no organization either.
    """
    rows = fetch_all(
        _statement(_KEY),
        {"key_hash": key_hash, "organization_id": organization_id, "now": now},
    )
    if not rows:
        return None, None
    row = rows[0]
    return KeyFacts(*row[:_KEY_COLUMNS]), _organization(row[_KEY_COLUMNS:])


def find_organization(organization_id: int) -> Organization | None:
    """The organization of this id with its white label, deleted or not."""
    rows = fetch_all(_statement(_ORGANIZATION), {"organization_id": organization_id})
    return _organization(rows[0]) if rows else None


@cache
def _columns(model: type[Model], alias: str) -> tuple[list[str], str]:
    """Names of the fields that are read, and how a statement reads them."""
    names = [
        field.attname
        for field in model._meta.concrete_fields
        if field.name not in _UNREAD
    ]
    return names, ", ".join(f"{alias}.{name}" for name in names)


@cache
def _statement(template: str) -> str:
    both = (_columns(Organization, "o")[1], _columns(WhiteLabel, "w")[1])
    return template.format(columns=", ".join(both))


def _organization(row: Sequence[Any]) -> Organization | None:
    names = _columns(Organization, "o")[0]
    if row[0] is None:
        return None
    organization = _instance(Organization, names, row[: len(names)])
    label_names = _columns(WhiteLabel, "w")[0]
    organization.white_label = _instance(WhiteLabel, label_names, row[len(names) :])
    return organization


Row = TypeVar("Row", bound=Model)


def _instance(model: type[Row], names: Sequence[str], values: Sequence[Any]) -> Row:
    found: Row = model.from_db("default", names, values)
    return found
