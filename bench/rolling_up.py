"""Change organization-days by recording, then time their roll-up and a bare sum.

    python -m bench.rolling_up FLEET_FIRST_ID ORGANIZATIONS DAYS

Prints as JSON the seconds of the fleet totals, of the rest of the roll-up, and of the
bare GROUP BY. Beat must be stopped: it would roll up first.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django

_BATCH_SIZE = 10_000  # events, as many as an API call may report
_CHANGED = """
create temporary table changed on commit drop as
select o as organization_id, %(last)s::date - d as day
from unnest(%(ids)s::bigint[]) o, generate_series(0, %(days)s - 1) d;
analyze changed
"""
_BARE = """
select u.day, u.product, u.meter, sum(u.quantity), sum(u.cost), sum(u.benchmark_cost),
    sum(u.unpriced_quantity)
from changed c join metrics_dailyusage u
    on u.organization_id = c.organization_id and u.day = c.day
group by 1, 2, 3
"""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    first, organizations, days = map(int, sys.argv[1:])
    noon = datetime.now(UTC).replace(hour=12, minute=0) - timedelta(days=1)
    ids = _active_ids(first, organizations)
    _record(ids, days, noon)
    from metrics.commands import roll_up

    seconds = {
        "totals": _seconds(roll_up.roll_up_fleet_totals),  # one statement
        "rest": _seconds(roll_up.roll_up_usage),
        "bare": _bare(ids, days, noon),
    }
    print(json.dumps(seconds))


def _active_ids(first: int, count: int) -> list[int]:
    """Return the IDs of active organizations, starting at `first`."""
    from orgs.models import Organization

    rows = Organization.objects.active().filter(pk__gte=first).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:count])


def _record(ids: list[int], days: int, noon: datetime) -> None:
    """Record an event of a random product on each day of each organization."""
    from bench.tables import METERS, PRODUCTS
    from metrics.commands.record import record_usage
    from metrics.commands.roll_up import roll_up_usage
    from metrics.events import parse_event
    from orgs.models import WhiteLabel

    roll_up_usage()  # what earlier recordings left pending
    white_label = WhiteLabel.objects.get(slug="bench")
    chance = random.Random()  # noqa: S311
    prefix = f"{time.time_ns():x}"

    def events() -> Iterator[bytes]:
        for number in range(len(ids) * days):
            event = {
                "id": f"{prefix}-{number}",
                "organization_id": ids[number % len(ids)],
                "timestamp": (noon - timedelta(days=number // len(ids))).isoformat(),
                "product": chance.choice(PRODUCTS),
                "quantities": {m: chance.randrange(1, 5_000) for m in METERS},
            }
            yield json.dumps(event).encode()

    parsed = enumerate(map(parse_event, events()))
    while batch := [event for event, _ in zip(parsed, range(_BATCH_SIZE))]:  # noqa: B905
        recorded = record_usage(white_label, batch)
        if recorded.accepted != len(batch):
            raise SystemExit(f"refused: {recorded.rejected[:1]}")


def _seconds(command: Callable[[], object]) -> float:
    began = time.perf_counter()
    command()
    return time.perf_counter() - began


def _bare(ids: list[int], days: int, noon: datetime) -> float:
    from django.db import connection, transaction

    parameters: dict[str, Any] = {"ids": ids, "days": days, "last": noon.date()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CHANGED, parameters)
        began = time.perf_counter()
        cursor.execute(_BARE)
        cursor.fetchall()
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
