"""Recording usage, the hottest path: store events, price them, append pending usage.

A batch is one transaction. Every multi-row write is sorted by its key, because unsorted
upserts of overlapping organizations deadlock. An event that is already recorded adds
nothing, so a client can send a batch again when it did not get the response.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from metrics.catalog import DAILY_METRICS
from metrics.commands import statements
from metrics.commands.batch import (
    EventBody,
    EventKey,
    IndexedEvent,
    RecordingResult,
    ResolvedEvent,
    resolve_events,
)
from metrics.commands.locks import LOCK_PRICE_BOOK_SHARED, lock_key
from metrics.commands.periods import open_first_periods
from metrics.commands.sums import BatchSums, PriceList, build_price_list, sum_batch
from metrics.events import are_valid, check_event
from metrics.signals import usage_recorded
from orgs.errors import InputRejected
from orgs.models import WhiteLabel
from orgs.queries.prepared import array, execute_together, fetch_all, fetch_together

_ATTEMPTS = 3  # for a transaction that PostgreSQL aborts because of a deadlock
_DEADLOCK = "40P01"


def record_usage(
    white_label: WhiteLabel,
    events: Sequence[IndexedEvent],
    *,
    organization_id: int | None = None,
    now: datetime | None = None,
) -> RecordingResult:
    """Record a batch of usage events of a white label's organizations.

    An invalid event is rejected by its index; the others are recorded. An event that
    was recorded before is a duplicate if its body is the same, and is rejected as
    `event_conflict` otherwise. With `organization_id`, only events of that organization
    are accepted, and they need not name it.
    """
    result = RecordingResult()
    checked = _checked(events, now or timezone.now(), result)
    rows = resolve_events(white_label, checked, organization_id, result)
    if rows:
        _record(white_label, rows, result)
    result.rejected.sort(key=lambda rejection: rejection.index)
    return result


def record_derived(white_label: WhiteLabel, rows: Sequence[ResolvedEvent]) -> None:
    """Record events that Orgdesk makes itself, in the caller's transaction.

    `rows` must be sorted by key, and none may exist: raises `IntegrityError` otherwise.
    The caller sends `usage_recorded` after the commit.
    """
    ids = sorted({row.organization_id for row in rows})
    if _write(white_label, rows, ids, _insert_new_events):
        raise IntegrityError("a derived usage event exists already")


def _checked(
    events: Sequence[IndexedEvent], now: datetime, result: RecordingResult
) -> Sequence[IndexedEvent]:
    if events and are_valid([event for _, event in events], now):
        return events
    checked = []
    for index, event in events:
        try:
            check_event(event, now)
        except InputRejected as error:
            result.reject(index, error)
        else:
            checked.append((index, event))
    return checked


def _record(
    white_label: WhiteLabel, rows: Sequence[ResolvedEvent], result: RecordingResult
) -> None:
    ids = sorted({row.organization_id for row in rows})
    repeated = _with_retries(white_label, rows, ids)
    for row, is_same in repeated:
        result.add_repeated(row, is_same=is_same)
    result.accepted = len(rows) - len(repeated)
    if result.accepted:
        result.organization_ids = ids
        usage_recorded.send_robust(WhiteLabel, organization_ids=ids)


# Events that were recorded before, and whether their bodies are the same.
Repeated = list[tuple[ResolvedEvent, bool]]


def _with_retries(
    white_label: WhiteLabel, rows: Sequence[ResolvedEvent], ids: Sequence[int]
) -> Repeated:
    """Write the events, again after a deadlock; inside a caller's transaction once.

    PostgreSQL has undone the whole transaction, so only the outermost can be retried.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _write_batch(white_label, rows, ids)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            is_nested = connection.in_atomic_block
            if state != _DEADLOCK or is_nested or attempt == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311  jitter
    raise AssertionError("unreachable")


SumEvents = Callable[[Sequence[ResolvedEvent]], BatchSums]
InsertEvents = Callable[
    [Sequence[ResolvedEvent], Mapping[int, int], int, SumEvents],
    tuple[BatchSums, Repeated],
]


def _write_batch(
    white_label: WhiteLabel, rows: Sequence[ResolvedEvent], ids: Sequence[int]
) -> Repeated:
    """Write the events in one transaction; return those that were recorded before.

    Usually all are new, and COPY is the fastest way to insert them. A single existing
    key aborts the COPY; then a second transaction inserts the new ones, more slowly.
    """
    try:
        with transaction.atomic():
            return _write(white_label, rows, ids, _copy_events)
    except IntegrityError:
        with transaction.atomic():
            return _write(white_label, rows, ids, _insert_new_events)


