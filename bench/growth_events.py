"""The cost of operations with a number of stored events, and the SQL to store them.

python -m bench.growth_events measure FLEET           see `bench.growth_calls`
python -m bench.growth_events fill FLEET EVENTS

The steady organizations have the same events in every database, so that a day of one
of them is the same work at each size. The other organizations share the other events.
"""

import os
import random
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import psycopg

from bench.data import Database
from bench.growth_calls import (
    Figures,
    Recorder,
    load_fleet,
    milliseconds,
    serve,
)
from bench.run import print_progress
from bench.stack import Fleet

_DAYS = 90  # with events
_STEADY_COUNT, _STEADY_PER_DAY = 10, 20  # organizations; events of each per day
_BATCH_SIZE = 500_000  # events per statement, sorted as by many recordings
# Organizations are filled in parts of this many events: index pages are then split at
# random, as in production, but the pages of one part stay in memory.
_PART_SIZE = 2_500_000


def main() -> None:
    fleet = load_fleet()
    if sys.argv[1] == "fill":
        _fill(fleet, int(sys.argv[3]))
    else:
        serve(lambda: _measure(fleet))


# --- filling ----------------------------------------------------------------------

_COLUMNS = """
insert into metrics_usageevent (organization_id, event_id, at, product, project_id,
    quantities, period, price_version, recorded_at)
select organization_id, hash::uuid::text, at,
    'model-' || lpad(product::text, 2, '0'), 0, jsonb_build_object(
        'prompt_tokens', 20 + tokens, 'completion_tokens', tokens / 4, 'requests', 1),
    case when at < %(today)s::date - 20 then 1 else 2 end, %(version)s, at + '3 seconds'
"""
_STEADY_EVENTS = f"""{_COLUMNS}
from (
    select %(first)s + o as organization_id, md5(concat(o, '-', d, '-', n)) as hash,
        %(today)s::date - d + interval '8 hours' + n * interval '17 minutes' as at,
        n as product, (o + d * 31 + n * 7919) %% 4000 as tokens
    from generate_series(0, {_STEADY_COUNT} - 1) o, generate_series(1, {_DAYS}) d,
        generate_series(0, {_STEADY_PER_DAY} - 1) n) events
order by 1, 2
"""
# A hash scatters rows like random numbers but is the same in each run.
_SCATTERED_EVENTS = f"""{_COLUMNS}
from (
    select %(first)s + {_STEADY_COUNT} + (n - 1) * %(parts)s / %(rest)s * %(width)s
        + h %% %(width)s as organization_id, md5(n::text) as hash,
        %(today)s::date - h / 7919 %% {_DAYS * 86_400_000} * interval '1 ms' as at,
        h / 104729 %% 20 as product, (h / 31 %% 4000)::int as tokens
    from generate_series(%(start)s::bigint, %(stop)s::bigint) n,
        lateral (select hashint8extended(n, 7) & 9223372036854775807 as h) h) events
order by 1, 2
"""


def _fill(fleet: Fleet, events: int) -> None:
    connection = _connection()
    [version] = connection.execute(
        b"select max(version) from metrics_pricebook where white_label_id = %s",
        [fleet.white_label_id],
    ).fetchone() or [1]
    rest = events - _STEADY_COUNT * _STEADY_PER_DAY * _DAYS
    parts = max(1, rest // _PART_SIZE)
    parameters = {
        "first": fleet.first_id,
        "rest": rest,
        "parts": parts,
        # Organizations per part.
        "width": (fleet.organizations - _STEADY_COUNT) // parts,
        "today": fleet.today,
        "version": version,
    }
    connection.execute(_STEADY_EVENTS.encode(), parameters)
    for start in range(1, rest + 1, _BATCH_SIZE):
        bounds = {"start": start, "stop": min(start + _BATCH_SIZE - 1, rest)}
        connection.execute(_SCATTERED_EVENTS.encode(), parameters | bounds)
        print_progress(f"{bounds['stop']:,} of {rest:,} events")
    connection.execute("reset synchronous_commit")
    connection.execute("vacuum (analyze) metrics_usageevent")
    connection.execute("checkpoint")


def _connection() -> Database:
    """Connect through psycopg; each statement commits without waiting for the disk."""
    connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection.execute("set synchronous_commit = off")
    connection.execute("set work_mem = '256MB'")
    return connection


# --- measuring --------------------------------------------------------------------


def _measure(fleet: Fleet) -> Iterator[Figures]:
    recorder = Recorder(fleet, skipped=_STEADY_COUNT)
    measure_rebuild = _rebuild_measure(recorder, fleet)
    yield _event_bytes()
    while True:
        yield {**_measure_recording(recorder), **measure_rebuild()}


def _measure_recording(recorder: Recorder) -> Figures:
    batch = recorder.batch()
    return {
        "recording 1,000 events": recorder.record(batch),
        "recording them again (duplicates)": recorder.record(batch, again=True),
    }


def _rebuild_measure(recorder: Recorder, fleet: Fleet) -> Callable[[], Figures]:
    """Return a function that times the rebuild of a day whose sums are wrong."""
    from metrics.periods import DayRange

    first = date.fromisoformat(fleet.today) - timedelta(days=_DAYS)
    ids = [fleet.organization_id(number) for number in range(1, _STEADY_COUNT + 1)]
    chance = random.Random()  # noqa: S311

    def days(start: int, end: int) -> DayRange:
        return DayRange(*(first + timedelta(days=day) for day in (start, end)))

    def measure() -> Figures:
        id_, day = chance.choice(ids), chance.randrange(_DAYS)
        _corrupt_sums(id_, first + timedelta(days=day))
        call = _rebuild_call(recorder, [id_], days(day, day + 1))
        return {"rebuilding an organization's day": milliseconds(call)}

    _rebuild_call(recorder, ids, days(0, _DAYS))()
    return measure


def _rebuild_call(
    recorder: Recorder, ids: list[int], days: Any
) -> Callable[[], object]:
    from metrics.commands.rebuild import rebuild_days
    from metrics.commands.recompute import CorrectionSpec
    from metrics.models import Correction

    correction = CorrectionSpec(Correction.Kind.REBUILD, by="bench", note="growth")
    return lambda: rebuild_days(recorder.white_label, ids, days, correction=correction)


def _corrupt_sums(organization_id: int, day: date) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "update metrics_dailyusage set quantity = quantity + 1"
            " where organization_id = %s and day = %s",
            [organization_id, day],
        )


_STORED = """
select sum(pg_table_size(relid)), sum(pg_indexes_size(relid)),
    (select count(*) from metrics_usageevent)
from pg_partition_tree('metrics_usageevent') where isleaf
"""


def _event_bytes() -> Figures:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_STORED)
        table, index, events = map(int, cursor.fetchone())
    return {
        "an event, table": table / events,
        "an event, index": index / events,
        "an event, both": (table + index) / events,
    }


if __name__ == "__main__":
    main()
