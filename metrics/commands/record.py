"""Recording usage: the hot way. COPY, price, daily sums, one transaction.

Every multi-row write is sorted by its key: unsorted upserts of overlapping
organizations deadlock. Nothing here depends on how often it is called: an event that
is there already adds nothing, so a retry after a lost answer is safe.
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
from metrics.commands.batch import Body, Key, Numbered, Recorded, Row, rows_of
from metrics.commands.periods import open_first_periods
from metrics.commands.sums import DaySums, PriceList, day_sums, price_list
from metrics.events import Refused, are_fine, check_event
from metrics.signals import usage_recorded
from orgs.models import WhiteLabel
from orgs.queries.prepared import array, execute_together, fetch_all, fetch_together

_ATTEMPTS = 3  # of a transaction that PostgreSQL ended for a deadlock
_DEADLOCK = "40P01"


def record_usage(
    white_label: WhiteLabel,
    events: Sequence[Numbered],
    *,
    organization_id: int | None = None,
    now: datetime | None = None,
) -> Recorded:
    """Record a batch of numbered events of a white label's organizations.

    A bad event is refused by its number and never drops its neighbours; an event that
    was recorded before with the same body is a duplicate, with another body refused as
    `event_conflict`. `organization_id` narrows the batch to one organization, which
    events then need not name.
    """
    result = Recorded()
    checked = _checked(events, now or timezone.now(), result)
    rows = rows_of(white_label, checked, organization_id, result)
    if rows:
        _record(white_label, rows, result)
    result.rejected.sort(key=lambda rejection: rejection.index)
    return result


def _checked(
    events: Sequence[Numbered], now: datetime, result: Recorded
) -> Sequence[Numbered]:
    if events and are_fine([event for _, event in events], now):
        return events
    checked = []
    for index, event in events:
        try:
            check_event(event, now)
        except Refused as refused:
            result.reject(index, refused)
        else:
            checked.append((index, event))
    return checked


def _record(white_label: WhiteLabel, rows: Sequence[Row], result: Recorded) -> None:
    ids = sorted({row.organization_id for row in rows})
    repeated = _with_retries(white_label, rows, ids)
    for row, is_same in repeated:
        result.repeat(row, is_same=is_same)
    result.accepted = len(rows) - len(repeated)
    if result.accepted:
        result.organization_ids = ids
        usage_recorded.send_robust(WhiteLabel, organization_ids=ids)


Repeated = list[tuple[Row, bool]]


def _with_retries(
    white_label: WhiteLabel, rows: Sequence[Row], ids: Sequence[int]
) -> Repeated:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _written(white_label, rows, ids)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            inside = connection.in_atomic_block
            if state != _DEADLOCK or inside or attempt == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311  jitter
    raise AssertionError("unreachable")


# --- the transaction --------------------------------------------------------------


Summing = Callable[[Sequence[Row]], DaySums]
Insert = Callable[
    [Sequence[Row], Mapping[int, int], int, Summing], tuple[DaySums, Repeated]
]


def _written(
    white_label: WhiteLabel, rows: Sequence[Row], ids: Sequence[int]
) -> Repeated:
    """Write the rows; answers those that were there before, and whether the same.

    As a rule all are new, and COPY is the fastest way in. One that is not ends the
    COPY; then the rows are written again, more slowly, past those that are there.
    """
    try:
        with transaction.atomic():
            return _write(white_label, rows, ids, _copy)
    except IntegrityError:
        with transaction.atomic():
            return _write(white_label, rows, ids, _insert_new)


def _write(
    white_label: WhiteLabel, rows: Sequence[Row], ids: Sequence[int], insert: Insert
) -> Repeated:
    periods, version, prices = _held(white_label, rows, ids)

    def sums(added: Sequence[Row]) -> DaySums:
        return day_sums(added, white_label.zone, periods, prices)

    added, repeated = insert(rows, periods, version, sums)
    if added.usage:
        _append(white_label, added)
    return repeated


def _held(
    white_label: WhiteLabel, rows: Sequence[Row], ids: Sequence[int]
) -> tuple[Mapping[int, int], int, PriceList]:
    """Open periods by organization, price version and prices: held as they are.

    Every organization has an open period, but a lost one is mended.
    """
    own = {"white_label": white_label.id, "ids": array(ids)}
    products = list({row.event.product for row in rows})
    lock = statements.LOCK_PRICES, {"white_label": white_label.id % 2**31}
    periods = statements.SHARE_PERIODS, own
    version = statements.PRICE_VERSION, own
    rates = statements.RATES, {**own, "products": products}
    _, found, [(number,)], prices = fetch_together([lock, periods, version, rates])
    if len(found) < len(ids):
        open_first_periods(ids)
        found = list(fetch_all(*periods))
    return dict(found), number, price_list(prices)


def _copy(
    rows: Sequence[Row], periods: Mapping[int, int], version: int, sums: Summing
) -> tuple[DaySums, Repeated]:
    """While PostgreSQL takes the rows in, we add them up: each on its own core."""
    # Django does not know COPY: its errors are made Django's here.
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statements.COPY_EVENTS) as copy,
    ):
        for start in range(0, len(rows), _LINES):
            copy.write(_copied(rows[start : start + _LINES], periods, version))
        return sums(rows), []


_LINES = 200  # written at once: PostgreSQL has something to do from the first on
_SPECIAL = "\\\t\n\r"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _copied(rows: Sequence[Row], periods: Mapping[int, int], version: int) -> bytes:
    """Lines in COPY's text format."""
    ids = _escaped([row.event.id for row in rows])
    instants = _texts([row.event.timestamp for row in rows])
    lines = []
    for row, id_, at in zip(rows, ids, instants, strict=True):
        event, owner = row.event, row.organization_id
        # Names of meters and numbers: nothing in this JSON is escaped.
        quantities = orjson.dumps(event.quantities).decode()
        lines.append(
            f"{owner}\t{id_}\t{at}\t{event.product}"
            f"\t{row.project_id}\t{quantities}\t{periods[owner]}\t{version}\n"
        )
    return "".join(lines).encode()


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    together = "".join(texts)
    if not any(special in together for special in _SPECIAL):
        return texts
    return [text.translate(_ESCAPES) for text in texts]


