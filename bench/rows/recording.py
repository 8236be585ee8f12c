"""Recording over HTTP, beside writing the same rows with nothing else."""

import json
import pickle
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench import child, http, load
from bench.peers.recording import Row as EventRow
from bench.report import Row
from bench.run import Run, drain
from bench.tables import METERS, PRODUCTS

SCATTERED = "recording, scattered over 5,000 organizations, over plain COPY"
OVER_BULK = "recording, scattered, over bulk_create of the event rows"
ONE_EACH = "recording, each batch one organization's, over plain COPY"
WRITERS = "recording, 8 writers, over one writer"
WHOLE = "recording, 8 writers: no deadlock, no lost event"
ROWS = (SCATTERED, OVER_BULK, ONE_EACH, WRITERS, WHOLE)
BATCH = 1_000
_UNIT = "events/s"


@dataclass(frozen=True, slots=True)
class Batches:
    """The same events as requests to ours and as rows for the peers."""

    requests: list[bytes]
    rows: list[list[EventRow]]

    @property
    def events(self) -> int:
        return sum(map(len, self.rows))


def measure(run: Run) -> Iterator[Row]:
    if run.wants(SCATTERED, OVER_BULK):
        yield from _scattered(run)
    if run.wants(ONE_EACH):
        yield _one_each(run)
    if run.wants(WRITERS, WHOLE):
        yield from _writers(run)


def _scattered(run: Run) -> Iterator[Row]:
    contenders = {
        "ours": lambda: _record(run, _batches(run, _anyone)),
        "copy": lambda: _peer(run, "copy", _batches(run, _anyone)),
        "bulk_create": lambda: _peer(run, "bulk_create", _batches(run, _anyone)),
    }
    found = run.rounds("scattered", contenders)
    ours, copy, bulk = found["ours"], found["copy"], found["bulk_create"]
    yield Row(SCATTERED, ours, copy, _UNIT, ours / copy, 0.15, 0.3)
    yield Row(OVER_BULK, ours, bulk, _UNIT, ours / bulk, 0, 0.5)


def _one_each(run: Run) -> Row:
    contenders = {
        "ours": lambda: _record(run, _batches(run, _one)),
        "copy": lambda: _peer(run, "copy", _batches(run, _one)),
    }
    found = run.rounds("one each", contenders)
    ours, copy = found["ours"], found["copy"]
    return Row(ONE_EACH, ours, copy, _UNIT, ours / copy, 0.3, 0.5)


def _writers(run: Run) -> Iterator[Row]:
    _ = run.web
    deadlocks = _deadlocks(run)
    lost = 0

    def write(connections: int) -> float:
        nonlocal lost
        batches = _batches(run, _anyone)
        rate = _record(run, batches, connections=connections)
        lost += batches.events - _count(run, batches)
        return rate

    found = run.rounds("writers", {"8": lambda: write(8), "1": lambda: write(1)})
    eight, one = found["8"], found["1"]
    yield Row(WRITERS, eight, one, _UNIT, eight / one, 1.3, 1.6)
    wrong = lost + _deadlocks(run) - deadlocks
    yield Row(WHOLE, wrong, 0, "events", float(not wrong), 1, 1)


# --- the events -------------------------------------------------------------------

Choose = Callable[[random.Random, int], int]


def _anyone(chance: random.Random, first: int) -> int:
    """Any of 5,000 organizations, for each event anew."""
    return -1 if first < 0 else chance.randrange(5_000)


def _one(chance: random.Random, first: int) -> int:
    """The organization of the batch's first event."""
    return chance.randrange(5_000) if first < 0 else first


def _batches(run: Run, choose: Choose) -> Batches:
    """Events that were never sent before, of the last 20 hours."""
    chance = random.Random()  # noqa: S311
    requests, rows = [], []
    mark = f"{time.time_ns():x}"
    for number in range(run.sizes.batches):
        first = chance.randrange(5_000) if choose is _one else 0
        batch = [
            _event(run, chance, f"{mark}-{number}-{n}", choose(chance, first))
            for n in range(BATCH)
        ]
        rows.append(batch)
        key = run.big.writer_keys[number % len(run.big.writer_keys)]
        path = "/api/v1/usage/events"
        requests.append(http.post(path, http.with_key(key), _body(run, batch)))
    return Batches(requests, rows)


def _event(run: Run, chance: random.Random, id_: str, number: int) -> EventRow:
    at = datetime.now(UTC) - timedelta(seconds=chance.random() * 72_000)
    quantities = {meter: chance.randrange(1, 5_000) for meter in METERS}
    return (
        run.big.id_of(run.big.charted + 1 + number % _recording(run)),
        id_,
        at.isoformat(),
        chance.choice(PRODUCTS),
        json.dumps(quantities),
    )


def _recording(run: Run) -> int:
    """How many organizations record: none of those whose charts are measured."""
    return min(5_000, run.big.organizations - run.big.charted)


def _body(run: Run, batch: Sequence[EventRow]) -> bytes:
    events = [
        {
            "id": id_,
            "organization": f"org-{organization_id - run.big.first_id + 1:07d}",
            "timestamp": at,
            "product": product,
            "quantities": json.loads(quantities),
        }
        for organization_id, id_, at, product, quantities in batch
    ]
    return json.dumps(events, separators=(",", ":")).encode()


# --- the writers ------------------------------------------------------------------


def _record(run: Run, batches: Batches, *, connections: int = 1) -> float:
    """Events a second over HTTP; then waits until the worker has nothing left to do."""
    asked = load.Load(
        run.web.port, batches.requests, connections=connections, keeps_bodies=True
    )
    answer = load.run(asked)
    bodies = (json.loads(body.partition(b"\r\n\r\n")[2]) for body in answer.bodies)
    accepted = sum(body["accepted"] for body in bodies)
    if accepted != batches.events:
        raise load.WrongAnswer(f"{accepted} of {batches.events} events were accepted")
    drain(run.stack.state)
    return batches.events / answer.seconds


def _peer(run: Run, way: str, batches: Batches) -> float:
    said = child.output(
        *("-m", "bench.peers.recording", way),
        given=pickle.dumps(batches.rows),
        env=run.stack.environment(run.big),
    )
    return batches.events / float(said)


def _deadlocks(run: Run) -> int:
    time.sleep(1.5)  # sessions tell the statistics once a second
    with run.stack.connect() as connection:
        statement = "select deadlocks from pg_stat_database where datname = %s"
        row = connection.execute(statement, [run.big.database]).fetchone()
    return int(row[0]) if row else 0


def _count(run: Run, batches: Batches) -> int:
    """How many of the events are in the table."""
    keys = [(row[0], row[1]) for batch in batches.rows for row in batch]
    with run.stack.connect(run.big.database) as connection:
        statement = """
            select count(*) from unnest(%s::bigint[], %s::text[]) k(id, event)
            join metrics_usageevent on organization_id = k.id and event_id = k.event
            and at > now() - interval '2 days'"""
        ids, events = map(list, zip(*keys, strict=True))
        row = connection.execute(statement, [ids, events]).fetchone()
    return int(row[0]) if row else 0
