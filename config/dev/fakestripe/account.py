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
        """When a delivery leaves: the machine's clock, unless ours is frozen.

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

    def get(self, kind: str, found: str, *, param: str = "id") -> Json:
        """The object, which may be a deleted customer; a missing one is refused."""
        row = self.store.find(kind, found)
        if row is None or (row.get("deleted") and param != "id"):
            raise errors.no_such(_NOUNS.get(kind, kind), found, param=param)
        return row

    def add(self, found: Json, event: str | None) -> Json:
        self.store.put(found)
        if event:
            self.emit(event, found)
        return found

    def change(self, found: Json, *events: str) -> Json:
        """Save; an update that changes nothing makes no event, as on Stripe."""
        old = self.store.find(found["object"], found["id"]) or {}
        previous = versions.difference(versions.shown(old), versions.shown(found))
        self.store.put(found)
        for event in events:
            if not event.endswith(".updated"):
                self.emit(event, found)
            elif previous:
                self.emit(event, found, previous)
        return found

    def emit(self, kind: str, found: Json, previous: Json | None = None) -> None:
        """A row for the event and one for each endpoint it is to be sent to."""
        data: Json = {"object": orjson.loads(orjson.dumps(found))}
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
        wanted = [
            name
            for name, endpoint in endpoints.items()
            if kind in endpoint["events"] or "*" in endpoint["events"]
        ]
        self.store.db.executemany(
            "insert into deliveries (event, endpoint, state, next_at)"
            " values (?, ?, 'waiting', 0)",
            [(event, name) for name in wanted],
        )
        if wanted:
            self.store.db.execute(
                "update objects set pending = ? where id = ?", (len(wanted), event)
            )
