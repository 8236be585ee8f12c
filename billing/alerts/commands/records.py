"""Recording of alerts: a reached threshold becomes an alert once, with its email.

Alert and email are written in one transaction: neither exists without the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import NamedTuple
from uuid import uuid4

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from billing.alerts.commands.facts import Facts, build_facts
from billing.alerts.kinds import ALERT_KINDS, AlertKind
from billing.alerts.queries.measurements import ReachedThreshold
from billing.alerts.queries.recipients import Recipients, find_recipients
from billing.errors import AlreadySending, NoRecipients
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.web.templatetags import display

_State = Alert.State
_NO_RECIPIENTS = "No recipients: set a billing email or add a member or an address."

# Inserts all rows in one statement. Of any number of concurrent inserts of one alert,
# one succeeds; only its ids are returned, so one email is written.
_INSERT = """
insert into billing_alert (organization_id, kind, subject, threshold, period,
    limit_version, billing_period, facts, reached_at, state, reason)
select * from jsonb_to_recordset(%s) as f (organization_id bigint, kind text,
    subject text, threshold numeric, period text, limit_version integer,
    billing_period integer, facts jsonb, reached_at timestamptz, state text,
    reason text)
on conflict (organization_id, kind, subject, threshold, period, limit_version)
    do nothing
returning id, organization_id, kind, subject, threshold, period, limit_version
"""


class _AlertKey(NamedTuple):
    """The columns of the unique constraint `alert_once`."""

    organization_id: object
    kind: object
    subject: object
    threshold: object
    period: object
    limit_version: object


@dataclass(frozen=True, slots=True)
class _NewAlert:
    """An alert to insert, and the addresses of its email."""

    threshold: ReachedThreshold
    facts: Facts
    addresses: list[str]
    state: str
    reason: str = ""
    is_covered: bool = False  # by the alert of a higher threshold

    @property
    def key(self) -> _AlertKey:
        measurement = self.threshold.measurement
        return _AlertKey(
            measurement.organization_id,
            self.threshold.kind.slug,
            measurement.subject,
            self.threshold.threshold,
            measurement.period,
            measurement.version,
        )

    def row(self, now: datetime) -> dict[str, object]:
        return {
            **self.key._asdict(),
            "threshold": str(self.threshold.threshold),
            "billing_period": self.threshold.measurement.billing_period,
            "facts": {**self.facts, "recipients": self.addresses},
            "reached_at": now,
            "state": self.state,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written: emails to send, and new alerts that none covers."""

    alert_email_ids: list[int]
    alert_ids: list[int]


@transaction.atomic
def record(thresholds: Sequence[ReachedThreshold], *, now: datetime) -> Recorded:
    """Record reached thresholds that have no alert; return the ids of what is new.

    The transaction that inserts an alert also writes its email; concurrent ones do not.
    """
    if not thresholds:
        return Recorded([], [])
    recipients = find_recipients(
        {threshold.measurement.organization_id for threshold in thresholds}
    )
    alerts = [
        _new_alert(threshold, facts, thresholds, recipients, now)
        for threshold, facts in zip(thresholds, build_facts(thresholds), strict=True)
    ]
    by_key = {alert.key: alert for alert in alerts}
    inserted = {id_: by_key[key] for id_, key in _insert(by_key.values(), now)}
    pending = {id_: a for id_, a in inserted.items() if a.state == _State.PENDING}
    alert_ids = sorted(id_ for id_, a in inserted.items() if not a.is_covered)
    return Recorded(_write_emails(pending), alert_ids)


