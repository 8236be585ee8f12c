"""Recording in the simplest form: only the event rows, no sums, costs or response.

    python -m bench.peers.recording copy|bulk_create

Reads a pickled list of batches from standard input, each a list of `Row`, and prints
the seconds that writing them took.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

# organization id, event id, instant, product, quantities as JSON
Row = tuple[int, str, str, str, str]
_COPY = """
copy metrics_usageevent (organization_id, event_id, at, product, project_id, quantities,
    period, price_version) from stdin
"""


def plain_copy(batches: Sequence[Sequence[Row]]) -> float:
    """Return the seconds of COPY with prepared text, one commit per batch."""
    texts = [
        "".join(
            f"{id_}\t{event}\t{at}\t{product}\t0\t{quantities}\t2\t1\n"
            for id_, event, at, product, quantities in batch
        ).encode()
        for batch in batches
    ]
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        began = time.perf_counter()
        for text in texts:
            with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.write(text)
            connection.commit()
        return time.perf_counter() - began


def bulk_create(batches: Sequence[Sequence[Row]]) -> float:
    """Return the seconds of `bulk_create` with the real model, one commit per batch."""
    import django
    import orjson

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from metrics.models import UsageEvent

    parsed = [[(*row[:4], orjson.loads(row[4])) for row in batch] for batch in batches]
    began = time.perf_counter()
    for batch in parsed:
        events = [
            UsageEvent(
                organization_id=id_,
                event_id=event,
                at=datetime.fromisoformat(at),
                product=product,
                project_id=0,
                quantities=quantities,
                period=2,
                price_version=1,
            )
            for id_, event, at, product, quantities in batch
        ]
        UsageEvent.objects.bulk_create(events)
    return time.perf_counter() - began


_METHODS: dict[str, Callable[[Any], float]] = {
    "copy": plain_copy,
    "bulk_create": bulk_create,
}


if __name__ == "__main__":
    batches = pickle.load(sys.stdin.buffer)  # noqa: S301  from our parent
    print(_METHODS[sys.argv[1]](batches))
