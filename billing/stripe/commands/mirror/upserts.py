"""Bulk writes of mirrored rows: one statement per batch, unchanged rows left alone."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection

_TYPES = {
    **dict.fromkeys(("organization_id", "quantity"), "bigint"),
    **dict.fromkeys(("seats", "cycle_count", "attempt_count"), "integer"),
    **dict.fromkeys(("is_active", "is_metered"), "boolean"),
    **dict.fromkeys(
        (
            *("total", "amount_due", "amount_paid", "amount_remaining", "unit_amount"),
            *("credited_before_payment", "credited_after_payment", "amount"),
        ),
        "numeric",
    ),
}


def upsert(
    table: str,
    rows: Sequence[Any],
    at: datetime,
    *,
    key: tuple[str, ...] = ("stripe_id",),
) -> set[str]:
    """Insert or update rows, given as dataclasses whose fields are columns.

    `key` are the columns of the unique index that identifies a row. Returns the
    Stripe ids of the rows that changed. Rows that were read from Stripe after `at` stay
    as they are: an answer may be older than one that was written before it.
    """
    if not rows:
        return set()
    # Every writer locks rows in the order of their ids, so that none wait in a circle.
    rows = sorted(rows, key=lambda row: [getattr(row, name) for name in key])
    names = tuple(field.name for field in fields(rows[0]))
    columns = map(list, zip(*(astuple(row) for row in rows), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_upsert_statement(table, names, key), [at, *columns])
        return {stripe_id for (stripe_id,) in cursor.fetchall()}


@cache
def _upsert_statement(table: str, names: tuple[str, ...], key: tuple[str, ...]) -> str:
    """Return the statement for a table and its columns.

    Its parameters are the time of the fetch and one array per column. The condition
    skips rows that are newer or equal, so they get no version in the history.
    """
    values = [name for name in names if name not in key]
    columns = ", ".join(names)
    arrays = ", ".join(f"%s::{_type(name)}[]" for name in names)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values)
    present = ", ".join(f"t.{name}" for name in values)
    fetched = ", ".join(f"excluded.{name}" for name in values)
    return f"""
insert into {table} as t (synced_at, {columns})
select %s::timestamptz, f.* from unnest({arrays}) f
on conflict ({", ".join(key)}) do update set synced_at = excluded.synced_at, {changes}
where t.synced_at <= excluded.synced_at and ({present}) is distinct from ({fetched})
returning t.stripe_id
"""  # noqa: S608  the names are constants of this package


def _type(name: str) -> str:
    return "timestamptz" if name.endswith("_at") else _TYPES.get(name, "text")


def mark_synced(table: str, stripe_ids: Sequence[str], at: datetime) -> None:
    """Record that rows were compared with Stripe, also those that did not change.

    Then an older answer, still on its way, can no longer overwrite them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"update {table} set synced_at = %s"  # noqa: S608
            " where stripe_id = any(%s) and synced_at < %s",
            [at, sorted(stripe_ids), at],
        )


def changed_kinds(
    before: Any, after: Any, kinds: Mapping[Any, Sequence[str]]
) -> list[str]:
    """Return the kinds of difference of which any column differs."""
    return [
        kind
        for kind, names in kinds.items()
        if any(getattr(before, name) != getattr(after, name) for name in names)
    ]


def clean(text: str, length: int) -> str:
    """Return a text as PostgreSQL can store it: without NUL, cut to `length`."""
    return text.replace("\0", "")[:length]
