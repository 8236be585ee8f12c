"""What the helpers of `make growth` share: clocks, callers, and batches of events.

A helper is `python -m MODULE …FLEET`, the fleet as JSON. Modules are imported before
Django is ready: whatever is the product's is imported inside.
"""

import json
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.stack import Fleet
from bench.tables import METERS, PRODUCTS

BATCH = 1_000  # events
_OF = 500  # organizations in a batch, at every size
_OK = 200

Figures = dict[str, float]
Batch = list[tuple[int, Any]]


def given() -> Fleet:
    """The fleet the parent says; Django is ready then."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    return next(
        Fleet(**json.loads(text)) for text in sys.argv[1:] if text.startswith("{")
    )


def serve(measure: Callable[[], Iterator[Figures]]) -> None:
    """Answer each line of the parent by the next figures, as a line of JSON.

    Bytes first, then milliseconds as often as it asks: so it takes turns between sizes,
    and noise of the machine meets all of them.
    """
    found = measure()
    for _ in sys.stdin:
        print(json.dumps(next(found)), flush=True)


def milliseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


class Caller:
    """Asks the product in this process: somebody with a session, or a program."""

    def __init__(self, fleet: Fleet, *, session: str = "") -> None:
        from django.test import Client

        self._person = Client(SERVER_NAME="127.0.0.1")
        self._person.cookies["session"] = session or fleet.session
        self._program = Client(SERVER_NAME="127.0.0.1")
        self._key = {"x-api-key": fleet.reader_key}

    def page(self, path: str) -> None:
        self._check(path, self._person.get(path))

    def api(self, path: str) -> None:
        self._check(path, self._program.get(path, headers=self._key))

    @staticmethod
    def _check(path: str, response: Any) -> None:
        if response.status_code != _OK:
            raise SystemExit(f"{response.status_code} at {path}")


class Recorder:
    """Records batches of new events, scattered over a fleet."""

    def __init__(self, fleet: Fleet, *, skipped: int) -> None:
        """The first `skipped` organizations get none: something else is asked there."""
        from orgs.models import WhiteLabel

        self.white_label = WhiteLabel.objects.get(pk=fleet.white_label_id)
        self._chance = random.Random()  # noqa: S311
        self._ids = [
            fleet.id_of(number)
            for number in range(skipped + 1, fleet.organizations + 1)
            if number % 100 != 99  # noqa: PLR2004  those may be deleted
        ]

    def batch(self) -> Batch:
        """Of as many organizations at every size, so that only the fleet differs."""
        from metrics.events import parse_event

        some = self._chance.sample(self._ids, min(_OF, len(self._ids)))
        return [
            (number, parse_event(self._event(some[number % len(some)])))
            for number in range(BATCH)
        ]

    def _event(self, organization_id: int) -> bytes:
        """Of the last 20 hours."""
        at = datetime.now(UTC) - timedelta(seconds=self._chance.random() * 72_000)
        event = {
            "id": str(uuid.UUID(int=self._chance.getrandbits(128), version=4)),
            "organization_id": organization_id,
            "timestamp": at.isoformat(),
            "product": self._chance.choice(PRODUCTS),
            "quantities": {meter: self._chance.randrange(1, 5_000) for meter in METERS},
        }
        return json.dumps(event).encode()

    def record(self, batch: Batch, *, again: bool = False) -> float:
        """Milliseconds; ends everything when not all was taken as it should be."""
        from metrics.commands.record import record_usage

        began = time.perf_counter()
        result = record_usage(self.white_label, batch)
        found = 1000 * (time.perf_counter() - began)
        if (result.duplicates if again else result.accepted) != len(batch):
            raise SystemExit(f"refused: {result.rejected[:1]}")
        return found
