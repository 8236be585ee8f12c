"""Receivers of the signals whose facts become events; each writes into the outbox.

All run in the transaction of the fact. Without an endpoint that wants an event, each
costs one statement.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from billing.access.queries.facts import list_access_details
from billing.alerts.kinds import ALERT_KINDS
from billing.alerts.queries.recipients import find_recipients
from billing.models import Alert, BillingPeriod, Charge
from billing.signals import access_changed, organizations_evaluated, periods_closed
from billing.webhooks.commands.incidents import close_incidents, open_incidents
from billing.webhooks.commands.outbox import NewEvent, write_events
from billing.webhooks.event_types import EVENT_TYPES, TYPE_OF_ALERT
from billing.webhooks.queries.incidents import list_ended
from billing.webhooks.queries.subscribers import (
    Subscribers,
    find_subscribers,
    wanting,
)
from billing.webhooks.schemas.bodies import (
    access_event,
    alert_event,
    invoice_event,
    organization_event,
    resolved_event,
)
from billing.webhooks.tasks import deliver_webhooks
from orgs.models import Entitlements, Organization
from orgs.queue.debounce import enqueue_debounced
from orgs.signals import organizations_changed, organizations_created


def connect() -> None:
    """Write events of alerts, access, closed periods and organizations."""
    organizations_evaluated.connect(_evaluated, weak=False)
    access_changed.connect(_access_changed, weak=False)
    periods_closed.connect(_periods_closed, weak=False)
    organizations_created.connect(_created, weak=False)
    organizations_changed.connect(_changed, weak=False)


def _write(events: Iterable[NewEvent], subscribers: Subscribers) -> None:
    if endpoint_ids := write_events(events, subscribers):
        enqueue_debounced(deliver_webhooks, endpoint_ids)


def _evaluated(
    *,
    organization_ids: list[int],
    alert_ids: list[int],
    is_current: bool,
    now: datetime,
    **_: Any,
) -> None:
    if alert_ids:
        _write_alerts(alert_ids, now)
    if is_current:
        _write_ends(organization_ids, now)


def _write_alerts(alert_ids: Sequence[int], now: datetime) -> None:
    rows = Alert.objects.filter(pk__in=alert_ids, kind__in=TYPE_OF_ALERT)
    alerts = list(rows.select_related("organization__white_label").order_by("pk"))
    subscribers = find_subscribers({alert.organization_id for alert in alerts})
    ids = set(wanting(subscribers, {TYPE_OF_ALERT[alert.kind].key for alert in alerts}))
    alerts = [alert for alert in alerts if alert.organization_id in ids]
    if not alerts:
        return
    recipients = find_recipients(ids)
    events = [
        alert_event(
            alert,
            is_snoozed=recipients[alert.organization_id].is_snoozed(
                ALERT_KINDS[alert.kind], now
            ),
        )
        for alert in alerts
    ]
    _write(events, subscribers)
    open_incidents(
        # Its end is that of the lowest threshold of the type.
        (event, EVENT_TYPES[event.type].alert_kinds[0], alert.subject)
        for event, alert in zip(events, alerts, strict=True)
        if EVENT_TYPES[event.type].is_incident
    )


def _write_ends(organization_ids: list[int], now: datetime) -> None:
    ended = list_ended(organization_ids, now=now)
    if not ended:
        return
    subscribers = find_subscribers({row.incident.organization_id for row in ended})
    _write([resolved_event(row, now=now) for row in ended], subscribers)
    close_incidents([row.incident for row in ended])


def _access_changed(*, organization_ids: list[int], now: datetime, **_: Any) -> None:
    subscribers = find_subscribers(organization_ids)
    ids = wanting(subscribers, ["access.changed"])
    if not ids:
        return
    details = list_access_details(ids, now=now)
    events = [
        access_event(row, details[row.pk], now=now) for row in _organizations(ids)
    ]
    _write(events, subscribers)


def _periods_closed(*, period_ids: list[int], **_: Any) -> None:
    rows = BillingPeriod.objects.filter(pk__in=period_ids)
    ids = set(rows.values_list("organization_id", flat=True))
    subscribers = find_subscribers(ids)
    wanting_ids = wanting(subscribers, ["invoice.closed"])
    if not wanting_ids:
        return
    periods = rows.filter(organization_id__in=wanting_ids).order_by("pk")
    charges: dict[int, list[Charge]] = {}
    for charge in Charge.objects.filter(period_id__in=period_ids).order_by(
        "kind", "product", "id"
    ):
        charges.setdefault(charge.period_id, []).append(charge)
    now = timezone.now()
    events = [
        invoice_event(period, charges.get(period.pk, []), now=now)
        for period in periods.select_related("organization__white_label")
    ]
    _write(events, subscribers)


def _created(*, organization_ids: list[int], **_: Any) -> None:
    _write_organizations("created", organization_ids, [])


def _changed(
    *, organization_ids: list[int], change: str, fields: list[str], **_: Any
) -> None:
    _write_organizations(change, organization_ids, fields)


def _write_organizations(
    change: str, organization_ids: list[int], fields: list[str]
) -> None:
    subscribers = find_subscribers(organization_ids)
    ids = wanting(subscribers, [f"organization.{change}"])
    if not ids:
        return
    rows = Entitlements.objects.filter(organization_id__in=ids)
    entitlements = {row.organization_id: row for row in rows}
    now = timezone.now()
    events = [
        organization_event(change, row, entitlements, fields=fields, now=now)
        for row in _organizations(ids)
    ]
    _write(events, subscribers)


def _organizations(ids: Iterable[int]) -> list[Organization]:
    rows = Organization.objects.select_related("white_label").filter(pk__in=list(ids))
    return list(rows.order_by("pk"))
