"""Recomputing daily usage from its events, and correcting it by the differences.

Costs are recomputed exactly: each event stores the period it was recorded into and the
version of the price book it was priced with, and rates are never changed in place. A
period that was re-rated is priced with the version of its re-rate; see
`PeriodRerating`.

One statement reads events and daily usage in one snapshot, so comparing blocks no
recording. A correction adds the difference instead of writing a new sum: usage that is
recorded after the snapshot is in neither side of the difference. So recording is
blocked only while differences are written. This is right as long as nothing but
recordings changes the days in between, hence the locks, in this order:

1. `LOCK_CORRECTIONS`: one correction of a white label at a time;
2. the events table in share mode: no month is dropped before its events are read;
3. after comparing, as recording does: the price book (shared), then the open periods;
4. `LOCK_ROLL_UP`: the differences are rolled up before the transaction commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.utils import timezone

from metrics.catalog import DAILY_METRICS
from metrics.commands.locks import (
    LOCK_CORRECTIONS,
    LOCK_PRICE_BOOK_SHARED,
    lock_key,
)
from metrics.commands.periods import open_first_periods
from metrics.commands.roll_up import roll_up_organizations
from metrics.commands.statements import USAGE_KEY
from metrics.models import Correction
from metrics.models.corrections import CorrectionKind
from metrics.periods import DayRange
from metrics.queries import pricing
from metrics.queries.partitions import EventPartition, list_event_partitions
from metrics.queries.series import Amounts
from orgs.days import ONE_DAY
from orgs.models import WhiteLabel

# Long enough for the recordings in flight and for another correction's batch.
_SET_LOCK_TIMEOUT = "set local lock_timeout = '120s'"
# Dropping a partition needs an exclusive lock on the events table: it fails meanwhile.
_LOCK_EVENTS_TABLE = "lock table metrics_usageevent in access share mode"
# Recording takes the same rows `for share`: this waits for it and blocks it. Sorted, so
# that two lockers never wait for each other.
_LOCK_PERIODS = """
select 1 from metrics_openperiod where organization_id = any(%s)
order by organization_id for no key update
"""


@dataclass(frozen=True, slots=True)
class RecomputeScope:
    """The organizations of one white label and the days that are recomputed."""

    white_label: WhiteLabel
    organization_ids: Sequence[int]
    days: DayRange

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the statements, by name.

        Events are read by `from` and `until`, in UTC, with a day more at both ends: no
        time zone is a day or more from UTC. PostgreSQL then computes each event's day.
        """
        first, last = self.days.start - ONE_DAY, self.days.end + ONE_DAY
        return {
            "white_label": self.white_label.pk,
            "zone": self.white_label.time_zone,
            "ids": list(self.organization_ids),
            "start": self.days.start,
            "end": self.days.end,
            "from": datetime.combine(first, time(), UTC),
            "until": datetime.combine(last, time(), UTC),
            "meters": list(DAILY_METRICS),
        }


@dataclass(frozen=True, slots=True)
class UsageDifference:
    """A row whose recorded amounts differ from those recomputed from its events.

    None stands for a row that does not exist on that side. When `product` is None it is
    a daily metric: only the quantity, and `meter`, have a meaning then.
    """

    organization_id: int
    day: date
    product: str | None
    meter: str
    project_id: int | None
    period: int | None
    recorded: Amounts | None
    recomputed: Amounts | None


@dataclass(frozen=True, slots=True)
class CorrectionSpec:
    """The author and reason of a correction, shared by all batches of a command."""

    kind: CorrectionKind
    by: str
    note: str
    started_at: datetime = field(default_factory=timezone.now)
    id: UUID = field(default_factory=uuid4)
    key: str = ""  # empty: no other request is the same correction
    arguments: str = ""  # their hash; a key is refused with others

    @property
    def idempotency_key(self) -> str:
        """The key of the correction's row."""
        return self.key or self.id.hex


class PriceBasis(StrEnum):
    """The price book version that recomputing uses.

    `RECORDED` is the version that each event was recorded or re-rated with.
    """

    RECORDED = "recorded"
    CURRENT = "current"


