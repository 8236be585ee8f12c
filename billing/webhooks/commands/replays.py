"""Sending events again: one, or those of a range of time."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from billing.errors import DeliveryUnfinished, EndpointDisabled, ReplayTooLarge
from billing.models import WebhookDelivery, WebhookEndpoint
from billing.models.webhooks import DeliveryReason
from billing.webhooks.event_types import EVENT_TYPES, selects
from orgs.models.work import UNFINISHED, WorkState
from orgs.sql import sql_list

MAX_EVENTS = 10_000  # of one replay
_SELECT = f"""
from billing_outgoingevent v
where v.white_label_id = %(white_label)s and v.occurred_at >= %(start)s
    and v.occurred_at < %(end)s and v.type = any(%(types)s) and not v.is_test
    and (%(organization)s::bigint is null or v.organization_id = %(organization)s)
    and not exists (select from billing_webhookdelivery d
        where d.event_id = v.id and d.endpoint_id = %(endpoint)s
            and (d.state in {sql_list(UNFINISHED)}
                or d.state = '{WorkState.DONE}' and not %(includes_delivered)s))
"""
_COUNT = f"select count(*) from (select v.id {_SELECT} limit {MAX_EVENTS + 1}) n"  # noqa: S608  ours
_INSERT = f"""
insert into billing_webhookdelivery (endpoint_id, event_id, object_key, reason,
    requested_by, created_at, state, attempts, next_attempt_at, error_code, error)
select %(endpoint)s, v.id, v.object_key, '{DeliveryReason.REPLAY}', %(by)s, %(now)s,
    '{WorkState.PENDING}', 0, %(now)s, '', ''
{_SELECT} order by v.id
"""


@transaction.atomic
def replay(
    endpoint: WebhookEndpoint,
    *,
    start: datetime,
    end: datetime,
    types: Collection[str] = (),
    includes_delivered: bool = False,
    by: str,
) -> int:
    """Deliver the events of a half-open range again, in their order; return how many.

    Without `includes_delivered`, only those that the endpoint has not accepted. Only
    types that it selects, or those of `types` among them. What is on its way is left
    out. Raises `EndpointDisabled` or `ReplayTooLarge`.
    """
    current = _lock_enabled(endpoint)
    selected = [
        key
        for key in EVENT_TYPES
        if selects(current.event_types, key, current.kind)
        and (not types or key in types)
    ]
    parameters = {
        "white_label": current.white_label_id,
        "organization": current.organization_id,
        "endpoint": current.pk,
        "start": start,
        "end": end,
        "types": selected,
        "includes_delivered": includes_delivered,
        "by": by[:200],
        "now": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)
        count: int = cursor.fetchone()[0]
        if count > MAX_EVENTS:
            raise ReplayTooLarge(
                f"The range has more than {MAX_EVENTS:,} events. Choose a shorter one."
            )
        cursor.execute(_INSERT, parameters)
    return count


@transaction.atomic
def resend(delivery: WebhookDelivery, *, by: str) -> WebhookDelivery:
    """Deliver the event of a delivery again, with the same ID; return the new one.

    Raises `EndpointDisabled`, or `DeliveryUnfinished` while it is on its way.
    """
    endpoint = _lock_enabled(delivery.endpoint)
    same = WebhookDelivery.objects.filter(endpoint=endpoint, event=delivery.event_id)
    if same.unfinished().exists():
        raise DeliveryUnfinished("The event is still being delivered.")
    return WebhookDelivery.objects.create(
        endpoint=endpoint,
        event_id=delivery.event_id,
        object_key=delivery.object_key,
        reason=DeliveryReason.RESEND,
        requested_by=by[:200],
    )


def _lock_enabled(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Return the endpoint, locked: of two requests at once the second sees the first's.

    Raises `EndpointDisabled`.
    """
    current = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if current.disabled_at is not None:
        raise EndpointDisabled("The endpoint is disabled. Enable it first.")
    return current
