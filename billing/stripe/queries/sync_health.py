"""How far we are from Stripe, in a few numbers: for tiles and tabs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from billing.models import Discrepancy, StripeEvent
from orgs.models import WhiteLabel
from orgs.models.work import Work
from orgs.sql import sql_list

MANY = 1_000  # counted no further
_LATE = timedelta(hours=25)  # the timetable asks each night


@dataclass(frozen=True, slots=True)
class SyncHealth:
    """Of some white labels together; counts end at `MANY`.

    `synced_at` is when the one that waits longest was read to the end; null: none was.
    """

    synced_at: datetime | None
    never: int  # white labels that were never read to the end
    failing: int  # whose last run failed
    running: int
    differences: int
    warnings: int
    needy: int  # events that wait for a person
    waiting: int  # events that wait for a worker
    failed: int  # charges, actions and jobs that were given up

    @property
    def discrepancy(self) -> int:
        return self.differences + self.warnings

    def is_late(self, now: datetime) -> bool:
        """Older than a night's run, though some run came to its end once."""
        return self.synced_at is not None and now - self.synced_at > _LATE


def sync_health(
    white_labels: Sequence[WhiteLabel], *, with_nobodys: bool = False
) -> SyncHealth:
    """One statement, by small indexes; `with_nobodys` for whoever sees them all."""
    with connection.cursor() as cursor:
        cursor.execute(
            _HEALTH,
            {
                "ids": [label.pk for label in white_labels],
                "nobodys": with_nobodys,
                "many": MANY,
            },
        )
        return SyncHealth(*cursor.fetchone())


_UNFINISHED = (Work.State.PENDING, Work.State.RUNNING)
_NEEDY = (StripeEvent.State.PARKED, StripeEvent.State.FAILED)
_WAITING = (StripeEvent.State.PENDING, StripeEvent.State.RUNNING)
_DRIFT = """(select count(*) from (
    select from billing_discrepancy d where d.resolved_at is null and {which} and (
        d.white_label_id = any(%(ids)s) or (%(nobodys)s and d.white_label_id is null))
    limit %(many)s) found)"""
_WARNINGS = sql_list(Discrepancy.WARNINGS)
_EVENTS = """(select count(*) from (
    select from billing_stripeevent e
    left join orgs_organization o on o.id = e.organization_id
    where e.state in {states} and (o.white_label_id = any(%(ids)s)
        or (%(nobodys)s and e.organization_id is null))
    limit %(many)s) found)"""
_HEALTH = f"""
select runs.*,
    {_DRIFT.format(which=f"d.kind not in {_WARNINGS}")},
    {_DRIFT.format(which=f"d.kind in {_WARNINGS}")},
    {_EVENTS.format(states=sql_list(_NEEDY))},
    {_EVENTS.format(states=sql_list(_WAITING))},
    (select count(*) from (
        select from billing_charge c
        join billing_billingperiod p on p.id = c.period_id
        join orgs_organization o on o.id = p.organization_id
        where c.state = '{Work.State.FAILED}' and o.white_label_id = any(%(ids)s)
        limit %(many)s) found)
    + (select count(*) from (
        select from billing_stripeaction a
        join orgs_organization o on o.id = a.organization_id
        where a.state = '{Work.State.FAILED}' and o.white_label_id = any(%(ids)s)
        limit %(many)s) found)
    + (select count(*) from (
        select from orgs_job j join orgs_organization o on o.id = j.organization_id
        where j.state = '{Work.State.FAILED}' and o.white_label_id = any(%(ids)s)
        limit %(many)s) found)
from (
    select min(good.finished_at), count(*) filter (where good.finished_at is null),
        count(*) filter (where last.state = '{Work.State.FAILED}'),
        count(*) filter (where last.state in {sql_list(_UNFINISHED)})
    from unnest(%(ids)s::bigint[]) label (id)
    left join lateral (
        select r.finished_at from billing_syncrun r
        where r.white_label_id = label.id and r.state = '{Work.State.DONE}'
        order by r.id desc limit 1) good on true
    left join lateral (
        select r.state from billing_syncrun r where r.white_label_id = label.id
        order by r.id desc limit 1) last on true
) runs
"""  # noqa: S608  ours
