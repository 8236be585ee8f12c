"""The recorded alerts of an organization, and of all organizations of white labels."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection

from billing.models import Alert
from billing.models.alerts import AlertState
from orgs.queries.prepared import fetch_all
from orgs.sql import sql_list

_SENT = """
select a.kind, max(a.sent_at)
from billing_billingperiod p
join billing_alert a on a.organization_id = p.organization_id
    and a.billing_period = p.number
where p.organization_id = %(id)s and p.ends_at is null and a.sent_at is not null
group by a.kind
"""


def list_sent(organization_id: int) -> dict[str, datetime]:
    """Return, by kind, when an alert email of the open period was last sent."""
    return dict(fetch_all(_SENT, {"id": organization_id}))


def list_recorded(organization_id: int, *, since: datetime) -> list[Alert]:
    """Return the alerts recorded since an instant, by kind."""
    rows = Alert.objects.filter(organization=organization_id, reached_at__gte=since)
    return list(rows.order_by("kind", "id"))


def list_alerts(
    organization_id: int, *, before: int | None = None, limit: int = 50
) -> list[Alert]:
    """Return alerts with their emails and recipients, newest first.

    `before` is the id of the last alert of the page before. Costs three statements.
    """
    rows = Alert.objects.filter(organization=organization_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(
        rows.prefetch_related("alert_emails__recipients").order_by("-pk")[:limit]
    )


_FINAL = (AlertState.SENT, AlertState.SUPPRESSED)
_UNSENT = tuple(state for state in AlertState if state not in _FINAL)


def list_fleet_alerts(
    white_label_ids: Sequence[int],
    *,
    states: Collection[str] = _UNSENT,
    kind: str = "",
    search: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[Alert]:
    """Return alerts of all organizations of white labels, newest first.

    Each comes with its organization. `search` are words of the organization's name,
    IDs, or addresses.
    """
    rows = Alert.objects.filter(white_label__in=white_label_ids, state__in=states)
    if kind:
        rows = rows.filter(kind=kind)
    for word in search.split():
        rows = rows.filter(organization__search_text__key_contains=word)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.select_related("organization").order_by("-pk")[:limit])


MAX_COUNT = 1_000  # of a state; more is shown as "1000+"
# Reads at most `MAX_COUNT` index entries for each state and white label: the partial
# index `alert_unsent` holds no sent alerts, so the condition on the state repeats its
# own.
_COUNTS = f"""
select state, (select count(*) from (
    select from unnest(%(white_labels)s::bigint[]) label (id)
    cross join lateral (select from billing_alert a
        where a.white_label_id = label.id and a.state = counted.state
            and a.state not in {sql_list(_FINAL)}
        limit %(most)s) alerts
    limit %(most)s) limited)
from unnest(%(states)s::text[]) counted (state)
"""  # noqa: S608  only constants


def count_unsent(white_label_ids: Sequence[int]) -> dict[str, int]:
    """Return, by state, the number of alerts not sent; each at most `MAX_COUNT`."""
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNTS,
            {
                "white_labels": list(white_label_ids),
                "states": list(_UNSENT),
                "most": MAX_COUNT,
            },
        )
        return dict(cursor.fetchall())
