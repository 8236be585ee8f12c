"""Deliveries that may be sent now, fairly chosen from all endpoints."""

from typing import NamedTuple

from orgs.models.work import UNFINISHED, WorkState
from orgs.queries.prepared import fetch_all
from orgs.sql import sql_list

# Requests at once to an endpoint that accepted one lately; others get one.
PER_ENDPOINT = 4
_UNFINISHED = sql_list(UNFINISHED)


class DueDelivery(NamedTuple):
    """A delivery that may be sent now."""

    id: int
    endpoint_id: int


_DELIVERIES = f"""
    select d.id, d.next_attempt_at from billing_webhookdelivery d
    where d.endpoint_id = e.id and d.state in {_UNFINISHED}
        and d.next_attempt_at <= statement_timestamp()
        and (d.leased_until is null or d.leased_until <= statement_timestamp())
        and not exists (
            select from billing_webhookdelivery earlier
            where earlier.endpoint_id = d.endpoint_id
                and earlier.object_key = d.object_key and earlier.id < d.id
                and earlier.state in {_UNFINISHED})"""  # noqa: S608  only constants
# `e` has the endpoints for which something waits, by one look into a partial index for
# each; those that fail are left out until they may be tried again, and then get one
# request. `d` has the first deliveries of each that are due and that no earlier one of
# the same object holds. So an endpoint with thousands of them delays no other. In the
# order of ids the index ends the search; one that fails gets the delivery that waited
# longest instead, so that one it never accepts does not keep it from the others.
_DUE = f"""
select d.id, e.id from (
    select w.id, w.failures > 0 as is_failing, case when w.last_success_at
            > statement_timestamp() - interval '1 hour' then {PER_ENDPOINT} else 1
            end as most,
        (select count(*) from billing_webhookdelivery r where r.endpoint_id = w.id
            and r.state = '{WorkState.RUNNING}'
            and r.leased_until > statement_timestamp()) as running
    from billing_webhookendpoint w
    where w.disabled_at is null
        and (w.held_until is null or w.held_until <= statement_timestamp())
        and exists (select from billing_webhookdelivery p where p.endpoint_id = w.id
            and p.state in {_UNFINISHED})
) e cross join lateral (
    ({_DELIVERIES} and not e.is_failing
    order by d.id limit greatest(e.most - e.running, 0))
    union all
    ({_DELIVERIES} and e.is_failing
    order by d.next_attempt_at, d.id limit greatest(1 - e.running, 0))
) d
order by d.next_attempt_at, d.id limit %(limit)s
"""  # noqa: S608  only constants


def list_due_deliveries(limit: int) -> list[DueDelivery]:
    """Return deliveries to send now, a few of each endpoint, the oldest first."""
    return [DueDelivery(*row) for row in fetch_all(_DUE, {"limit": limit})]
