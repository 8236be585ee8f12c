"""Reads of the sync's health: the few counts that tiles and tabs show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from billing.models import Discrepancy, StripeEvent
from orgs.models import WhiteLabel
from orgs.models.work import Work
from orgs.sql import sql_list

MAX_COUNT = 1_000  # counting stops here
_LATE = timedelta(hours=25)  # syncs are scheduled every night


@dataclass(frozen=True, slots=True)
class SyncHealth:
    """The health of the sync of several white labels; counts end at `MAX_COUNT`.

    `synced_at` is the end of the last successful sync of the white label that was
    synced longest ago; null if none has been synced.
    """

    synced_at: datetime | None
    never_synced: int  # white labels without a successful sync
    failing: int  # white labels whose last run failed
    running: int  # white labels with an unfinished run
    resolvable: int  # open discrepancies that the next sync resolves
    warnings: int  # open discrepancies that only a person can resolve
    events_needing_action: int
    queued_events: int
    failed_jobs: int  # charges, actions and jobs whose retries are exhausted

    @property
    def open_discrepancies(self) -> int:
        return self.resolvable + self.warnings

    def is_late(self, now: datetime) -> bool:
        """Return whether the oldest successful sync is older than last night's run."""
        return self.synced_at is not None and now - self.synced_at > _LATE


def sync_health(
    white_labels: Sequence[WhiteLabel], *, include_unassigned: bool = False
) -> SyncHealth:
    """Return the health of the sync of these white labels.

    Runs one statement that reads partial indexes. `include_unassigned` also counts
    discrepancies and events that belong to no organization; only users with access to
    every white label may see them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _HEALTH,
            {
                "white_label_ids": [label.pk for label in white_labels],
                "include_unassigned": include_unassigned,
                "max_count": MAX_COUNT,
            },
        )
        return SyncHealth(*cursor.fetchone())


_UNFINISHED = (Work.State.PENDING, Work.State.RUNNING)
_NEEDS_ACTION = (StripeEvent.State.PARKED, StripeEvent.State.FAILED)
_QUEUED = (StripeEvent.State.PENDING, StripeEvent.State.RUNNING)
_WARNINGS = sql_list(Discrepancy.WARNINGS)
# Each count reads from a subquery with a limit: a backlog of a million rows costs no
# more than `MAX_COUNT` index entries.
_DISCREPANCIES = """(select count(*) from (
    select from billing_discrepancy d
    where d.resolved_at is null and {condition}
        and (d.white_label_id = any(%(white_label_ids)s)
            or (%(include_unassigned)s and d.white_label_id is null))
    limit %(max_count)s) counted)"""
_EVENTS = """(select count(*) from (
    select from billing_stripeevent e
    left join orgs_organization o on o.id = e.organization_id
    where e.state in {states} and (o.white_label_id = any(%(white_label_ids)s)
        or (%(include_unassigned)s and e.organization_id is null))
    limit %(max_count)s) counted)"""
# The last part reads two rows of each white label by index: its last successful run
# and its last run. Left joins keep white labels that were never synced.
_HEALTH = f"""
select runs.*,
    {_DISCREPANCIES.format(condition=f"d.kind not in {_WARNINGS}")},
    {_DISCREPANCIES.format(condition=f"d.kind in {_WARNINGS}")},
    {_EVENTS.format(states=sql_list(_NEEDS_ACTION))},
    {_EVENTS.format(states=sql_list(_QUEUED))},
    (select count(*) from (
        select from billing_charge c
        join billing_billingperiod p on p.id = c.period_id
        join orgs_organization o on o.id = p.organization_id
        where c.state = '{Work.State.FAILED}'
            and o.white_label_id = any(%(white_label_ids)s)
        limit %(max_count)s) counted)
    + (select count(*) from (
        select from billing_stripeaction a
        join orgs_organization o on o.id = a.organization_id
        where a.state = '{Work.State.FAILED}'
            and o.white_label_id = any(%(white_label_ids)s)
        limit %(max_count)s) counted)
    + (select count(*) from (
        select from orgs_job j join orgs_organization o on o.id = j.organization_id
        where j.state = '{Work.State.FAILED}'
            and o.white_label_id = any(%(white_label_ids)s)
        limit %(max_count)s) counted)
from (
    select min(successful.finished_at),
        count(*) filter (where successful.finished_at is null),
        count(*) filter (where last.state = '{Work.State.FAILED}'),
        count(*) filter (where last.state in {sql_list(_UNFINISHED)})
    from unnest(%(white_label_ids)s::bigint[]) label (id)
    left join lateral (
        select r.finished_at from billing_syncrun r
        where r.white_label_id = label.id and r.state = '{Work.State.DONE}'
        order by r.id desc limit 1) successful on true
    left join lateral (
        select r.state from billing_syncrun r where r.white_label_id = label.id
        order by r.id desc limit 1) last on true
) runs
"""  # noqa: S608  only constants of this module
