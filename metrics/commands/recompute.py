"""Daily usage computed again from the events, compared, and corrected by differences.

A cost is computed again exactly: an event carries the period it fell into and the
version of the price book it was priced with, and rates are never changed in place. A
period that was re-rated is priced with the version it was re-rated to; see
`PeriodRepricing`.

One statement reads events and sums in one snapshot, so comparing waits for nobody. A
correction is written as what the two differ by, never as a new sum: usage recorded
since is in both or in neither, so recordings wait only while differences are written.
That holds as long as the days differ by nothing but recordings, hence the locks:

1. corrections of a white label, one at a time: each would add the same difference;
2. the events table, so that no month is dropped between asking for it and reading it;
3. after comparing, in the order of recording: the price book, then the open periods.
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
from metrics.commands import statements
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

CORRECTION_LOCK = "select pg_advisory_xact_lock(hashtext('usage corrections'), %s)"
# Waits for recordings in flight, and for another correction's batch.
_LOCK_WAIT = "set local lock_timeout = '120s'"
_KEEP_MONTHS = "lock table metrics_usageevent in access share mode"
_LOCK_PERIODS = """
select 1 from metrics_openperiod where organization_id = any(%s)
order by organization_id for no key update
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which sums are computed again: organizations of one white label, and days."""

    white_label: WhiteLabel
    organization_ids: Sequence[int]
    days: DayRange

    @property
    def parameters(self) -> dict[str, Any]:
        """A zone is less than a day from UTC: a day more at both ends has all events.

        Which day an event is of, PostgreSQL says.
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
class Difference:
    """A sum that is not what its events make; null is a row that is not there.

    Of daily usage, or of the daily metrics when `product` is null: then only the
    quantities of `meter` say something.
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
    """Who corrects, and why; kept with what came of it. One for a whole command."""

    kind: CorrectionKind
    by: str
    note: str
    started_at: datetime = field(default_factory=timezone.now)
    id: UUID = field(default_factory=uuid4)


class Prices(StrEnum):
    """Which price book an event is priced with."""

    RECORDED = "greatest(e.price_version, coalesce(r.version, 0))"
    TODAY = "(select version from book)"


def keep_months() -> list[EventPartition]:
    """The months of events; none is dropped until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_MONTHS)
    return list_event_partitions()


# --- comparing --------------------------------------------------------------------

_PERIODS = {
    Prices.RECORDED: "",
    Prices.TODAY: "join metrics_openperiod p on p.organization_id = {0}.organization_id"
    " and p.number = {0}.period",
}


def paired(prices: Prices) -> str:
    """From `with` to the expression `paired`: sums as recorded beside recomputed ones.

    All periods at the prices of recording, or the open one at today's. `old_…` null is
    a sum that is not recorded, `new_…` null one that no event makes.
    """
    return f"""
with book as materialized (
    select coalesce(max(version), 0) as version from metrics_pricebook
    where white_label_id = %(white_label)s
), rerated as materialized (
    select organization_id, period, max(price_version) as version
    from metrics_periodrepricing where organization_id = any(%(ids)s) group by 1, 2
), quantity as materialized (
    select e.organization_id, (e.at at time zone %(zone)s)::date as day, e.product,
        q.key as meter, e.project_id, e.period, e.at, q.value::bigint as quantity,
        {prices} as version
    from metrics_usageevent e {_PERIODS[prices].format("e")}
    left join rerated r on r.organization_id = e.organization_id
        and r.period = e.period
    cross join lateral jsonb_each(e.quantities) q
    where e.organization_id = any(%(ids)s) and e.at >= %(from)s and e.at < %(until)s
        and (e.at at time zone %(zone)s)::date >= %(start)s
        and (e.at at time zone %(zone)s)::date < %(end)s
        and not {pricing.IS_VOIDED}
), {pricing.PRICED_SUMS}, recorded as (
    select {", ".join(f"d.{name}" for name in USAGE_KEY.split(", "))},
        sum(d.quantity) as quantity, sum(d.cost) as cost,
        sum(d.benchmark_cost) as benchmark_cost,
        sum(d.unpriced_quantity) as unpriced_quantity
    from metrics_usage d {_PERIODS[prices].format("d")}
    where d.organization_id = any(%(ids)s)
        and d.day >= %(start)s and d.day < %(end)s
    group by 1, 2, 3, 4, 5, 6
), paired as (
    select {USAGE_KEY}, d.quantity as old_quantity, d.cost as old_cost,
        d.benchmark_cost as old_benchmark, d.unpriced_quantity as old_unpriced,
        s.quantity as new_quantity, s.cost as new_cost,
        s.benchmark_cost as new_benchmark, s.unpriced as new_unpriced,
        (d.quantity, d.cost, d.benchmark_cost, d.unpriced_quantity) is distinct from
        (s.quantity, s.cost, s.benchmark_cost, s.unpriced) as is_different
    from recorded d full join summed s using ({USAGE_KEY})
)"""  # noqa: S608  ours