def lock_months() -> list[EventPartition]:
    """Return the months of events; none is dropped until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_EVENTS_TABLE)
    return list_event_partitions()


# At current prices only the open period is recomputed: closed periods stay as billed.
_PERIOD_JOINS = {
    PriceBasis.RECORDED: "",
    PriceBasis.CURRENT: "join metrics_openperiod p"
    " on p.organization_id = {0}.organization_id and p.number = {0}.period",
}
# Events of the open period, and of those whose unpriced usage is carried into it.
_EVENT_JOINS = {
    PriceBasis.RECORDED: "",
    PriceBasis.CURRENT: """
    join metrics_openperiod p on p.organization_id = e.organization_id
        and (p.number = e.period or exists (
            select from chain c where c.organization_id = e.organization_id
                and c.product = e.product and c.first = e.period
                and c.period = p.number))""",
}
_EVENTS = """
    select e.* from metrics_usageevent e {joins}
    where e.organization_id = any(%(ids)s) and e.at >= %(from)s and e.at < %(until)s
        and (e.at at time zone %(zone)s)::date >= %(start)s
        and (e.at at time zone %(zone)s)::date < %(end)s
        and not {voided}"""


def comparison(prices: PriceBasis) -> str:
    """Return the SQL from `with` to the table expression `compared`.

    `compared` has a row per key of daily usage, with the recorded amounts as `old_…`
    and the recomputed ones as `new_…`. They are null where usage is not recorded, or
    has no events. It covers all periods at recorded prices, or the open period at
    current prices.
    """
    events = _EVENTS.format(joins=_EVENT_JOINS[prices], voided=pricing.IS_VOIDED)
    is_current = prices is PriceBasis.CURRENT
    return f"""
{pricing.priced_sums(events, is_current=is_current)}, recomputed as (
    select d.* from summed d {_PERIOD_JOINS[prices].format("d")}
), recorded as (
    select {", ".join(f"d.{name}" for name in USAGE_KEY.split(", "))},
        sum(d.quantity) as quantity, sum(d.cost) as cost,
        sum(d.benchmark_cost) as benchmark_cost,
        sum(d.unpriced_quantity) as unpriced_quantity
    from metrics_usage d {_PERIOD_JOINS[prices].format("d")}
    where d.organization_id = any(%(ids)s)
        and d.day >= %(start)s and d.day < %(end)s
    group by 1, 2, 3, 4, 5, 6
), compared as (
    select {USAGE_KEY}, d.quantity as old_quantity, d.cost as old_cost,
        d.benchmark_cost as old_benchmark, d.unpriced_quantity as old_unpriced,
        s.quantity as new_quantity, s.cost as new_cost,
        s.benchmark_cost as new_benchmark, s.unpriced as new_unpriced,
        (d.quantity, d.cost, d.benchmark_cost, d.unpriced_quantity) is distinct from
        (s.quantity, s.cost, s.benchmark_cost, s.unpriced) as is_different
    from recorded d full join recomputed s using ({USAGE_KEY})
)"""  # noqa: S608  no user input


_METRIC_ROWS = ", ".join(f"('{m}', d.{column})" for m, column in DAILY_METRICS.items())

# The same comparison for the daily metrics that are sums of a meter. A missing value
# counts as 0, because rows also exist for members and projects alone.
_COMPARED_METRICS = f"""
, counted as (
    select organization_id, day, meter, sum(quantity) as quantity
    from recomputed where meter = any(%(meters)s) group by 1, 2, 3
), recorded_metric as (
    select d.organization_id, d.day, v.meter, v.quantity
    from metrics_dailymetric d cross join lateral (values {_METRIC_ROWS}) v
        (meter, quantity)
    where d.organization_id = any(%(ids)s)
        and d.day >= %(start)s and d.day < %(end)s
), metric as (
    select organization_id, day, meter, k.quantity as old, c.quantity as new
    from recorded_metric k full join counted c using (organization_id, day, meter)
    where coalesce(k.quantity, 0) <> coalesce(c.quantity, 0)
)"""  # noqa: S608  no user input

_SELECT_DIFFERENCES = f"""
select {USAGE_KEY}, old_quantity, old_cost, old_benchmark, old_unpriced,
    new_quantity, new_cost, new_benchmark, new_unpriced
from compared where is_different"""  # noqa: S608  no user input
_SELECT_METRIC_DIFFERENCES = """
union all
select organization_id, day, null, meter, null, null, old, 0, 0, 0, new, 0, 0, 0
from metric"""

# Prices do not change quantities: at current prices daily metrics are not compared.
_STATEMENTS = {
    PriceBasis.CURRENT: comparison(PriceBasis.CURRENT) + _SELECT_DIFFERENCES,
    PriceBasis.RECORDED: comparison(PriceBasis.RECORDED)
    + _COMPARED_METRICS
    + _SELECT_DIFFERENCES
    + _SELECT_METRIC_DIFFERENCES,
}


def list_differences(scope: RecomputeScope) -> list[UsageDifference]:
    """Return how daily usage differs from its events at recorded prices, sorted by key.

    Blocks no recording. Costs a read of the events of these organizations and days.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _STATEMENTS[PriceBasis.RECORDED] + _ORDER_BY_KEY,
            scope.parameters,
        )
        return [_difference(row) for row in cursor.fetchall()]