def _write(
    white_label: WhiteLabel,
    rows: Sequence[ResolvedEvent],
    ids: Sequence[int],
    insert: InsertEvents,
) -> Repeated:
    periods, version, prices = _lock_prices_and_periods(white_label, rows, ids)

    def sum_events(added: Sequence[ResolvedEvent]) -> BatchSums:
        return sum_batch(added, white_label.zone, periods, prices)

    sums, repeated = insert(rows, periods, version, sum_events)
    if sums.usage:
        _append_pending(white_label, sums)
    return repeated


def _lock_prices_and_periods(
    white_label: WhiteLabel, rows: Sequence[ResolvedEvent], ids: Sequence[int]
) -> tuple[Mapping[int, int], int, PriceList]:
    """Return open periods by organization, the price version, and the prices.

    All stay as they are until the transaction ends. One round trip for the lock and the
    three queries. Every organization should have an open period; a missing one is
    opened here.
    """
    own = {"white_label": white_label.id, "ids": array(ids)}
    products = list({row.event.product for row in rows})
    lock = LOCK_PRICE_BOOK_SHARED, {"white_label": lock_key(white_label.id)}
    periods = statements.LOCK_PERIODS_SHARED, own
    version = statements.SELECT_PRICE_VERSION, own
    rates = statements.SELECT_RATES, {**own, "products": products}
    _, numbers, [(price_version,)], prices = fetch_together(
        [lock, periods, version, rates]
    )
    if len(numbers) < len(ids):
        open_first_periods(ids)
        numbers = list(fetch_all(*periods))
    return dict(numbers), price_version, build_price_list(list(prices))


def _copy_events(
    rows: Sequence[ResolvedEvent],
    periods: Mapping[int, int],
    version: int,
    sum_events: SumEvents,
) -> tuple[BatchSums, Repeated]:
    """Insert the events by COPY; sum them while PostgreSQL works, on another core.

    Raises `IntegrityError` when the COPY ends if a key exists.
    """
    # Django does not wrap the errors of COPY, which is psycopg's own method.
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statements.COPY_EVENTS) as copy,
    ):
        for start in range(0, len(rows), _LINES):
            copy.write(_copy_lines(rows[start : start + _LINES], periods, version))
        return sum_events(rows), []


# Lines per write: small, so that PostgreSQL can begin while the next are formatted.
_LINES = 200
_SPECIAL = "\\\t\n\r"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _copy_lines(
    rows: Sequence[ResolvedEvent], periods: Mapping[int, int], version: int
) -> bytes:
    """Return the events as lines of COPY's text format."""
    ids = _escape([row.event.id for row in rows])
    instants = _format_instants([row.event.timestamp for row in rows])
    lines = []
    for row, id_, at in zip(rows, ids, instants, strict=True):
        event, owner = row.event, row.organization_id
        # Meter names and numbers only: nothing in this JSON needs escaping.
        quantities = orjson.dumps(event.quantities).decode()
        lines.append(
            f"{owner}\t{id_}\t{at}\t{event.product}"
            f"\t{row.project_id}\t{quantities}\t{periods[owner]}\t{version}\n"
        )
    return "".join(lines).encode()


def _escape(texts: Sequence[str]) -> Sequence[str]:
    """Return the texts escaped for COPY; a single check when none needs it."""
    joined = "".join(texts)
    if not any(special in joined for special in _SPECIAL):
        return texts
    return [text.translate(_ESCAPES) for text in texts]


def _format_instants(instants: Sequence[datetime]) -> Sequence[str]:
    """Return instants as ISO 8601 in UTC.

    Formatted as one JSON array, which takes a fifth of the time of one by one.
    """
    array = orjson.dumps([instant.astimezone(UTC) for instant in instants]).decode()
    return array[2:-2].split('","')


def _insert_new_events(
    rows: Sequence[ResolvedEvent],
    periods: Mapping[int, int],
    version: int,
    sum_events: SumEvents,
) -> tuple[BatchSums, Repeated]:
    """Insert the events that do not exist yet; return the others as repeated."""
    columns = {
        **_key_columns(rows),
        "products": array(row.event.product for row in rows),
        "projects": array(row.project_id for row in rows),
        "quantities": [orjson.dumps(row.event.quantities).decode() for row in rows],
        "periods": array(periods[row.organization_id] for row in rows),
        "version": version,
    }
    new = set(fetch_all(statements.INSERT_NEW_EVENTS, columns))
    added = [row for row in rows if row.key in new]
    repeated = _compare([row for row in rows if row.key not in new])
    return sum_events(added) if added else BatchSums(), repeated


