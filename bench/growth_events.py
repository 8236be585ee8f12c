"""Costs over a number of stored events, and the SQL that stores them.

python -m bench.growth_events measure FLEET           see `bench.growth_calls`
python -m bench.growth_events fill FLEET EVENTS

A few organizations have the same events in every database; the others share the rest,
so a day of one of the few is the same work at each size.
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
    given,
    milliseconds,
    serve,
)
from bench.run import say
from bench.stack import Fleet

_DAYS = 90  # over which events are spread
_STEADY, _A_DAY = 10, 20  # organizations with that many events on each of the days
_AT_A_TIME = 500_000  # events in a statement, sorted: as many recordings would
# Events of organizations that are filled together: the pages of their part of the index
# are split at random, as in life, and stay in memory meanwhile.
_TOGETHER = 2_500_000


def main() -> None:
    fleet = given()
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
    from generate_series(0, {_STEADY} - 1) o, generate_series(1, {_DAYS}) d,
        generate_series(0, {_A_DAY} - 1) n) events
order by 1, 2
"""
# A hash is as scattered as chance, and the same each time.
_SCATTERED_EVENTS = f"""{_COLUMNS}
from (
    select %(first)s + {_STEADY} + (n - 1) * %(parts)s / %(rest)s * %(width)s
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
    rest = events - _STEADY * _A_DAY * _DAYS
    parts = max(1, rest // _TOGETHER)
    parameters = {
        "first": fleet.first_id,
        "rest": rest,
        "parts": parts,
        "width": (fleet.organizations - _STEADY) // parts,  # organizations of a part
        "today": fleet.today,
        "version": version,
    }
    connection.execute(_STEADY_EVENTS.encode(), parameters)
    for start in range(1, rest + 1, _AT_A_TIME):
        bounds = {"start": start, "stop": min(start + _AT_A_TIME - 1, rest)}
        connection.execute(_SCATTERED_EVENTS.encode(), parameters | bounds)
        say(f"{bounds['stop']:,} of {rest:,} events")
    connection.execute("reset synchronous_commit")
    connection.execute("vacuum (analyze) metrics_usageevent")
    connection.execute("checkpoint")


def _connection() -> Database:
    """Psycopg's own, that commits each statement and waits for no disk."""
    connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection.execute("set synchronous_commit = off")
    connection.execute("set work_mem = '256MB'")
    return connection


# --- measuring --------------------------------------------------------------------


def _measure(fleet: Fleet) -> Iterator[Figures]:
    recorder = Recorder(fleet, skipped=_STEADY)
    rebuild = _rebuilding(recorder, fleet)
    yield _stored()
    while True:
        yield {**_recorded(recorder), **rebuild()}


def _recorded(recorder: Recorder) -> Figures:
    batch = recorder.batch()
    return {
        "recording 1,000 events": recorder.record(batch),
        "recording them again (duplicates)": recorder.record(batch, again=True),
    }


def _rebuilding(recorder: Recorder, fleet: Fleet) -> Callable[[], Figures]:
    """Of a day whose sums are wrong, so that there is something to correct."""
    from metrics.periods import DayRange

    first = date.fromisoformat(fleet.today) - timedelta(days=_DAYS)
    ids = [fleet.id_of(number) for number in range(1, _STEADY + 1)]
    chance = random.Random()  # noqa: S311

    def days(start: int, end: int) -> DayRange:
        return DayRange(*(first + timedelta(days=day) for day in (start, end)))

    def measure() -> Figures:
        id_, day = chance.choice(ids), chance.randrange(_DAYS)
        _spoil(id_, first + timedelta(days=day))
        call = _rebuild(recorder, [id_], days(day, day + 1))
        return {"rebuilding an organization's day": milliseconds(call)}

    _rebuild(recorder, ids, days(0, _DAYS))()
    return measure


def _rebuild(recorder: Recorder, ids: list[int], days: Any) -> Callable[[], object]:
    from metrics.commands.rebuild import rebuild_days
    from metrics.commands.recompute import CorrectionSpec
    from metrics.models import Correction

    correction = CorrectionSpec(Correction.Kind.REBUILD, by="bench", note="growth")
    return lambda: rebuild_days(recorder.white_label, ids, days, correction=correction)


def _spoil(organization_id: int, day: date) -> None:
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


def _stored() -> Figures:
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