_ORDER_BY_KEY = "\norder by 1, 2, 3, 4, 5, 6"


def _difference(row: Sequence[Any]) -> UsageDifference:
    recorded, recomputed = _amounts(row[6:10]), _amounts(row[10:14])
    id_, day, product, meter, project_id, period = row[:6]
    return UsageDifference(
        id_, day, product, meter, project_id, period, recorded, recomputed
    )


def _amounts(row: Sequence[Any]) -> Amounts | None:
    if row[0] is None:
        return None
    quantity, cost, benchmark_cost, unpriced = row
    return Amounts(int(quantity), cost, benchmark_cost, int(unpriced))


# A temporary table, private to the connection. It is emptied at commit, and also here,
# because several batches can run in one transaction of the caller.
_RESET_DIFFERENCE_TABLE = """
create temporary table if not exists usage_difference (
    organization_id bigint, day date, product text, meter text, project_id bigint,
    period integer, old_quantity numeric, old_cost numeric, old_benchmark numeric,
    old_unpriced numeric, new_quantity numeric, new_cost numeric, new_benchmark numeric,
    new_unpriced numeric
) on commit delete rows;
truncate usage_difference
"""


def lock_corrections(white_label: WhiteLabel) -> None:
    """Begin a batch: wait until no other correction of the white label is running.

    Raises `OperationalError` (SQLSTATE 55P03) after 120 s.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SET_LOCK_TIMEOUT)
        cursor.execute(LOCK_CORRECTIONS, [lock_key(white_label.pk)])


def reset_difference_table() -> None:
    """Create or empty `usage_difference`, which `apply_differences` reads."""
    with connection.cursor() as cursor:
        cursor.execute(_RESET_DIFFERENCE_TABLE)


def store_differences(scope: RecomputeScope, prices: PriceBasis) -> list[int]:
    """Compare, and store the differences for `apply_differences`.

    Returns the IDs of the organizations that differ, sorted.
    """
    reset_difference_table()
    with connection.cursor() as cursor:
        statement = "insert into usage_difference" + _STATEMENTS[prices]
        cursor.execute(statement, scope.parameters)
        if not cursor.rowcount:
            return []
        cursor.execute("analyze usage_difference")
        cursor.execute(
            "select distinct organization_id from usage_difference order by 1"
        )
        return [id_ for (id_,) in cursor.fetchall()]


def list_stored_differences() -> list[UsageDifference]:
    """Return the rows of `usage_difference`, sorted by key."""
    with connection.cursor() as cursor:
        cursor.execute("table usage_difference" + _ORDER_BY_KEY)
        return [_difference(row) for row in cursor.fetchall()]


def block_recording(white_label: WhiteLabel, organization_ids: Sequence[int]) -> None:
    """Block recording of these organizations until commit.

    Waits for recordings in flight. An organization without an open period gets one, so
    that there is a row to lock.
    """
    with connection.cursor() as cursor:
        own = {"white_label": lock_key(white_label.pk)}
        cursor.execute(LOCK_PRICE_BOOK_SHARED, own)
        cursor.execute(_LOCK_PERIODS, [list(organization_ids)])
        if cursor.rowcount < len(organization_ids):
            open_first_periods(organization_ids)
            cursor.execute(_LOCK_PERIODS, [list(organization_ids)])


def _delta(name: str) -> str:
    return f"coalesce(x.new_{name}, 0) - coalesce(x.old_{name}, 0)"


_INSERT_PENDING_USAGE = f"""
insert into metrics_pendingusage ({USAGE_KEY}, quantity, cost, benchmark_cost,
    unpriced_quantity)
select {USAGE_KEY}, {_delta("quantity")}, {_delta("cost")}, {_delta("benchmark")},
    {_delta("unpriced")}
from usage_difference x where product is not null order by 1, 2, 3, 4, 5, 6
"""  # noqa: S608  no user input

# Rows without events are 0 by now and are deleted, unless an event with quantity 0 was
# recorded after the comparison: such an event has a row.
_DELETE_ROWS_WITHOUT_EVENTS = f"""
delete from metrics_dailyusage d using usage_difference x
where x.product is not null and x.new_quantity is null
    and d.organization_id = x.organization_id and d.day = x.day
    and d.product = x.product and d.meter = x.meter and d.project_id = x.project_id
    and d.period = x.period
    and (d.quantity, d.cost, d.benchmark_cost, d.unpriced_quantity) = (0, 0, 0, 0)
    and not exists (
        select from metrics_usageevent e where e.organization_id = d.organization_id
        and e.at >= %(from)s and e.at < %(until)s
        and (e.at at time zone %(zone)s)::date = d.day and e.product = d.product
        and e.project_id = d.project_id and e.period = d.period
        and e.quantities ? d.meter and not {pricing.IS_VOIDED})
