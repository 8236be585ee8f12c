"""Recording over HTTP, compared with only writing the same rows."""

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
    """The same events as requests to Orgdesk and as rows for the peers."""

    requests: list[bytes]
    rows: list[list[EventRow]]

    @property
    def events(self) -> int:
        return sum(map(len, self.rows))


def measure(run: Run) -> Iterator[Row]:
    if run.selects(SCATTERED, OVER_BULK):
        yield from _scattered(run)
    if run.selects(ONE_EACH):
        yield _one_each(run)
    if run.selects(WRITERS, WHOLE):
        yield from _writers(run)


def _scattered(run: Run) -> Iterator[Row]:
    contenders = {
        "orgdesk": lambda: _record(run, _batches(run, _any_organization)),
        "copy": lambda: _peer(run, "copy", _batches(run, _any_organization)),
        "bulk_create": lambda: _peer(
            run, "bulk_create", _batches(run, _any_organization)
        ),
    }
    medians = run.rounds("scattered", contenders)
    orgdesk, copy = medians["orgdesk"], medians["copy"]
    bulk = medians["bulk_create"]
    yield Row(SCATTERED, orgdesk, copy, _UNIT, orgdesk / copy, 0.15, 0.3)
    yield Row(OVER_BULK, orgdesk, bulk, _UNIT, orgdesk / bulk, 0, 0.5)


def _one_each(run: Run) -> Row:
    contenders = {
        "orgdesk": lambda: _record(run, _batches(run, _batch_organization)),
        "copy": lambda: _peer(run, "copy", _batches(run, _batch_organization)),
    }
    medians = run.rounds("one each", contenders)
    orgdesk, copy = medians["orgdesk"], medians["copy"]
    return Row(ONE_EACH, orgdesk, copy, _UNIT, orgdesk / copy, 0.3, 0.5)


def _writers(run: Run) -> Iterator[Row]:
    _ = run.web  # starts web and worker
    deadlocks = _deadlocks(run)
    lost = 0

    def write(connections: int) -> float:
        nonlocal lost
        batches = _batches(run, _any_organization)
        rate = _record(run, batches, connections=connections)
        lost += batches.events - _count(run, batches)
        return rate

    medians = run.rounds("writers", {"8": lambda: write(8), "1": lambda: write(1)})
    eight, one = medians["8"], medians["1"]
    yield Row(WRITERS, eight, one, _UNIT, eight / one, 1.3, 1.6)
    errors = lost + _deadlocks(run) - deadlocks
    yield Row(WHOLE, errors, 0, "events", float(not errors), 1, 1)


# --- the events -------------------------------------------------------------------

Choose = Callable[[random.Random, int], int]


def _any_organization(chance: random.Random, first: int) -> int:
    """Return a random number of 5,000 organizations for each event."""
    return -1 if first < 0 else chance.randrange(5_000)


def _batch_organization(chance: random.Random, first: int) -> int:
    """Return the number of the organization of the first event in the batch."""
    return chance.randrange(5_000) if first < 0 else first


def _batches(run: Run, choose: Choose) -> Batches:
    """Return new events of the last 20 hours, with IDs that no earlier round used."""
    chance = random.Random()  # noqa: S311
    requests, rows = [], []
    prefix = f"{time.time_ns():x}"
    for number in range(run.sizes.batches):
        first = chance.randrange(5_000) if choose is _batch_organization else 0
        batch = [
            _event(run, chance, f"{prefix}-{number}-{n}", choose(chance, first))
            for n in range(BATCH)
        ]
        rows.append(batch)
        key = run.big.writer_keys[number % len(run.big.writer_keys)]
        path = "/api/v1/usage/events"
        requests.append(
            http.post_request(path, http.key_header(key), _body(run, batch))
        )
    return Batches(requests, rows)


def _event(run: Run, chance: random.Random, id_: str, number: int) -> EventRow:
    at = datetime.now(UTC) - timedelta(seconds=chance.random() * 72_000)
    quantities = {meter: chance.randrange(1, 5_000) for meter in METERS}
    return (
        run.big.organization_id(run.big.charted + 1 + number % _recording_count(run)),
        id_,
        at.isoformat(),
        chance.choice(PRODUCTS),
        json.dumps(quantities),
    )


def _recording_count(run: Run) -> int:
    """Return how many organizations record, without those of the measured charts."""
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
    """Return the events per second over HTTP, and wait until the worker is idle."""
    work = load.Load(
        run.web.port, batches.requests, connections=connections, keeps_bodies=True
    )
    result = load.run(work)
    bodies = (json.loads(body.partition(b"\r\n\r\n")[2]) for body in result.bodies)
    accepted = sum(body["accepted"] for body in bodies)
    if accepted != batches.events:
        raise load.UnexpectedResponse(
            f"{accepted} of {batches.events} events were accepted"
        )
    drain(run.stack.state)
    return batches.events / result.seconds


def _peer(run: Run, method: str, batches: Batches) -> float:
    output = child.output(
        *("-m", "bench.peers.recording", method),
        stdin=pickle.dumps(batches.rows),
        env=run.stack.environment(run.big),
    )
    return batches.events / float(output)


def _deadlocks(run: Run) -> int:
    time.sleep(1.5)  # sessions report their statistics once a second
    with run.stack.connect() as connection:
        statement = "select deadlocks from pg_stat_database where datname = %s"
        row = connection.execute(statement, [run.big.database]).fetchone()
    return int(row[0]) if row else 0


def _count(run: Run, batches: Batches) -> int:
    """Return how many of the events are in the table."""
    keys = [(row[0], row[1]) for batch in batches.rows for row in batch]
    with run.stack.connect(run.big.database) as connection:
        statement = """
            select count(*) from unnest(%s::bigint[], %s::text[]) k(id, event)
            join metrics_usageevent on organization_id = k.id and event_id = k.event
            and at > now() - interval '2 days'"""
        ids, events = map(list, zip(*keys, strict=True))
        row = connection.execute(statement, [ids, events]).fetchone()
    return int(row[0]) if row else 0
