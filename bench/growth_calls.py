"""The shared parts of the helpers of `make growth`: clock, callers, event batches.

A helper is `python -m MODULE … FLEET`, with the fleet as JSON. The modules are imported
before Django is ready, so they import the product inside their functions.
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
_BATCH_ORGANIZATIONS = 500  # in a batch, at every size
_OK = 200

Figures = dict[str, float]
Batch = list[tuple[int, Any]]


def load_fleet() -> Fleet:
    """Set up Django and return the fleet that is an argument of the process."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    return next(
        Fleet(**json.loads(text)) for text in sys.argv[1:] if text.startswith("{")
    )


def serve(measure: Callable[[], Iterator[Figures]]) -> None:
    """Answer each line on standard input with the next figures, as a line of JSON.

    The first figures are bytes, all later ones milliseconds. The parent alternates
    between the helpers, so that noise of the machine affects all sizes.
    """
    figures = measure()
    for _ in sys.stdin:
        print(json.dumps(next(figures)), flush=True)


def milliseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


class Caller:
    """A staff session and an API client that call the product in this process."""

    def __init__(self, fleet: Fleet, *, session: str = "") -> None:
        from django.test import Client

        self._staff_client = Client(SERVER_NAME="127.0.0.1")
        self._staff_client.cookies["session"] = session or fleet.session
        self._api_client = Client(SERVER_NAME="127.0.0.1")
        self._key_header = {"x-api-key": fleet.reader_key}

    def page(self, path: str) -> None:
        self._check(path, self._staff_client.get(path))

    def api(self, path: str) -> None:
        self._check(path, self._api_client.get(path, headers=self._key_header))

    @staticmethod
    def _check(path: str, response: Any) -> None:
        if response.status_code != _OK:
            raise SystemExit(f"{response.status_code} at {path}")


class Recorder:
    """A recorder of batches of new events, scattered over a fleet."""

    def __init__(self, fleet: Fleet, *, skipped: int) -> None:
        """Leave out the first `skipped` organizations, which other rows measure."""
        from orgs.models import WhiteLabel

        self.white_label = WhiteLabel.objects.get(pk=fleet.white_label_id)
        self._chance = random.Random()  # noqa: S311
        self._ids = [
            fleet.organization_id(number)
            for number in range(skipped + 1, fleet.organizations + 1)
            if number % 100 != 99  # noqa: PLR2004  these may be deleted
        ]

    def batch(self) -> Batch:
        """Return events of equally many organizations at every size of the fleet."""
        from metrics.events import parse_event

        ids = self._chance.sample(self._ids, min(_BATCH_ORGANIZATIONS, len(self._ids)))
        return [
            (number, parse_event(self._event(ids[number % len(ids)])))
            for number in range(BATCH)
        ]

    def _event(self, organization_id: int) -> bytes:
        """Return a random event of the last 20 hours."""
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
        """Return the milliseconds of recording a batch.

        Exits unless all events are accepted, or all are duplicates if `again`.
        """
        from metrics.commands.record import record_usage

        began = time.perf_counter()
        result = record_usage(self.white_label, batch)
        elapsed = 1000 * (time.perf_counter() - began)
        if (result.duplicates if again else result.accepted) != len(batch):
            raise SystemExit(f"refused: {result.rejected[:1]}")
        return elapsed