def _texts(instants: Sequence[datetime]) -> Sequence[str]:
    """As PostgreSQL reads them; written at once, a fifth of the cost of one by one."""
    array = orjson.dumps([instant.astimezone(UTC) for instant in instants]).decode()
    return array[2:-2].split('","')


def _insert_new(
    rows: Sequence[Row], periods: Mapping[int, int], version: int, sums: Summing
) -> tuple[DaySums, Repeated]:
    columns = {
        **_keys(rows),
        "products": array(row.event.product for row in rows),
        "projects": array(row.project_id for row in rows),
        "quantities": [orjson.dumps(row.event.quantities).decode() for row in rows],
        "periods": array(periods[row.organization_id] for row in rows),
        "version": version,
    }
    new = set(fetch_all(statements.INSERT_NEW_EVENTS, columns))
    added = [row for row in rows if row.key in new]
    repeated = _compared([row for row in rows if row.key not in new])
    return sums(added) if added else DaySums(), repeated


def _compared(rows: Sequence[Row]) -> Repeated:
    """Whether each is what is there under its key."""
    found: dict[Key, Body] = {}
    if rows:
        for *key, product, project_id, quantities in fetch_all(
            statements.COMPARE, _keys(rows)
        ):
            owner_id, event_id, at = key
            found[owner_id, event_id, at] = product, project_id, quantities
    return [(row, found.get(row.key) == row.body) for row in rows]


def _keys(rows: Sequence[Row]) -> dict[str, object]:
    return {
        "organizations": array(row.organization_id for row in rows),
        "events": [row.event.id for row in rows],
        "instants": [row.event.timestamp for row in rows],
    }


# --- sums -------------------------------------------------------------------------


def _append(white_label: WhiteLabel, sums: DaySums) -> None:
    """Daily metrics first, which a recording of the same day may have to wait for."""
    appended = [(statements.APPEND_FLEET, _fleet(white_label, sums))]
    if sums.metrics:
        appended.insert(0, (statements.UPSERT_METRICS, _metrics(sums)))
    if len(sums.usage) <= _FEW:
        appended.append((statements.APPEND_CHANGES, _few_changes(sums)))
        execute_together(appended)
    else:
        execute_together(appended)
        _copy_changes(sums)


_FEW = 300  # sums; of more, COPY is faster though it is a call of its own


def _few_changes(sums: DaySums) -> dict[str, object]:
    names = ("organizations", "days", "products", "meters", "projects", "periods")
    columns = zip(*sums.usage, strict=True)
    return {
        **{name: array(column) for name, column in zip(names, columns, strict=True)},
        **_amounts(list(sums.usage.values())),
    }


def _copy_changes(sums: DaySums) -> None:
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statements.COPY_CHANGES) as copy,
    ):
        copy.write(_changes(sums))


def _changes(sums: DaySums) -> bytes:
    """Lines in COPY's text format; slugs and numbers, so nothing is escaped."""
    lines = [
        f"{owner}\t{day}\t{product}\t{meter}\t{project}\t{period}"
        f"\t{quantity}\t{cost}e-12\t{benchmark}e-12\t{unpriced}\n"
        for (owner, day, product, meter, project, period), (
            quantity,
            cost,
            benchmark,
            unpriced,
        ) in sums.usage.items()
    ]
    return "".join(lines).encode()


def _fleet(white_label: WhiteLabel, sums: DaySums) -> dict[str, object]:
    days, products, meters = zip(*sums.fleet, strict=True)
    return {
        "white_label": white_label.id,
        "days": array(days),
        "products": array(products),
        "meters": array(meters),
        **_amounts(list(sums.fleet.values())),
    }


def _amounts(sums: Sequence[Sequence[int]]) -> dict[str, object]:
    names = ("quantities", "costs", "benchmarks", "unpriced")
    columns = zip(*sums, strict=True)
    return {name: array(column) for name, column in zip(names, columns, strict=True)}


def _metrics(sums: DaySums) -> dict[str, object]:
    found = sorted(sums.metrics.items())
    columns = {
        column: array(values.get(column, 0) for _, values in found)
        for column in DAILY_METRICS.values()
    }
    return {**_days(key for key, _ in found), **columns}


def _days(keys: Iterable[tuple[int, str]]) -> dict[str, object]:
    organizations, days = zip(*keys, strict=True)
    return {"organizations": array(organizations), "days": array(days)}
