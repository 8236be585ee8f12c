"""Query of the number of organizations on each tab of the list, up to a maximum."""

from django.utils import timezone

from billing.console.queries.organization_list import TAB_STATUSES, State
from billing.models import Subscription
from orgs.queries.prepared import fetch_all

MAX_COUNT = 1_000  # of each tab; a count of one more means "more than"

# Whether an organization is deleted is looked up for each row by a scalar subquery,
# which PostgreSQL cannot turn into a join. With a join it expects to find a hundred
# among the first organizations, and then reads those one after the other.
_BILLING_TAB = """
select '{state}', count(*) from (
    select distinct t.organization_id from {rows} t
    where (
        select o.deleted_at is null from orgs_organization o
        where o.id = t.organization_id)
    order by 1 limit %(limit)s) rows
"""
_BY_STATUS = f"""(
    select t.organization_id from billing_subscription t
    where t.kind = '{Subscription.Kind.PLATFORM}' and t.status = '{{status}}' {{scope}}
    order by 1)"""  # noqa: S608  only our own statuses
# The oldest ones: most organizations have one or two. In the order of the
# organizations, PostgreSQL would read all invoices for the first few.
_OVERDUE = """(
    select t.organization_id from billing_invoice t
    where t.overdue_from <= %(now)s {scope}
    order by t.overdue_from limit 2 * %(limit)s)"""
_DELETED_TAB = """
select '{state}', count(*) from (
    select from orgs_organization t where t.deleted_at is not null {scope}
    limit %(limit)s) rows
"""
_IN_WHITE_LABEL = "and t.white_label_id = %(white_label)s"


def count_tabs(white_label_id: int | None) -> dict[State, int]:
    """Return the number of organizations on each tab; one statement.

    Counts those of a white label, or of all (None), up to `MAX_COUNT` + 1. The tab of
    all organizations has no count, which would read the whole fleet.
    """
    scope = "" if white_label_id is None else _IN_WHITE_LABEL
    parameters = {"now": timezone.now(), "limit": MAX_COUNT + 1}
    if white_label_id is not None:
        parameters["white_label"] = white_label_id
    rows = fetch_all(" union all ".join(_statements(scope)), parameters)
    return {State(state): count for state, count in rows}


def _statements(scope: str) -> list[str]:
    rows = {
        state: _BY_STATUS.format(status=status, scope=scope)
        for state, status in TAB_STATUSES.items()
    }
    rows[State.UNPAID] = _OVERDUE.format(scope=scope)
    tabs = [_BILLING_TAB.format(state=state, rows=sql) for state, sql in rows.items()]
    return [*tabs, _DELETED_TAB.format(state=State.DELETED, scope=scope)]
