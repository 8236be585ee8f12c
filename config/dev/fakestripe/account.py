"""The Stripe account: its objects, its clock, and an event for everything that happens.

Each operation gets the account; nothing else is global.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from config.dev.fakestripe import errors, shapes, versions
from config.dev.fakestripe.store import Json, Store

# How Stripe calls a kind in its sentences.
_NOUNS = {"invoiceitem": "invoiceitem", "line_item": "line item"}


@dataclass
class Account:
    store: Store
    base_url: str
    # The call in whose name events happen; its caller holds the store's lock.
    request: Json = field(default_factory=dict)
    instant: int | None = None

    def now(self) -> int:
        """Seconds: of a frozen clock, or the machine's moved by what was advanced."""
        if self.instant is not None:
            return self.instant
        frozen = self.store.setting("frozen")
        if frozen is not None:
            return int(frozen)
        return int(time.time()) + int(self.store.setting("offset", 0))

    def sent_at(self) -> int:
        """Return when a delivery leaves: now, unless the clock is frozen.

        Who receives it has not lived through the days that were advanced.
        """
        frozen = self.store.setting("frozen")
        return int(time.time()) if frozen is None else int(frozen)

    @contextmanager
    def at(self, instant: int) -> Iterator[None]:
        """Work that was due at an instant the clock has passed."""
        before, self.instant = self.instant, instant
        try:
            yield
        finally:
            self.instant = before

    def get(self, kind: str, record: str, *, param: str = "id") -> Json:
        """Return the object, which may be a deleted customer; refuse an unknown id."""
        row = self.store.find(kind, record)
        if row is None or (row.get("deleted") and param != "id"):
            raise errors.no_such(_NOUNS.get(kind, kind), record, param=param)
        return row

    def add(self, record: Json, event: str | None) -> Json:
        self.store.put(record)
        if event:
            self.emit(event, record)
        return record

    def change(self, record: Json, *events: str) -> Json:
        """Save; an update that changes nothing makes no event, as on Stripe."""
        old = self.store.find(record["object"], record["id"]) or {}
        previous = versions.difference(versions.shown(old), versions.shown(record))
        self.store.put(record)
        for event in events:
            if not event.endswith(".updated"):
                self.emit(event, record)
            elif previous:
                self.emit(event, record, previous)
        return record

    def emit(self, kind: str, record: Json, previous: Json | None = None) -> None:
        """Store the event and a delivery for each endpoint that receives it."""
        data: Json = {"object": orjson.loads(orjson.dumps(record))}
        if previous is not None:
            data["previous_attributes"] = previous
        event = shapes.event(
            self.now(),
            type=kind,
            data=data,
            api_version=self.store.setting("api_version", versions.NEWEST),
            request=self.request or {"id": None, "idempotency_key": None},
        )
        self.store.put(event)
        self._queue(event["id"], kind)

    def _queue(self, event: str, kind: str) -> None:
        endpoints: dict[str, Any] = self.store.setting("endpoints", {})
        filters = [
            name
            for name, endpoint in endpoints.items()
            if kind in endpoint["events"] or "*" in endpoint["events"]
        ]
        self.store.db.executemany(
            "insert into deliveries (event, endpoint, state, next_at)"
            " values (?, ?, 'waiting', 0)",
            [(event, name) for name in filters],
        )
        if filters:
            self.store.db.execute(
                "update objects set pending = ? where id = ?", (len(filters), event)
            )
