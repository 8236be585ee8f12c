"""What the ledger says: of one organization, or of all that somebody may see."""

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
    """By kind, when a letter of an alert of the open period last went out."""
    return dict(fetch_all(_SENT, {"id": organization_id}))


def list_fired(organization_id: int, *, since: datetime) -> list[Alert]:
    """What was recorded from then on, by kind."""
    rows = Alert.objects.filter(organization=organization_id, reached_at__gte=since)
    return list(rows.order_by("kind", "id"))


def list_alerts(
    organization_id: int, *, before: int | None = None, limit: int = 50
) -> list[Alert]:
    """The timeline, newest first, with letters and their addresses; three statements.

    `before` is the id of the last one that was shown.
    """
    rows = Alert.objects.filter(organization=organization_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(
        rows.prefetch_related("alert_emails__recipients").order_by("-pk")[:limit]
    )


_SETTLED = (AlertState.SENT, AlertState.SUPPRESSED)
_UNSENT = tuple(state for state in AlertState if state not in _SETTLED)


def list_fleet_alerts(
    white_label_ids: Sequence[int],
    *,
    states: Collection[str] = _UNSENT,
    before: int | None = None,
    limit: int = 50,
) -> list[Alert]:
    """Of many organizations, which come with them, newest first."""
    rows = Alert.objects.filter(white_label__in=white_label_ids, state__in=states)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.select_related("organization").order_by("-pk")[:limit])


COUNTED = 1_000  # of a state; more is "1000+"
_COUNTS = f"""
select state, (select count(*) from (
    select from unnest(%(white_labels)s::bigint[]) label (id)
    cross join lateral (select from billing_alert a
        where a.white_label_id = label.id and a.state = wanted.state
            and a.state not in {sql_list(_SETTLED)}
        limit %(most)s) found
    limit %(most)s) counted)
from unnest(%(states)s::text[]) wanted (state)
"""  # noqa: S608  ours


def count_unsent(white_label_ids: Sequence[int]) -> dict[str, int]:
    """By state, those that somebody may have to look at; each up to `COUNTED`."""
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNTS,
            {
                "white_labels": list(white_label_ids),
                "states": list(_UNSENT),
                "most": COUNTED,
            },
        )
        return dict(cursor.fetchall())
