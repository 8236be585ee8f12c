"""Everything the fake knows, in one SQLite file: objects as JSON, with columns for what
lists filter by.

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
    """Not secret, and by the ten thousand: not from the system's own randomness."""
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
        """All or nothing; inside another one, a savepoint."""
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

    def put(self, found: Json) -> None:
        self.db.execute(_PUT, _row(found))

    def put_many(self, objects: Iterable[Json]) -> None:
        self.db.executemany(_PUT, map(_row, objects))

    def find(self, kind: str, found: str) -> Json | None:
        rows = self.select("kind = ? and id = ?", (kind, found))
        return rows[0] if rows else None

    def find_many(self, kind: str, ids: Iterable[str]) -> dict[str, Json]:
        """By id, a hundred at a time: no list asks row by row."""
        wanted = sorted(set(ids))
        found: list[Json] = []
        for at in range(0, len(wanted), 500):
            part = wanted[at : at + 500]
            marks = ",".join("?" * len(part))
            found += self.select(f"kind = ? and id in ({marks})", (kind, *part))
        return {one["id"]: one for one in found}

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

    def remove(self, found: str) -> None:
        self.db.execute("delete from objects where id = ?", (found,))

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
        """As on the first day."""
        with self.transaction():
            for table in (
                "objects",
                "settings",
                "idempotency",
                "deliveries",
            ):
                self.db.execute(f"delete from {table}")  # noqa: S608


def _object(body: str, pending: int) -> Json:
    found: Json = orjson.loads(body)
    if found["object"] == "event":
        found["pending_webhooks"] = pending
    return found


def _row(found: Json) -> tuple[Any, ...]:
    marks = {
        "created": found.get("created", found.get("date", 0)),
        "due": due.of(found),
        "customer": found.get("customer"),
        "status": "deleted" if found.get("deleted") else found.get("status"),
        "email": found.get("email"),
        "product": found.get("product"),
        "type": found.get("type"),
        "invoice": found.get("invoice"),
        "subscription": _subscription_of(found),
        "price": _prices_of(found),
    }
    values = [marks[name] for name in _COLUMNS]
    return (found["object"], found["id"], *values, orjson.dumps(found).decode())


def _subscription_of(found: Json) -> str | None:
    details = (found.get("parent") or {}).get("subscription_details") or {}
    named: str | None = details.get("subscription")
    return named


def _prices_of(found: Json) -> str | None:
    """` price_a price_b `, for `instr`: subscriptions may have several."""
    if found["object"] != "subscription":
        return None
    return " ".join(["", *(item["price"] for item in found["items"]["data"]), ""])