_METRIC_ROWS = ", ".join(f"('{m}', d.{column})" for m, column in DAILY_METRICS.items())

# A daily metric that is not there is 0: people alone make rows, too.
_METRICS = f"""
, counted as (
    select organization_id, day, meter, sum(quantity) as quantity
    from summed where meter = any(%(meters)s) group by 1, 2, 3
), kept as (
    select d.organization_id, d.day, v.meter, v.quantity
    from metrics_dailymetric d cross join lateral (values {_METRIC_ROWS}) v
        (meter, quantity)
    where d.organization_id = any(%(ids)s)
        and d.day >= %(start)s and d.day < %(end)s
), metric as (
    select organization_id, day, meter, k.quantity as old, c.quantity as new
    from kept k full join counted c using (organization_id, day, meter)
    where coalesce(k.quantity, 0) <> coalesce(c.quantity, 0)
)"""  # noqa: S608  ours

_DIFFERENCES = f"""
select {USAGE_KEY}, old_quantity, old_cost, old_benchmark, old_unpriced,
    new_quantity, new_cost, new_benchmark, new_unpriced
from paired where is_different"""  # noqa: S608  ours
_METRIC_DIFFERENCES = """
union all
select organization_id, day, null, meter, null, null, old, 0, 0, 0, new, 0, 0, 0
from metric"""

_STATEMENTS = {
    Prices.TODAY: paired(Prices.TODAY) + _DIFFERENCES,
    Prices.RECORDED: paired(Prices.RECORDED)
    + _METRICS
    + _DIFFERENCES
    + _METRIC_DIFFERENCES,
}


def differences(scope: Scope) -> list[Difference]:
    """What differs from its events at the prices of recording; sorted, waits for none.

    Costs a read of the events of these organization-days.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _STATEMENTS[Prices.RECORDED] + _SORTED,
            scope.parameters,
        )
        return [_difference(row) for row in cursor.fetchall()]


_SORTED = "\norder by 1, 2, 3, 4, 5, 6"


def _difference(row: Sequence[Any]) -> Difference:
    recorded, recomputed = _amounts(row[6:10]), _amounts(row[10:14])
    id_, day, product, meter, project_id, period = row[:6]
    return Difference(
        id_, day, product, meter, project_id, period, recorded, recomputed
    )


def _amounts(row: Sequence[Any]) -> Amounts | None:
    if row[0] is None:
        return None
    quantity, cost, benchmark_cost, unpriced = row
    return Amounts(int(quantity), cost, benchmark_cost, int(unpriced))


# --- correcting -------------------------------------------------------------------

# Emptied at commit, and here too: in a caller's transaction the last batch is still in.
_CREATE = """
create temporary table if not exists usage_difference (
    organization_id bigint, day date, product text, meter text, project_id bigint,
    period integer, old_quantity numeric, old_cost numeric, old_benchmark numeric,
    old_unpriced numeric, new_quantity numeric, new_cost numeric, new_benchmark numeric,
    new_unpriced numeric
) on commit delete rows;
truncate usage_difference
"""


def lock_corrections(white_label: WhiteLabel) -> None:
    """Begin a batch: one correction of a white label at a time."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_WAIT)
        cursor.execute(CORRECTION_LOCK, [white_label.pk % 2**31])