"""  # noqa: S608  no user input


def _merge_daily_metrics() -> str:
    """Return the statement that adds the differences of daily metrics.

    `merge`, because a reduction cannot be inserted: constraints of the row to insert
    are checked before a conflict is found. The repeated condition on `%(ids)s` lets the
    planner read only the rows of these organizations.
    """
    columns = list(DAILY_METRICS.values())
    sums = ", ".join(
        f"coalesce(sum({_delta('quantity')}) filter (where x.meter = '{meter}'), 0)"
        f" as {column}"
        for meter, column in DAILY_METRICS.items()
    )
    updates = ", ".join(f"{column} = d.{column} + x.{column}" for column in columns)
    return f"""
merge into metrics_dailymetric d
using (
    select x.organization_id, x.day, {sums}
    from usage_difference x where x.product is null group by 1, 2 order by 1, 2
) x on d.organization_id = any(%(ids)s) and d.organization_id = x.organization_id
    and d.day = x.day
when matched then update set {updates}
when not matched then insert (organization_id, day, {", ".join(columns)})
values (x.organization_id, x.day, {", ".join(f"x.{c}" for c in columns)})
"""  # noqa: S608  names come from our own catalog


# Readers cache by the usage version: a correction of daily metrics must raise it, too.
_RAISE_USAGE_VERSION = """
update metrics_organizationranking set rolled_up_changes = rolled_up_changes + 1
where organization_id in (
    select organization_id from usage_difference where product is null)
"""
_INSERT_PENDING_FLEET_USAGE = f"""
insert into metrics_pendingfleetusage (white_label_id, day, product, meter, quantity,
    cost, benchmark_cost, unpriced_quantity)
select %(white_label)s, day, product, meter, sum({_delta("quantity")}),
    sum({_delta("cost")}), sum({_delta("benchmark")}), sum({_delta("unpriced")})
from usage_difference x where product is not null group by 2, 3, 4 order by 2, 3, 4
"""  # noqa: S608  no user input
# Inserted by the first batch of the command, increased by the others.
_UPSERT_CORRECTION = f"""
insert into metrics_correction as c (id, white_label_id, kind, by, note, started_at,
    idempotency_key, arguments, organizations, rows, cost)
select %(correction)s, %(white_label)s, %(kind)s, %(by)s, %(note)s, %(started_at)s,
    %(key)s, %(arguments)s, count(distinct organization_id), count(*),
    sum({_delta("cost")})
from usage_difference x
on conflict (id) do update set organizations = c.organizations + excluded.organizations,
    rows = c.rows + excluded.rows, cost = c.cost + excluded.cost
"""  # noqa: S608  no user input
# The first are rolled up before the others run, which read daily usage.
_BEFORE_ROLL_UP = (_INSERT_PENDING_USAGE, _INSERT_PENDING_FLEET_USAGE)
_AFTER_ROLL_UP = (
    _DELETE_ROWS_WITHOUT_EVENTS,
    _merge_daily_metrics(),
    _RAISE_USAGE_VERSION,
    _UPSERT_CORRECTION,
)


def apply_differences(scope: RecomputeScope, correction: CorrectionSpec) -> None:
    """Add the stored differences to daily usage, metrics, totals, and the correction.

    Call `block_recording` before. Rolls up the organizations, so that the correction
    is complete at commit. Raises `IntegrityError` when a sum would become negative.
    """
    parameters = scope.parameters | {
        "correction": correction.id,
        "kind": correction.kind,
        "by": correction.by,
        "note": correction.note,
        "started_at": correction.started_at,
        "key": correction.idempotency_key,
        "arguments": correction.arguments,
    }
    with connection.cursor() as cursor:
        for statement in _BEFORE_ROLL_UP:
            cursor.execute(statement, parameters)
        roll_up_organizations(scope.organization_ids)
        for statement in _AFTER_ROLL_UP:
            cursor.execute(statement, parameters)


def finish_correction(correction: CorrectionSpec) -> None:
    """Mark the correction as finished; one that changed nothing has no row."""
    Correction.objects.filter(pk=correction.id).update(finished_at=timezone.now())
