"""Voiding usage that should not have been recorded.

Events are never deleted. Each voided event gets a `UsageVoid` row, in one transaction
with its removal from daily usage, daily metrics, fleet totals, and rankings. That is
for the open period only: usage of invoiced periods stays as billed and is refunded by a
credit.

A range is voided in batches, each a transaction. After a killed run, the next one
continues with the events that are not voided yet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction

from metrics.catalog import DAILY_METRICS, STORAGE_METER
from metrics.commands import recompute
from metrics.commands.recompute import CorrectionSpec, RecomputeScope
from metrics.errors import EventsNotStored, UsageDiffers
from metrics.models import Correction
from metrics.periods import DayRange
from metrics.queries import pricing
from metrics.queries.voids import IS_IN_RANGE, REFUNDS, UsageRange
from metrics.signals import usage_recorded
from orgs.days import ONE_DAY, day_of
from orgs.models import Organization, WhiteLabel

BATCH = 5_000  # events; blocks the organization's recordings for about 0.2 s

VOID = Correction.Kind.VOID
EventCursor = tuple[str, str]  # event ID and timestamp; a batch begins after it
BEFORE_FIRST: EventCursor = ("", "-infinity")


@dataclass(frozen=True, slots=True)
class VoidedBatch:
    """A voided batch: its number of events, costs by period, and last event."""

    events: int
    costs: dict[int, Decimal]
    last: EventCursor

    @property
    def cost(self) -> Decimal:
        """The cost of all periods together."""
        return sum(self.costs.values(), Decimal(0))


def void_correction(*, by: str, note: str, key: str = "") -> CorrectionSpec:
    """Return the author and reason for voiding a range, for all its batches.

    Voiding under a `key` that was used before goes on with that correction; what it
    did is not done again.
    """
    return CorrectionSpec(VOID, by=by, note=note, key=key)


def void_usage(
    usage_range: UsageRange, *, correction: CorrectionSpec, limit: int = BATCH
) -> Iterator[VoidedBatch]:
    """Void the range's events of the open period; yield each batch once committed.

    Events of closed periods are skipped; `preview_void` counts them beforehand. Raises
    `EventsNotStored` for a range that begins in a dropped month.
    """
    after = BEFORE_FIRST
    while True:
        with transaction.atomic():
            voided = _void_batch(usage_range, correction, limit, after)
        if voided is None:
            return
        after = voided.last
        ids = [usage_range.organization.pk]
        usage_recorded.send_robust(WhiteLabel, organization_ids=ids)
        yield voided


@transaction.atomic
def credit_usage(
    usage_range: UsageRange,
    *,
    correction: CorrectionSpec,
    limit: int = BATCH,
    after: EventCursor = BEFORE_FIRST,
) -> VoidedBatch | None:
    """Mark a batch of the range's events of closed periods as credited.

    Returns None when none are left. Daily usage stays as it was billed. Call it inside
    the transaction that grants the credit, so that both are written or neither.
    """
    _begin(usage_range)
    if not _select_batch(usage_range, limit, _CLOSED, after):
        return None
    voided = _voided_batch()
    _credit_selected(_scope(usage_range), correction)
    costs = _subtract_refunds(voided.costs, usage_range.organization, correction)
    return replace(voided, costs=costs)


# What is credited with its events is no longer a separate refund.
_TAKE_REFUNDS_BACK = f"""
with taken as (
    select s.day, s.period, least(s.quantity, r.quantity) as quantity,
        least(s.cost, r.cost) as cost
    from (
        select day, period, sum(quantity) as quantity, sum(cost) as cost
        from void_sum where meter = '{STORAGE_METER}' group by 1, 2) s
    join ({REFUNDS}) r using (day, period)
    where r.quantity > 0
), inserted as (
    insert into metrics_storagerefund as d (organization_id, day, period,
        correction_id, quantity, cost)
    select %(id)s, day, period, %(correction)s, -quantity, -cost from taken
    order by day, period
    on conflict (organization_id, day, period, correction_id) do update set
        quantity = d.quantity + excluded.quantity, cost = d.cost + excluded.cost
)
select period, sum(cost) from taken group by 1
"""  # noqa: S608  ours


def _subtract_refunds(
    costs: dict[int, Decimal], organization: Organization, correction: CorrectionSpec
) -> dict[int, Decimal]:
    """Return the batch's costs less what was refunded of its stored bytes before."""
    parameters: dict[str, Any] = {"id": organization.pk, "correction": correction.id}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_REFUNDS_BACK, parameters)
        refunded = dict(cursor.fetchall())
    return {number: cost - refunded.get(number, 0) for number, cost in costs.items()}


