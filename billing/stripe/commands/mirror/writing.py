"""Many rows of a mirror in one statement; what is so already is not written."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection

_TYPES = {
    "organization_id": "bigint",
    "seats": "integer",
    "is_active": "boolean",
    **dict.fromkeys(("total", "amount_due", "amount_paid", "unit_amount"), "numeric"),
}


def upsert(table: str, rows: Sequence[Any], at: datetime) -> set[str]:
    """Dataclasses whose fields are columns; answers the ids of rows that changed.

    Rows read from Stripe later than `at` stay as they are: an answer may be overtaken.
    """
    if not rows:
        return set()
    rows = sorted(rows, key=lambda row: row.stripe_id)  # everybody locks in one order
    names = tuple(field.name for field in fields(rows[0]))
    columns = map(list, zip(*(astuple(row) for row in rows), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_statement(table, names), [at, *columns])
        return {stripe_id for (stripe_id,) in cursor.fetchall()}


@cache
def _statement(table: str, names: tuple[str, ...]) -> str:
    values = [name for name in names if name != "stripe_id"]
    columns = ", ".join(names)
    arrays = ", ".join(f"%s::{_type(name)}[]" for name in names)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values)
    ours = ", ".join(f"t.{name}" for name in values)
    theirs = ", ".join(f"excluded.{name}" for name in values)
    return f"""
insert into {table} as t (synced_at, {columns})
select %s::timestamptz, f.* from unnest({arrays}) f
on conflict (stripe_id) do update set synced_at = excluded.synced_at, {changes}
where t.synced_at <= excluded.synced_at and ({ours}) is distinct from ({theirs})
returning t.stripe_id
"""  # noqa: S608  names are our own


def _type(name: str) -> str:
    return "timestamptz" if name.endswith("_at") else _TYPES.get(name, "text")


def touch(table: str, stripe_ids: Sequence[str], at: datetime) -> None:
    """They were looked at: an answer from before may not overwrite them any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"update {table} set synced_at = %s"  # noqa: S608
            " where stripe_id = any(%s) and synced_at < %s",
            [at, sorted(stripe_ids), at],
        )


def changed(before: Any, after: Any, kinds: Mapping[Any, Sequence[str]]) -> list[str]:
    """Kinds of difference of which any field differs."""
    return [
        kind
        for kind, names in kinds.items()
        if any(getattr(before, name) != getattr(after, name) for name in names)
    ]


def clean(text: str, length: int) -> str:
    """What PostgreSQL can hold."""
    return text.replace("\0", "")[:length]