def _new_alert(
    threshold: ReachedThreshold,
    facts: Facts,
    thresholds: Sequence[ReachedThreshold],
    by_organization: dict[int, Recipients],
    now: datetime,
) -> _NewAlert:
    recipients = by_organization[threshold.measurement.organization_id]
    addresses = recipients.for_kind(threshold.kind)
    if superseding := _superseding(threshold, thresholds):
        reason = f'Covered by the alert "{superseding.kind.label}".'
        state = _State.SUPPRESSED
        return _NewAlert(threshold, facts, [], state, reason, is_covered=True)
    if recipients.is_snoozed(threshold.kind, now):
        reason = f"Snoozed until {display.instant(recipients.snoozed_until)}."
        return _NewAlert(threshold, facts, addresses, _State.SUPPRESSED, reason)
    if not addresses and recipients.has_endpoints and not threshold.kind.is_for_staff:
        reason = "Sent to webhook endpoints only."
        return _NewAlert(threshold, facts, [], _State.SUPPRESSED, reason)
    if not addresses:
        reason = _no_recipients_reason(recipients, threshold.kind)
        return _NewAlert(threshold, facts, [], _State.NO_RECIPIENT, reason)
    return _NewAlert(threshold, facts, addresses, _State.PENDING)


def _superseding(
    threshold: ReachedThreshold, thresholds: Sequence[ReachedThreshold]
) -> ReachedThreshold | None:
    """Return a later threshold of the same subject that is reached together with it."""
    measurement = threshold.measurement
    same_subject = (
        other
        for other in thresholds
        if other.measurement.organization_id == measurement.organization_id
        and other.measurement.subject == measurement.subject
    )
    return next((o for o in same_subject if o.kind.supersedes(threshold.kind)), None)


def _no_recipients_reason(recipients: Recipients, kind: AlertKind) -> str:
    if kind.is_for_staff and not recipients.staff:
        return "No recipients: no finance user or operator has an email address."
    if recipients.staff if kind.is_for_staff else recipients.addresses:
        return "All recipients have unsubscribed from this type of alert."
    return _NO_RECIPIENTS


def _insert(alerts: Iterable[_NewAlert], now: datetime) -> list[tuple[int, _AlertKey]]:
    """Insert the alerts that do not exist; return their ids and keys."""
    rows = orjson.dumps([alert.row(now) for alert in alerts]).decode()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [rows])
        return [(id_, _AlertKey(*key)) for id_, *key in cursor.fetchall()]


def _write_emails(alerts: dict[int, _NewAlert]) -> list[int]:
    """Write one email with its recipients for each alert, given by id."""
    rows = sorted(alerts.items(), key=lambda item: item[0])
    alert_emails = AlertEmail.objects.bulk_create(
        AlertEmail(
            alert_id=id_,
            organization_id=alert.threshold.measurement.organization_id,
            kind=alert.threshold.kind.slug,
            message_id=new_message_id(),
        )
        for id_, alert in rows
    )
    AlertEmailRecipient.objects.bulk_create(
        AlertEmailRecipient(alert_email=alert_email, address=address)
        for alert_email, (_, alert) in zip(alert_emails, rows, strict=True)
        for address in alert.addresses
    )
    return [alert_email.pk for alert_email in alert_emails]


def new_message_id() -> str:
    """Return a new Message-ID; it is stored, so that every retry has the same."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2]
    return f"<{uuid4().hex}@{domain or 'localhost'}>"


@transaction.atomic
def resend(alert_id: int, *, by: str) -> AlertEmail:
    """Write another email of an alert: its recorded facts, to today's recipients.

    Raises `AlreadySending` while an email of the alert is unfinished, and
    `NoRecipients`. The row lock on the alert makes concurrent requests wait, so that
    the second one is refused.
    """
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    if alert.alert_emails.unfinished().exists():
        raise AlreadySending("An email for this alert is already being sent.")
    kind = ALERT_KINDS[alert.kind]
    recipients = find_recipients([alert.organization_id])[alert.organization_id]
    addresses = recipients.for_kind(kind)
    if not addresses:
        raise NoRecipients(_NO_RECIPIENTS)
    last = alert.alert_emails.aggregate(last=Max("number"))["last"] or 0
    alert_email = AlertEmail.objects.create(
        alert=alert,
        number=last + 1,
        organization_id=alert.organization_id,
        kind=kind.slug,
        message_id=new_message_id(),
        requested_by=by,
    )
    AlertEmailRecipient.objects.bulk_create(
        AlertEmailRecipient(alert_email=alert_email, address=address)
        for address in addresses
    )
    alert.state, alert.reason = _State.PENDING, f"Sent again by {by}."
    alert.save(update_fields=["state", "reason"])
    return alert_email
