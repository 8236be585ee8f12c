"""Deliveries of events to endpoints: signed, tried again, disturbed by script.

One thread sends, in the order of events unless the script shuffles; a delivery is a row
before it is sent, so that a restart goes on where it was.
"""

import hashlib
import hmac
import http.client
import json
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from config.dev.fakestripe import api
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.scripts import Scripts
from config.dev.fakestripe.store import Json

_TIMEOUT = 10.0
_IDLE_SECONDS = 0.1
_BATCH = 100
_TAKEN = range(200, 300)


def sign(body: bytes, secret: str, instant: int) -> str:
    """Return the `Stripe-Signature` header."""
    signed = hmac.new(secret.encode(), f"{instant}.".encode() + body, hashlib.sha256)
    return f"t={instant},v1={signed.hexdigest()}"


def payload(account: Account, event: Json, version: str | None) -> bytes:
    """Return the event as an endpoint of this API version receives it."""
    if version:
        event = event | {"api_version": version}
    shown = api.shown(account, event, event["api_version"])
    return json.dumps(shown, indent=2).encode()


@dataclass(frozen=True)
class _Delivery:
    number: int
    event: str
    endpoint: str
    attempts: int


class Sender(threading.Thread):
    """Sends what is waiting, for as long as the server runs."""

    def __init__(self, account: Account, scripts: Scripts) -> None:
        super().__init__(daemon=True, name="webhooks")
        self.account = account
        self.scripts = scripts
        self.woken = threading.Event()
        self._busy = threading.Lock()
        self._sent = 0

    def run(self) -> None:
        while True:
            self.woken.wait(_IDLE_SECONDS)
            self.woken.clear()
            try:
                while not self.scripts.webhooks.paused and self.send_batch():
                    pass
            except Exception:
                traceback.print_exc()

    def send_batch(self) -> int:
        """Send a batch of due deliveries; return how many there were."""
        with self._busy:
            batch = self._take()
            for delivery in batch:
                self._send(delivery)
        return len(batch)

    def settle(self, seconds: float) -> int:
        """Wait until nothing waits; how many deliveries still do."""
        end = time.monotonic() + seconds
        while (left := self._waiting()) and time.monotonic() < end:
            self.woken.set()
            time.sleep(0.01)
        return left

    def _waiting(self) -> int:
        with self.account.store.lock:
            row = self.account.store.db.execute(
                "select count(*) from deliveries where state = 'waiting'"
            ).fetchone()
        with self._busy:
            return int(row[0])

    def _take(self) -> list[_Delivery]:
        script = self.scripts.webhooks
        with self.account.store.lock:
            rows = self.account.store.db.execute(
                "select number, event, endpoint, attempts from deliveries"
                " where state = 'waiting' and next_at <= ? order by next_at, number"
                " limit ?",
                (time.time(), script.shuffle or _BATCH),
            ).fetchall()
        batch = [_Delivery(*row) for row in rows]
        if script.shuffle:
            self.scripts.random.shuffle(batch)
        return batch

    def _send(self, delivery: _Delivery) -> None:
        script = self.scripts.webhooks
        if script.delay and not delivery.attempts:
            self._mark(delivery, "waiting", attempts=1, wait=script.delay)
            return
        with self.account.store.lock:
            event = self.account.store.find("event", delivery.event)
            endpoints = self.account.store.setting("endpoints", {})
        endpoint = endpoints.get(delivery.endpoint)
        if not event or not endpoint:
            self._mark(delivery, "failed", attempts=delivery.attempts)
        elif self._is_dropped(event):
            self._mark(delivery, "dropped", attempts=delivery.attempts)
        else:
            self._try(delivery, event, endpoint)

    def _is_dropped(self, event: Json) -> bool:
        script = self.scripts.webhooks
        if {event["id"], event["type"]} & set(script.drop_events):
            return True
        return bool(script.drop) and self.scripts.random.random() < script.drop

    def _try(self, delivery: _Delivery, event: Json, endpoint: Json) -> None:
        script = self.scripts.webhooks
        body, header = self._signed(event, endpoint)
        is_accepted = post(endpoint, body, header)
        for _ in range(script.duplicate):
            post(endpoint, body, header)
        attempts = delivery.attempts + 1
        if is_accepted:
            self._mark(delivery, "done", attempts=attempts)
        elif attempts >= script.attempts + bool(script.delay):
            self._mark(delivery, "failed", attempts=attempts)
        else:
            wait = script.backoff * 2 ** (attempts - 1)
            self._mark(delivery, "waiting", attempts=attempts, wait=wait)

    def _signed(self, event: Json, endpoint: Json) -> tuple[bytes, str]:
        script = self.scripts.webhooks
        version = endpoint.get("api_version")
        if script.api_versions:
            version = script.api_versions[self._sent % len(script.api_versions)]
        self._sent += 1
        with self.account.store.lock:
            body = payload(self.account, event, version)
            now = self.account.sent_at()
        return body, sign(body, script.secret or endpoint["secret"], now)

    def _mark(
        self, delivery: _Delivery, state: str, *, attempts: int, wait: float = 0.0
    ) -> None:
        store = self.account.store
        with store.transaction():
            store.db.execute(
                "update deliveries set state = ?, attempts = ?, next_at = ?"
                " where number = ?",
                (state, attempts, time.time() + wait, delivery.number),
            )
            if state == "done":
                store.db.execute(
                    "update objects set pending = max(pending - 1, 0) where id = ?",
                    (delivery.event,),
                )


def post(endpoint: Json, body: bytes, signature: str) -> bool:
    """Return whether the endpoint accepted it: any 2xx within ten seconds."""
    parts = urlsplit(endpoint["url"])
    kinds: dict[str, Any] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    client = kinds[parts.scheme](parts.netloc, timeout=_TIMEOUT)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature,
        "User-Agent": "Stripe/1.0 (fake)",
    }
    if host := endpoint.get("host"):
        headers["Host"] = host
    try:
        client.request("POST", parts.path or "/", body, headers)
        return client.getresponse().status in _TAKEN
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