def clear_differences() -> None:
    """Make room for a batch's, `usage_difference`."""
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)


def note_differences(scope: Scope, prices: Prices) -> list[int]:
    """Compare, and keep what differs for `correct`; answers whose it is, sorted."""
    clear_differences()
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


def list_noted() -> list[Difference]:
    with connection.cursor() as cursor:
        cursor.execute("table usage_difference" + _SORTED)
        return [_difference(row) for row in cursor.fetchall()]


def stop_recording(white_label: WhiteLabel, organization_ids: Sequence[int]) -> None:
    """Wait for recordings in flight, and let none of these begin until commit."""
    with connection.cursor() as cursor:
        own = {"white_label": white_label.pk % 2**31}
        cursor.execute(statements.LOCK_PRICES, own)
        cursor.execute(_LOCK_PERIODS, [list(organization_ids)])
        if cursor.rowcount < len(organization_ids):
            open_first_periods(organization_ids)
            cursor.execute(_LOCK_PERIODS, [list(organization_ids)])


def _delta(name: str) -> str:
    return f"coalesce(x.new_{name}, 0) - coalesce(x.old_{name}, 0)"


_APPEND_USAGE = f"""
insert into metrics_pendingusage ({USAGE_KEY}, quantity, cost, benchmark_cost,
    unpriced_quantity)
select {USAGE_KEY}, {_delta("quantity")}, {_delta("cost")}, {_delta("benchmark")},
    {_delta("unpriced")}
from usage_difference x where product is not null order by 1, 2, 3, 4, 5, 6
"""  # noqa: S608  ours

# A sum that no event makes goes, unless one of quantity 0 was recorded meanwhile.
_DELETE_USAGE = f"""
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
"""  # noqa: S608  ours


def _merge_metrics() -> str:
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


# Readers ask whether anything is not as it was: a metric's correction counts, too.
_COUNT = """
update metrics_organizationranking set rolled_up_changes = rolled_up_changes + 1
where organization_id in (
    select organization_id from usage_difference where product is null)
"""
_APPEND_FLEET = f"""
insert into metrics_pendingfleetusage (white_label_id, day, product, meter, quantity,
    cost,
    benchmark_cost, unpriced_quantity)
select %(white_label)s, day, product, meter, sum({_delta("quantity")}),
    sum({_delta("cost")}), sum({_delta("benchmark")}), sum({_delta("unpriced")})
from usage_difference x where product is not null group by 2, 3, 4 order by 2, 3, 4
"""  # noqa: S608  ours
_LEDGER = f"""
insert into metrics_correction as c (id, white_label_id, kind, by, note, started_at,
    organizations, rows, cost)
select %(correction)s, %(white_label)s, %(kind)s, %(by)s, %(note)s, %(started_at)s,
    count(distinct organization_id), count(*), sum({_delta("cost")})
from usage_difference x
on conflict (id) do update set organizations = c.organizations + excluded.organizations,
    rows = c.rows + excluded.rows, cost = c.cost + excluded.cost
"""  # noqa: S608  ours
_APPEND = (_APPEND_USAGE, _APPEND_FLEET)
_CORRECT = (_DELETE_USAGE, _merge_metrics(), _COUNT, _LEDGER)


def correct(scope: Scope, correction: CorrectionSpec) -> None:
    """Write what was noted to sums, changes and ledger; recording must be stopped."""
    parameters = scope.parameters | {
        "correction": correction.id,
        "kind": correction.kind,
        "by": correction.by,
        "note": correction.note,
        "started_at": correction.started_at,
    }
    with connection.cursor() as cursor:
        for statement in _APPEND:
            cursor.execute(statement, parameters)
        roll_up_organizations(scope.organization_ids)
        for statement in _CORRECT:
            cursor.execute(statement, parameters)


def finish_correction(correction: CorrectionSpec) -> None:
    """Mark it done; an act that corrected nothing has left no row, and leaves none."""
    Correction.objects.filter(pk=correction.id).update(finished_at=timezone.now())
