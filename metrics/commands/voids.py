"""Usage that should not have been recorded: taken out of sums, never out of events.

A counter row for each event, in one transaction with everything that is without it
afterwards: daily usage and metrics, fleet totals, standings, costs. Only in the open
period: what was invoiced stays as billed, and is made good by a credit.

A range is done batch by batch, each a transaction: killed, the batches before are done,
and the next run goes on with what is not voided yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from django.db import IntegrityError, connection, transaction

from metrics.catalog import DAILY_METRICS
from metrics.commands import recompute
from metrics.commands.recompute import CorrectionSpec, Scope
from metrics.errors import EventsNotKept, UsageDiffers
from metrics.models import Correction
from metrics.models.daily import COST_DIGITS
from metrics.periods import DayRange
from metrics.queries import pricing
from metrics.queries.voids import IS_IN_RANGE, UsageRange
from metrics.signals import usage_recorded
from orgs.days import ONE_DAY, day_of
from orgs.models import WhiteLabel

BATCH = 5_000  # events; recordings of the organization wait for a batch: a fifth of a s


VOID = Correction.Kind.VOID
Key = tuple[str, str]  # event id and instant; a batch goes on after one
FIRST: Key = ("", "-infinity")


@dataclass(frozen=True, slots=True)
class Voided:
    """A batch: how many events, what they cost by period, and the last one's key."""

    events: int
    costs: dict[int, Decimal]
    last: Key

    @property
    def cost(self) -> Decimal:
        with localcontext(prec=COST_DIGITS + 12):
            return sum(self.costs.values(), Decimal(0))


def void_correction(*, by: str, note: str) -> CorrectionSpec:
    """Who voids, and why: one for all batches of a range."""
    return CorrectionSpec(VOID, by=by, note=note)


def void_usage(
    chosen: UsageRange, *, correction: CorrectionSpec, limit: int = BATCH
) -> Iterator[Voided]:
    """Void the range's events of the open period, batch by batch as it is iterated.

    Those of closed periods are left: `preview_void` tells of them beforehand. Raises
    `EventsNotKept` for a range that begins in a month that was dropped.
    """
    after = FIRST
    while True:
        with transaction.atomic():
            voided = _void_some(chosen, correction, limit, after)
        if voided is None:
            return
        after = voided.last
        ids = [chosen.organization.pk]
        usage_recorded.send_robust(WhiteLabel, organization_ids=ids)
        yield voided


@transaction.atomic
def credit_usage(
    chosen: UsageRange,
    *,
    correction: CorrectionSpec,
    limit: int = BATCH,
    after: Key = FIRST,
) -> Voided | None:
    """Mark a batch of the range's events of closed periods as made good; null: none.

    Sums stay as they were billed. To be called in the transaction that grants the
    credit, so that both are or neither is.
    """
    _begin(chosen)
    if not _choose(chosen, limit, _CLOSED, after):
        return None
    voided = _costs()
    _execute(_NOTE_ACT, _of(correction, chosen))
    _execute(_INSERT, _of(correction, chosen) | {"credited": True})
    return voided


def _void_some(
    chosen: UsageRange, correction: CorrectionSpec, limit: int, after: Key
) -> Voided | None:
    organization = chosen.organization
    _begin(chosen)
    recompute.stop_recording(organization.white_label, [organization.pk])
    if not _choose(chosen, limit, _OPEN, after):
        return None
    voided, scope = _costs(), _scope(chosen)
    _execute(_INSERT, _of(correction, chosen) | {"credited": False})
    recompute.clear_differences()
    _execute(_DIFFER, {"meters": list(DAILY_METRICS)})
    try:
        recompute.correct(scope, correction)
    except IntegrityError:
        raise UsageDiffers(
            "Daily usage differs from its events. Run rebuild_days to correct it."
        ) from None
    return voided


def _begin(chosen: UsageRange) -> None:
    recompute.lock_corrections(chosen.organization.white_label)
    months = recompute.keep_months()
    if not months or chosen.start < months[0].start:
        kept = f"{months[0].start:%F}" if months else "never"
        raise EventsNotKept(
            f"Events before {kept} (UTC) are no longer stored.", fields=("from",)
        )


# --- a batch ------------------------------------------------------------------------

_TABLES = """
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

_OPEN, _CLOSED = "=", "<>"


def _choose(chosen: UsageRange, limit: int, period: str, after: Key) -> int:
    """Note some events and their sums; answers how many. By key: an index has it."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
    found = _execute(
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
        """,  # noqa: S608  ours
        chosen.parameters | {"limit": limit, "after": after[0], "after_at": after[1]},
    )
    if found:
        _execute(_SUM, chosen.parameters)
    return found


_SUM = f"""
insert into void_sum
{pricing.price_events("table void_event")}
select organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced from summed
"""  # noqa: S608  ours

_INSERT = """
insert into metrics_usagevoid (organization_id, event_id, at, period, is_credited,
    correction_id, voided_at)
select organization_id, event_id, at, period, %(credited)s, %(correction)s, %(now)s
from void_event order by 1, 2, 3
"""

# As comparing would note it: what is recorded is too much by this.
_DIFFER = """
insert into usage_difference (organization_id, day, product, meter, project_id, period,
    old_quantity, old_cost, old_benchmark, old_unpriced)
select organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced
from void_sum
union all
select organization_id, day, null, meter, null, null, sum(quantity), 0, 0, 0
from void_sum where meter = any(%(meters)s) group by 1, 2, 4 having sum(quantity) <> 0
"""

_NOTE_ACT = """
insert into metrics_correction (id, white_label_id, kind, by, note, started_at,
    organizations, rows, cost)
values (%(correction)s, %(white_label)s, %(kind)s, %(by)s, %(note)s, %(started_at)s, 1,
    0, 0)
on conflict (id) do nothing
"""


def _costs() -> Voided:
    with connection.cursor() as cursor:
        cursor.execute(
            "select event_id, at::text, count(*) over () from void_event"
            " order by event_id desc, at desc limit 1"
        )
        event_id, at, events = cursor.fetchone()
        cursor.execute("select period, sum(cost) from void_sum group by 1 order by 1")
        return Voided(events, dict(cursor.fetchall()), (event_id, at))


def _scope(chosen: UsageRange) -> Scope:
    label = chosen.organization.white_label
    with connection.cursor() as cursor:
        cursor.execute("select min(at), max(at) from void_event")
        first, last = cursor.fetchone()
    days = DayRange(day_of(first, label.zone), day_of(last, label.zone) + ONE_DAY)
    return Scope(label, [chosen.organization.pk], days)


def _of(correction: CorrectionSpec, chosen: UsageRange) -> dict[str, Any]:
    return {
        "correction": correction.id,
        "white_label": chosen.organization.white_label_id,
        "kind": VOID,
        "by": correction.by,
        "note": correction.note,
        "started_at": correction.started_at,
        "now": correction.started_at,
    }


def _execute(statement: str, parameters: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)
