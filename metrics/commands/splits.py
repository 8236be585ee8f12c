"""Splitting a billing period where terms changed: later usage moves to the next one.

An event belongs to the period it was recorded into. When terms change at an instant
that Orgdesk learns of later, the events of that instant and after it move to the next
period, with their costs, so that each part has its own terms. Sums of days and of the
fleet stay the same.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from metrics.commands import recompute
from metrics.commands.recompute import CorrectionSpec, RecomputeScope, finish_correction
from metrics.models import Correction
from metrics.periods import DayRange
from metrics.queries import pricing
from orgs.days import ONE_DAY, day_of
from orgs.models import Organization

_AUTHOR = "Orgdesk"


@dataclass(frozen=True, slots=True)
class PeriodSplit:
    """The period of an organization that is split, and from when on usage moves."""

    organization: Organization
    period: int
    at: datetime

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the statements, by name."""
        label = self.organization.white_label
        return {
            "id": self.organization.pk,
            "ids": [self.organization.pk],
            "white_label": label.pk,
            "zone": label.time_zone,
            "period": self.period,
            "at": self.at,
        }


def lock_for_split(organization: Organization) -> None:
    """Take the locks of a correction, which come before those of open periods."""
    recompute.lock_corrections(organization.white_label)
    recompute.lock_months()


def has_usage_before(organization_id: int, period: int, at: datetime) -> bool:
    """Return whether a period has events from before an instant.

    Reads the organization's events of that period until the first one is found.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HAS_EARLIER, [organization_id, period, at])
        return bool(cursor.fetchone()[0])


_HAS_EARLIER = """
select exists (select from metrics_usageevent
    where organization_id = %s and period = %s and at < %s)
"""


def move_later_usage(split: PeriodSplit) -> int:
    """Move a period's events from the instant on to the next period; return how many.

    Call it after `lock_for_split`, in the transaction that opens the next period. The
    correction that it leaves says how many rows moved; its cost is 0.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RESET_TABLES)
        cursor.execute(_SELECT_EVENTS, split.parameters)
        count = int(cursor.rowcount)
        if not count:
            return 0
        cursor.execute(_INSERT_SUMS, split.parameters)
        for statement in (_MOVE_EVENTS, _MOVE_VOIDS, _COPY_RERATINGS):
            cursor.execute(statement, split.parameters)
    _move_sums(split)
    return count


def _move_sums(split: PeriodSplit) -> None:
    """Move the daily usage of the moved events, as a correction."""
    recompute.reset_difference_table()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_DIFFERENCES, split.parameters)
        if not cursor.rowcount:
            return  # all of them are voided
        cursor.execute("select min(at), max(at) from moved_event")
        first, last = cursor.fetchone()
    label = split.organization.white_label
    days = DayRange(day_of(first, label.zone), day_of(last, label.zone) + ONE_DAY)
    note = f"Terms changed at {split.at:%F %T} UTC: later usage is in the next period."
    correction = CorrectionSpec(Correction.Kind.SPLIT, by=_AUTHOR, note=note)
    scope = RecomputeScope(label, [split.organization.pk], days)
    recompute.apply_differences(scope, correction)
    finish_correction(correction)


# Temporary tables, private to the connection and emptied at commit: the moved events,
# and the sums of those that count as usage, by the key of daily usage.
_RESET_TABLES = """
create temporary table if not exists moved_event (
    organization_id bigint, event_id text, at timestamptz, product text,
    project_id bigint, quantities jsonb, period integer, price_version integer,
    is_voided boolean
) on commit delete rows;
create temporary table if not exists moved_sum (
    organization_id bigint, day date, product text, meter text, project_id bigint,
    period integer, quantity numeric, cost numeric, benchmark_cost numeric,
    unpriced numeric
) on commit delete rows;
truncate moved_event, moved_sum
"""
# The condition on `at` prunes the months before the instant.
_SELECT_EVENTS = f"""
insert into moved_event
select e.organization_id, e.event_id, e.at, e.product, e.project_id, e.quantities,
    e.period, e.price_version, {pricing.IS_VOIDED}
from metrics_usageevent e
where e.organization_id = %(id)s and e.period = %(period)s and e.at >= %(at)s
"""  # noqa: S608  no user input
# Before the events move: they are priced by the version of the period they were in.
_INSERT_SUMS = f"""
insert into moved_sum
{pricing.priced_sums("select * from moved_event where not is_voided")}
select organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced from summed
"""  # noqa: S608  no user input
_MOVE_EVENTS = """
update metrics_usageevent set period = period + 1
where organization_id = %(id)s and period = %(period)s and at >= %(at)s
"""
_MOVE_VOIDS = """
update metrics_usagevoid set period = period + 1,
    open_period = greatest(open_period, period + 1)
where organization_id = %(id)s and period = %(period)s and at >= %(at)s
"""
# A re-rated period prices its events by the version of its re-rate: that holds for the
# moved ones in their new period, too.
_COPY_RERATINGS = """
insert into metrics_periodrerating (organization_id, period, correction_id,
    price_version, old_cost, new_cost)
select organization_id, period + 1, correction_id, price_version, 0, 0
from metrics_periodrerating where organization_id = %(id)s and period = %(period)s
order by 1, 2, 3 on conflict do nothing
"""
# Each sum leaves the period and arrives in the next one.
_INSERT_DIFFERENCES = """
insert into usage_difference (organization_id, day, product, meter, project_id, period,
    old_quantity, old_cost, old_benchmark, old_unpriced, new_quantity, new_cost,
    new_benchmark, new_unpriced)
select organization_id, day, product, meter, project_id, period,
    quantity, cost, benchmark_cost, unpriced, null, null, null, null
from moved_sum
union all
select organization_id, day, product, meter, project_id, period + 1,
    null, null, null, null, quantity, cost, benchmark_cost, unpriced
from moved_sum
"""
