"""Recording as plainly as it goes: the rows alone, no sums, no costs, no answer.

    python -m bench.peers.recording copy|bulk_create

reads a pickled list of batches from standard input, each a list of `Row`, and says how
many seconds writing them took.
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
    """COPY in text format, made beforehand; a commit each batch."""
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
    """The product's own model; a commit each batch."""
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


_WAYS: dict[str, Callable[[Any], float]] = {
    "copy": plain_copy,
    "bulk_create": bulk_create,
}


if __name__ == "__main__":
    given = pickle.load(sys.stdin.buffer)  # noqa: S301  our own parent's
    print(_WAYS[sys.argv[1]](given))