def _compare(rows: Sequence[ResolvedEvent]) -> Repeated:
    """Return for each event whether the recorded event of its key has the same body."""
    recorded: dict[EventKey, EventBody] = {}
    if rows:
        for *key, product, project_id, quantities in fetch_all(
            statements.SELECT_EXISTING_EVENTS, _key_columns(rows)
        ):
            owner_id, event_id, at = key
            recorded[owner_id, event_id, at] = product, project_id, quantities
    return [(row, recorded.get(row.key) == row.body) for row in rows]


def _key_columns(rows: Sequence[ResolvedEvent]) -> dict[str, object]:
    return {
        "organizations": array(row.organization_id for row in rows),
        "events": [row.event.id for row in rows],
        "instants": [row.event.timestamp for row in rows],
    }


def _append_pending(white_label: WhiteLabel, sums: BatchSums) -> None:
    """Write the batch's sums: daily metrics, pending fleet usage, and pending usage.

    Daily metrics come first: they are the only rows that another recording of the same
    organization and day can have locked.
    """
    fleet = statements.INSERT_PENDING_FLEET_USAGE, _fleet_columns(white_label, sums)
    writes = [fleet]
    if sums.metrics:
        metrics = statements.UPSERT_DAILY_METRICS, _metric_columns(sums)
        writes.insert(0, metrics)
    if len(sums.usage) <= _MAX_INSERTED:
        writes.append((statements.INSERT_PENDING_USAGE, _usage_columns(sums)))
        execute_together(writes)
    else:
        execute_together(writes)
        _copy_pending_usage(sums)


# Rows up to which an insert, which shares the round trip of the other statements, is
# faster than COPY, which needs another one.
_MAX_INSERTED = 300


def _usage_columns(sums: BatchSums) -> dict[str, object]:
    names = ("organizations", "days", "products", "meters", "projects", "periods")
    columns = zip(*sums.usage, strict=True)
    return {
        **{name: array(column) for name, column in zip(names, columns, strict=True)},
        **_amount_columns(list(sums.usage.values()), sums.places),
    }


def _copy_pending_usage(sums: BatchSums) -> None:
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statements.COPY_PENDING_USAGE) as copy,
    ):
        copy.write(_pending_usage_lines(sums))


def _pending_usage_lines(sums: BatchSums) -> bytes:
    """Return the sums as lines of COPY's text format.

    Products, meters, and numbers contain no character that needs escaping.
    """
    places = sums.places
    lines = [
        f"{owner}\t{day}\t{product}\t{meter}\t{project}\t{period}"
        f"\t{quantity}\t{cost}e-{places}\t{benchmark}e-{places}\t{unpriced}\n"
        for (owner, day, product, meter, project, period), (
            quantity,
            cost,
            benchmark,
            unpriced,
        ) in sums.usage.items()
    ]
    return "".join(lines).encode()


def _fleet_columns(white_label: WhiteLabel, sums: BatchSums) -> dict[str, object]:
    days, products, meters = zip(*sums.fleet, strict=True)
    return {
        "white_label": white_label.id,
        "days": array(days),
        "products": array(products),
        "meters": array(meters),
        **_amount_columns(list(sums.fleet.values()), sums.places),
    }


def _amount_columns(sums: Sequence[Sequence[int]], places: int) -> dict[str, object]:
    names = ("quantities", "costs", "benchmarks", "unpriced")
    columns = zip(*sums, strict=True)
    arrays = {name: array(column) for name, column in zip(names, columns, strict=True)}
    return {**arrays, "cost_unit": f"1e-{places}"}


def _metric_columns(sums: BatchSums) -> dict[str, object]:
    rows = sorted(sums.metrics.items())
    columns = {
        column: array(values.get(column, 0) for _, values in rows)
        for column in DAILY_METRICS.values()
    }
    return {**_day_columns(key for key, _ in rows), **columns}


def _day_columns(keys: Iterable[tuple[int, str]]) -> dict[str, object]:
    organizations, days = zip(*keys, strict=True)
    return {"organizations": array(organizations), "days": array(days)}