def _void_batch(
    usage_range: UsageRange, correction: CorrectionSpec, limit: int, after: EventCursor
) -> VoidedBatch | None:
    organization = usage_range.organization
    _begin(usage_range)
    recompute.block_recording(organization.white_label, [organization.pk])
    if not _select_batch(usage_range, limit, _OPEN, after):
        return None
    voided = _voided_batch()
    _void_selected(_scope(usage_range), correction)
    return voided


def _credit_selected(scope: RecomputeScope, correction: CorrectionSpec) -> None:
    """Mark the selected events as credited, without a change of daily usage."""
    parameters = _correction_parameters(correction, scope)
    _execute(_INSERT_CORRECTION, parameters)
    _execute(_INSERT_VOIDS, parameters | {"credited": True})
    if _execute(_SELECT_CARRIED, {}):
        _return_carried(scope, correction)


# Whether usage of the credited events is carried into the open period.
_SELECT_CARRIED = """
select 1 from void_sum s join metrics_openperiod p
    on p.organization_id = s.organization_id and p.number = s.period limit 1
"""
# What was carried counts in a closed period again, now that the events are credited.
_INSERT_RETURNED = f"""
insert into usage_difference (organization_id, day, product, meter, project_id, period,
    old_quantity, old_cost, old_benchmark, old_unpriced, new_quantity, new_cost,
    new_benchmark, new_unpriced)
{pricing.priced_sums("table void_event")}
select organization_id, day, product, meter, project_id, period, s.quantity, s.cost,
    s.benchmark_cost, s.unpriced, n.quantity, n.cost, n.benchmark_cost, n.unpriced
from void_sum s full join summed n using (organization_id, day, product, meter,
    project_id, period)
where (s.quantity, s.cost, s.benchmark_cost, s.unpriced) is distinct from
    (n.quantity, n.cost, n.benchmark_cost, n.unpriced)
"""  # noqa: S608  no user input


def _return_carried(scope: RecomputeScope, correction: CorrectionSpec) -> None:
    """Take unpriced usage of the credited events out of the open period."""
    organization_ids = list(scope.organization_ids)
    recompute.block_recording(scope.white_label, organization_ids)
    recompute.reset_difference_table()
    _execute(_INSERT_RETURNED, scope.parameters)
    recompute.apply_differences(scope, correction)


def _void_selected(scope: RecomputeScope, correction: CorrectionSpec) -> None:
    """Void the selected events and take them out of daily usage."""
    parameters = _correction_parameters(correction, scope)
    _execute(_INSERT_VOIDS, parameters | {"credited": False})
    recompute.reset_difference_table()
    _execute(_INSERT_DIFFERENCES, {"meters": list(DAILY_METRICS)})
    try:
        recompute.apply_differences(scope, correction)
    except IntegrityError:
        raise UsageDiffers(
            "Daily usage differs from its events. Run rebuild_days to correct it."
        ) from None


def void_open_events(
    organization: Organization,
    event_ids: Sequence[str],
    days: DayRange,
    *,
    correction: CorrectionSpec,
) -> dict[date, int]:
    """Void events of the open period by ID; return their quantities by day.

    Skips events that are voided or of closed periods. Runs in the caller's transaction,
    after `recompute.lock_corrections` and `recompute.lock_months`.
    """
    scope = RecomputeScope(organization.white_label, [organization.pk], days)
    recompute.block_recording(organization.white_label, [organization.pk])
    with connection.cursor() as cursor:
        cursor.execute(_RESET_BATCH_TABLES)
    parameters = scope.parameters | {"id": organization.pk, "events": list(event_ids)}
    if not _execute(_SELECT_OPEN_EVENTS, parameters):
        return {}
    _execute(_INSERT_SUMS, parameters)
    _void_selected(scope, correction)
    with connection.cursor() as cursor:
        cursor.execute("select day, sum(quantity) from void_sum group by 1 order by 1")
        return {day: int(quantity) for day, quantity in cursor.fetchall()}


_SELECT_OPEN_EVENTS = """
insert into void_event
select e.organization_id, e.event_id, e.at, e.product, e.project_id, e.quantities,
    e.period, e.price_version
from metrics_usageevent e
where e.organization_id = %(id)s and e.event_id = any(%(events)s)
    and e.at >= %(from)s and e.at < %(until)s
    and e.period = (
        select number from metrics_openperiod where organization_id = %(id)s)
    and not exists (
        select from metrics_usagevoid v where v.organization_id = e.organization_id
        and v.event_id = e.event_id and v.at = e.at)
"""


def _begin(usage_range: UsageRange) -> None:
    """Take the locks of a batch; raise `EventsNotStored` where events were dropped."""
    recompute.lock_corrections(usage_range.organization.white_label)
    months = recompute.lock_months()
    if not months or usage_range.start < months[0].start:
        oldest = f"{months[0].start:%F}" if months else "never"
        raise EventsNotStored(
            f"Events before {oldest} (UTC) are no longer stored.", fields=("from",)
        )


