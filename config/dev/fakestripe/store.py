"""The store of the fake Stripe: one SQLite file, objects as JSON.

Columns hold what lists filter by.

One connection, one lock: a call is one transaction, and calls come one after another.
The file survives a kill (WAL, written to the kernel before each answer).
"""

import json
import random
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from config.dev.fakestripe import due

Json = dict[str, Any]

Content = dict[str, list[tuple[Any, ...]]]  # rows by table
_ALL = ("objects", "settings", "idempotency", "deliveries")
_COLUMNS = (
    "created",
    "customer",
    "subscription",
    "invoice",
    "status",
    "email",
    "price",
    "product",
    "type",
    "due",
)
_TABLES = f"""
create table if not exists objects (
  seq integer primary key autoincrement, kind text not null, id text not null unique,
  {
    ", ".join(
        f"{name} {'integer' if name in ('created', 'due') else 'text'}"
        for name in _COLUMNS
    )
},
  pending integer not null default 0, body text not null);
create index if not exists newest on objects (kind, created, seq);
create index if not exists by_customer on objects (kind, customer, created, seq);
create index if not exists by_subscription on objects (kind, subscription)
  where subscription is not null;
create index if not exists by_invoice on objects (kind, invoice)
  where invoice is not null;
create index if not exists by_email on objects (kind, email) where email is not null;
create index if not exists due on objects (due, seq) where due is not null;
create table if not exists settings (name text primary key, value text not null);
create table if not exists idempotency (
  key text primary key, fingerprint text not null, created integer not null,
  status integer not null, body blob not null, request text not null);
create table if not exists deliveries (
  number integer primary key autoincrement, event text not null,
  endpoint text not null, state text not null, attempts integer not null default 0,
  next_at real not null);
create index if not exists waiting on deliveries (next_at) where state = 'waiting';
"""
_PUT = (
    f"insert into objects (kind, id, {', '.join(_COLUMNS)}, body)"  # noqa: S608
    f" values (?, ?, {', '.join('?' * len(_COLUMNS))}, ?)"
    " on conflict (id) do update set "
    + ", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS, "body"))
)


def new_id(prefix: str, *, length: int = 24) -> str:
    """Return an id; not secret, so a fast generator makes it."""
    return f"{prefix}_{random.randbytes(length // 2).hex()}"  # noqa: S311


class Store:
    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = normal")
        self.db.executescript(_TABLES)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction, or a savepoint inside another transaction."""
        with self.lock:
            outer = not self.db.in_transaction
            self.db.execute("begin immediate" if outer else "savepoint inner_one")
            try:
                yield
            except BaseException:
                self._undo(outer)
                raise
            self.db.execute("commit" if outer else "release inner_one")

    def _undo(self, outer: bool) -> None:
        if outer:
            self.db.execute("rollback")
        else:
            self.db.execute("rollback to inner_one")
            self.db.execute("release inner_one")

    def put(self, record: Json) -> None:
        self.db.execute(_PUT, _row(record))

    def put_many(self, objects: Iterable[Json]) -> None:
        self.db.executemany(_PUT, map(_row, objects))

    def find(self, kind: str, record: str) -> Json | None:
        rows = self.select("kind = ? and id = ?", (kind, record))
        return rows[0] if rows else None

    def find_many(self, kind: str, ids: Iterable[str]) -> dict[str, Json]:
        """Return objects by id, read hundreds at a time."""
        filters = sorted(set(ids))
        record: list[Json] = []
        for at in range(0, len(filters), 500):
            part = filters[at : at + 500]
            marks = ",".join("?" * len(part))
            record += self.select(f"kind = ? and id in ({marks})", (kind, *part))
        return {one["id"]: one for one in record}

    def select(
        self, where: str, values: Sequence[Any], rest: str = "order by created, seq"
    ) -> list[Json]:
        """Objects, oldest first unless `rest` says otherwise."""
        with self.lock:
            rows = self.db.execute(
                f"select body, pending from objects where {where} {rest}",  # noqa: S608
                values,
            ).fetchall()
        return [_object(body, pending) for body, pending in rows]

    def remove(self, record: str) -> None:
        self.db.execute("delete from objects where id = ?", (record,))

    def setting(self, name: str, default: Any = None) -> Any:
        with self.lock:
            row = self.db.execute(
                "select value from settings where name = ?", (name,)
            ).fetchone()
        return json.loads(row[0]) if row else default

    def set_setting(self, name: str, value: Any) -> None:
        self.db.execute(
            "insert or replace into settings values (?, ?)", (name, json.dumps(value))
        )

    def clear(self) -> None:
        """Delete everything."""
        with self.transaction():
            for table in _ALL:
                self.db.execute(f"delete from {table}")  # noqa: S608

    def copy(self) -> Content:
        """Return the rows of every table."""
        with self.lock:
            return {
                table: self.db.execute(f"select * from {table}").fetchall()  # noqa: S608
                for table in _ALL
            }

    def replace(self, content: Content) -> None:
        """Replace everything by what `copy` returned."""
        with self.transaction():
            self.clear()
            for table, rows in content.items():
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    self.db.execute(f"insert into {table} values ({marks})", row)  # noqa: S608


def _object(body: str, pending: int) -> Json:
    record: Json = orjson.loads(body)
    if record["object"] == "event":
        record["pending_webhooks"] = pending
    return record


def _row(record: Json) -> tuple[Any, ...]:
    marks = {
        "created": record.get("created", record.get("date", 0)),
        "due": due.of(record),
        "customer": record.get("customer"),
        "status": "deleted" if record.get("deleted") else record.get("status"),
        "email": record.get("email"),
        "product": record.get("product"),
        "type": record.get("type"),
        "invoice": record.get("invoice"),
        "subscription": _subscription_of(record),
        "price": _prices_of(record),
    }
    values = [marks[name] for name in _COLUMNS]
    return (record["object"], record["id"], *values, orjson.dumps(record).decode())


def _subscription_of(record: Json) -> str | None:
    details = (record.get("parent") or {}).get("subscription_details") or {}
    named: str | None = details.get("subscription")
    return named


def _prices_of(record: Json) -> str | None:
    """` price_a price_b `, for `instr`: subscriptions may have several."""
    if record["object"] != "subscription":
        return None
    return " ".join(["", *(item["price"] for item in record["items"]["data"]), ""])
