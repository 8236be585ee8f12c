"""The `/_fake` commands: JSON in, JSON out, no key; only for this machine."""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from config.dev.fakestripe import (
    advance,
    api,
    bulk,
    collecting,
    payments,
    refunds,
    versions,
    webhooks,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.errors import ApiError, no_such
from config.dev.fakestripe.scripts import Scripts
from config.dev.fakestripe.store import Content, Json, new_id

_RECORDED_CALLS = 5000


@dataclass
class Controls:
    account: Account
    scripts: Scripts
    sender: webhooks.Sender
    calls: deque[Json] = field(default_factory=lambda: deque(maxlen=_RECORDED_CALLS))
    saved: dict[str, Content] = field(default_factory=dict)

    def answer(self, method: str, path: str, given: Json) -> Any:
        handler = _COMMANDS.get((method, path))
        if not handler:
            raise ApiError(404, f"No such command: {method} {path}")
        try:
            return handler(self, given)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ApiError(400, f"{type(error).__name__}: {error}") from None

    def clock(self, given: Json) -> Json:
        """Set or advance the clock, doing what is due; it never goes back."""
        account = self.account
        with account.store.transaction():
            if given.get("running"):
                account.store.set_setting("frozen", None)
                account.store.set_setting("offset", int(given.get("offset", 0)))
            before = account.now()
            now = int(given.get("now", before + int(given.get("advance", 0))))
            if now < before:
                raise ValueError("the clock goes forward alone")
            done = advance.run_due(account, now)
            self._set_clock(now)
            advance.forget(account)
            now = account.now()
        self.sender.woken.set()
        return {"now": now, "done": done}

    def _set_clock(self, now: int) -> None:
        store = self.account.store
        if store.setting("frozen") is None:
            moved = now - self.account.now()
            store.set_setting("offset", int(store.setting("offset", 0)) + moved)
        else:
            store.set_setting("frozen", now)

    def payment(self, given: Json) -> Json:
        """Set the outcome of payments: {"customer": id or "*", "outcome"}."""
        if given["outcome"] not in {"succeed", "fail", "none"}:
            raise ValueError("outcome")
        store = self.account.store
        with store.transaction():
            payments = store.setting("payments", {})
            payments[given.get("customer", "*")] = given["outcome"]
            store.set_setting("payments", payments)
            if "after_retries" in given:
                store.set_setting("after_retries", given["after_retries"])
        return dict(payments)

    def pay_part(self, given: Json) -> Json:
        """Pay a part of an open invoice: {"invoice", "amount"}."""
        account = self.account
        with account.store.transaction():
            invoice = account.get("invoice", given["invoice"])
            if not 0 < given["amount"] <= invoice["amount_remaining"]:
                raise ValueError("amount")
            payments.pay(account, invoice, given["amount"])
            if not invoice["amount_remaining"]:
                collecting.settle(account, invoice)
            else:
                account.change(invoice, "invoice.updated")
        self.sender.woken.set()
        return {}

    def dispute(self, given: Json) -> Json:
        """Open a dispute: {"charge", "amount"}; or move one: {"id", "status"}."""
        with self.account.store.transaction():
            made = refunds.dispute(self.account, given)
        self.sender.woken.set()
        return {"id": made["id"]}

    def script(self, given: Json) -> Json:
        self.scripts.set(given)
        self.sender.woken.set()
        return {"api": [fault.__dict__ for fault in self.scripts.faults]} | {
            "webhooks": self.scripts.webhooks.__dict__,
            "latency": self.scripts.latency,
        }

    def add_endpoint(self, given: Json) -> Json:
        """Add an endpoint; a second call with the same URL changes it."""
        version = given.get("api_version")
        if version and version not in versions.KNOWN:
            raise ValueError(f"no such version: {version}")
        if not given["url"].startswith(("http://", "https://")):
            raise ValueError("url")
        store = self.account.store
        with store.transaction():
            endpoints = store.setting("endpoints", {})
            same = [
                name for name, one in endpoints.items() if one["url"] == given["url"]
            ]
            name = given.get("id") or (same[0] if same else new_id("we"))
            endpoints[name] = {
                "url": given["url"],
                "secret": given["secret"],
                "api_version": version,
                "events": given.get("events") or ["*"],
                "host": given.get("host"),
            }
            store.set_setting("endpoints", endpoints)
        return {"id": name}

    def drop_endpoints(self, given: Json) -> Json:
        with self.account.store.transaction():
            self.account.store.set_setting("endpoints", {})
        return {}

    def settle(self, given: Json) -> Json:
        return {"waiting": self.sender.settle(float(given.get("seconds", 10)))}

    def resend(self, given: Json) -> Json:
        """Resend events as Stripe's dashboard does: by id, or all undelivered ones."""
        store = self.account.store
        with store.transaction():
            events = given.get("events") or [
                one["id"] for one in store.select("kind = 'event' and pending > 0", ())
            ]
            store.db.executemany(
                "insert into deliveries (event, endpoint, state, next_at)"
                " values (?, ?, 'waiting', 0)",
                [
                    (event, name)
                    for event in events
                    for name in store.setting("endpoints", {})
                ],
            )
        self.sender.woken.set()
        return {"events": len(events)}

    def sign(self, given: Json) -> Json:
        """Return a signed delivery: {"event", "api_version", "secret", "at"}."""
        account = self.account
        with account.store.lock:
            event = account.get("event", given["event"])
            body = webhooks.payload(account, event, given.get("api_version"))
            at = int(given.get("at", account.now()))
        signature = webhooks.sign(body, given["secret"], at)
        return {"body": body.decode(), "signature": signature}

    def deliveries(self, given: Json) -> list[Json]:
        names = ("event", "endpoint", "state", "attempts")
        with self.account.store.lock:
            rows = self.account.store.db.execute(
                f"select {', '.join(names)} from deliveries order by number"  # noqa: S608
            ).fetchall()
        return [dict(zip(names, row, strict=True)) for row in rows]

    def requests(self, given: Json) -> list[Json]:
        """Return the latest API calls since the last reset."""
        return list(self.calls)

    def objects(self, given: Json) -> list[Json]:
        """{"kind": …} or all: in the newest version, oldest first."""
        account = self.account
        kind = given.get("kind")
        with account.store.lock:
            endpoints = account.store.select("kind = ? or ? is null", (kind, kind))
            return [api.shown(account, one, versions.NEWEST) for one in endpoints]

    def load(self, given: Json) -> Json:
        try:
            ids = bulk.load(
                self.account, given["objects"], events=bool(given.get("events"))
            )
        except ApiError as error:
            raise ValueError(str(error)) from None
        return {"ids": ids}

    def change(self, given: Json) -> Json:
        """Fields of an object changed behind everyone's back, without an event."""
        store = self.account.store
        with store.transaction():
            rows = store.select("id = ?", (given["id"],))
            if not rows:
                raise no_such("object", given["id"])
            store.put(rows[0] | given["fields"])
        return {}

    def remove(self, given: Json) -> Json:
        """Remove an object as if it had never existed."""
        with self.account.store.transaction():
            self.account.store.remove(given["id"])
        return {}

    def account_settings(self, given: Json) -> Json:
        """{"api_version": …}: what events and calls without a version are made in."""
        if given["api_version"] not in versions.KNOWN:
            raise ValueError("api_version")
        with self.account.store.transaction():
            self.account.store.set_setting("api_version", given["api_version"])
        return given

    def reset(self, given: Json) -> Json:
        """Empty; {"now": seconds} freezes the clock there."""
        self.scripts.reset()
        self.calls.clear()
        store = self.account.store
        with store.transaction():
            store.clear()
            if "now" in given:
                store.set_setting("frozen", int(given["now"]))
        return {"now": self.account.now()}

    def save(self, given: Json) -> Json:
        """{"name": …}: keep the state of the store until the server ends."""
        self.saved[given["name"]] = self.account.store.copy()
        return {}

    def restore(self, given: Json) -> Json:
        """{"name": …}: replace the state of the store by one that was saved."""
        self.account.store.replace(self.saved[given["name"]])
        return {}

    def digest(self, given: Json) -> Json:
        """Return a hash of the state of the store; equal states have equal ones."""
        content = repr(self.account.store.copy()).encode()
        return {"digest": hashlib.sha256(content).hexdigest()}

    def health(self, given: Json) -> Json:
        return {"now": self.account.now(), "api_version": versions.NEWEST}


_COMMANDS: dict[tuple[str, str], Callable[[Controls, Json], Any]] = {
    ("GET", "/_fake/health"): Controls.health,
    ("POST", "/_fake/clock"): Controls.clock,
    ("POST", "/_fake/payment"): Controls.payment,
    ("POST", "/_fake/pay_part"): Controls.pay_part,
    ("POST", "/_fake/dispute"): Controls.dispute,
    ("POST", "/_fake/script"): Controls.script,
    ("POST", "/_fake/webhooks"): Controls.add_endpoint,
    ("DELETE", "/_fake/webhooks"): Controls.drop_endpoints,
    ("POST", "/_fake/settle"): Controls.settle,
    ("POST", "/_fake/resend"): Controls.resend,
    ("POST", "/_fake/sign"): Controls.sign,
    ("GET", "/_fake/deliveries"): Controls.deliveries,
    ("GET", "/_fake/requests"): Controls.requests,
    ("GET", "/_fake/objects"): Controls.objects,
    ("POST", "/_fake/objects"): Controls.load,
    ("POST", "/_fake/change"): Controls.change,
    ("POST", "/_fake/remove"): Controls.remove,
    ("POST", "/_fake/account"): Controls.account_settings,
    ("POST", "/_fake/reset"): Controls.reset,
    ("POST", "/_fake/save"): Controls.save,
    ("POST", "/_fake/restore"): Controls.restore,
    ("GET", "/_fake/digest"): Controls.digest,
}