# Temporary tables of a batch, private to the connection: its events, and their sums by
# the key of daily usage. Emptied at commit, and here for the caller's next batch.
_RESET_BATCH_TABLES = """
create temporary table if not exists void_event (
    organization_id bigint, event_id text, at timestamptz, product text,
    project_id bigint, quantities jsonb, period integer, price_version integer
) on commit delete rows;
create temporary table if not exists void_sum (
    organization_id bigint, day date, product text, meter text, project_id bigint,
    period integer, quantity numeric, cost numeric, benchmark_cost numeric,
    unpriced numeric
) on commit delete rows;
truncate void_event, void_sum
"""

_OPEN, _CLOSED = "=", "<>"  # compares an event's period with the open one


def _select_batch(
    usage_range: UsageRange, limit: int, period: str, after: EventCursor
) -> int:
    """Store the next events and their sums; return the number of events.

    Ordered by event ID and timestamp, so that the primary key's index is used.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RESET_BATCH_TABLES)
    count = _execute(
        f"""
        insert into void_event
        select e.organization_id, e.event_id, e.at, e.product, e.project_id,
            e.quantities, e.period, e.price_version
        from metrics_usageevent e
        where {IS_IN_RANGE}
            and (e.event_id, e.at) > (%(after)s, %(after_at)s::timestamptz)
            and e.period {period} (
            select number from metrics_openperiod where organization_id = %(id)s)
        order by e.event_id, e.at limit %(limit)s
        """,  # noqa: S608  no user input
        usage_range.parameters
        | {"limit": limit, "after": after[0], "after_at": after[1]},
    )
    if count:
        _execute(_INSERT_SUMS, usage_range.parameters)
    return count


# At the prices that the events were recorded or re-rated with.
_INSERT_SUMS = f"""
insert into void_sum
{pricing.priced_sums("table void_event")}
select organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced from summed
"""  # noqa: S608  no user input

_INSERT_VOIDS = """
insert into metrics_usagevoid (organization_id, event_id, at, period, open_period,
    is_credited, correction_id, voided_at)
select organization_id, event_id, at, period, p.number, %(credited)s, %(correction)s,
    %(now)s
from void_event join metrics_openperiod p using (organization_id) order by 1, 2, 3
"""

# As if comparing had found it: recorded usage that no event makes any more. The second
# half is for the daily metrics.
_INSERT_DIFFERENCES = """
insert into usage_difference (organization_id, day, product, meter, project_id, period,
    old_quantity, old_cost, old_benchmark, old_unpriced)
select organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced
from void_sum
union all
select organization_id, day, null, meter, null, null, sum(quantity), 0, 0, 0
from void_sum where meter = any(%(meters)s) group by 1, 2, 4 having sum(quantity) <> 0
"""

# Counts only the organization: a credit changes no rows and no costs.
_INSERT_CORRECTION = """
insert into metrics_correction (id, white_label_id, kind, by, note, started_at,
    idempotency_key, arguments, organizations, rows, cost)
values (%(correction)s, %(white_label)s, %(kind)s, %(by)s, %(note)s, %(started_at)s,
    %(key)s, %(arguments)s, 1, 0, 0)
on conflict (id) do nothing
"""


def _voided_batch() -> VoidedBatch:
    """Return the stored batch: its last event, number of events, and costs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select event_id, at::text, count(*) over () from void_event"
            " order by event_id desc, at desc limit 1"
        )
        event_id, at, events = cursor.fetchone()
        cursor.execute("select period, sum(cost) from void_sum group by 1 order by 1")
        return VoidedBatch(events, dict(cursor.fetchall()), (event_id, at))


def _scope(usage_range: UsageRange) -> RecomputeScope:
    """Return the days of the stored batch's events."""
    label = usage_range.organization.white_label
    with connection.cursor() as cursor:
        cursor.execute("select min(at), max(at) from void_event")
        first, last = cursor.fetchone()
    days = DayRange(day_of(first, label.zone), day_of(last, label.zone) + ONE_DAY)
    return RecomputeScope(label, [usage_range.organization.pk], days)


def _correction_parameters(
    correction: CorrectionSpec, scope: RecomputeScope
) -> dict[str, Any]:
    return {
        "correction": correction.id,
        "white_label": scope.white_label.pk,
        "kind": correction.kind,
        "by": correction.by,
        "note": correction.note,
        "started_at": correction.started_at,
        "key": correction.idempotency_key,
        "arguments": correction.arguments,
        "now": correction.started_at,
    }


def _execute(statement: str, parameters: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)
