"""The ledger: a crossing becomes an alert once, and with it the letter of it.

Alert and letter are made in one transaction: none is without the other, whatever dies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from uuid import uuid4

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from billing.alerts.commands.facts import Facts, freeze
from billing.alerts.kinds import ALERT_KINDS, is_beyond
from billing.alerts.queries.measuring import Crossing
from billing.alerts.queries.recipients import Told, find_recipients
from billing.errors import AlreadySending, NoRecipients
from billing.models import Alert, AlertEmail, AlertEmailRecipient
from orgs.web.templatetags import display

_State = Alert.State
_Key = tuple[object, ...]

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


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row to be, and who its letter goes to."""

    crossing: Crossing
    facts: Facts
    addresses: list[str]
    state: str
    reason: str = ""

    @property
    def key(self) -> _Key:
        found = self.crossing.measured
        return (
            found.organization_id,
            self.crossing.kind.slug,
            found.subject,
            self.crossing.threshold,
            found.period,
            found.version,
        )

    def row(self, now: datetime) -> dict[str, object]:
        id_, kind, subject, threshold, period, version = self.key
        return {
            "organization_id": id_,
            "kind": kind,
            "subject": subject,
            "threshold": str(threshold),
            "period": period,
            "limit_version": version,
            "billing_period": self.crossing.measured.billing_period,
            "facts": {**self.facts, "recipients": self.addresses},
            "reached_at": now,
            "state": self.state,
            "reason": self.reason,
        }


@transaction.atomic
def record(crossings: Sequence[Crossing], *, now: datetime) -> list[int]:
    """Record what is not there yet; answers the ids of the letters to send.

    Who inserts an alert owns its letter: of any number that try, one does.
    """
    if not crossings:
        return []
    told = find_recipients({one.measured.organization_id for one in crossings})
    entries = {
        entry.key: entry
        for crossing, facts in zip(crossings, freeze(crossings), strict=True)
        for entry in [_entry(crossing, facts, crossings, told, now)]
    }
    alerts = _insert(entries, now)
    return _write_emails(
        {id_: entries[key] for id_, key in alerts if entries[key].state == "pending"}
    )


def _entry(
    crossing: Crossing,
    facts: Facts,
    others: Sequence[Crossing],
    told: dict[int, Told],
    now: datetime,
) -> _Entry:
    who = told[crossing.measured.organization_id]
    addresses = who.of(crossing.kind)
    if beyond := _beyond(crossing, others):
        reason = f'Covered by the alert "{beyond.kind.label}".'
        return _Entry(crossing, facts, [], _State.SUPPRESSED, reason)
    if who.snoozed_until is not None and who.snoozed_until > now:
        reason = f"Snoozed until {display.instant(who.snoozed_until)}."
        return _Entry(crossing, facts, addresses, _State.SUPPRESSED, reason)
    if not addresses:
        return _Entry(crossing, facts, [], _State.NO_RECIPIENT, _nobody(who))
    return _Entry(crossing, facts, addresses, _State.PENDING)


def _beyond(crossing: Crossing, others: Sequence[Crossing]) -> Crossing | None:
    """Of the same thing, a later step that is crossed at once."""
    of_it = (
        other
        for other in others
        if other.measured.organization_id == crossing.measured.organization_id
        and other.measured.subject == crossing.measured.subject
    )
    return next((one for one in of_it if is_beyond(one.kind, crossing.kind)), None)


def _nobody(who: Told) -> str:
    if who.addresses:
        return "All recipients have unsubscribed from this type of alert."
    return "No recipients: set a billing email or add a member or an address."


def _insert(entries: dict[_Key, _Entry], now: datetime) -> list[tuple[int, _Key]]:
    """The alerts that were not there: id and key."""
    rows = orjson.dumps([entry.row(now) for entry in entries.values()]).decode()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [rows])
        return [(id_, tuple(key)) for id_, *key in cursor.fetchall()]


# --- letters ------------------------------------------------------------------------


def _write_emails(entries: dict[int, _Entry]) -> list[int]:
    """Of alerts by id: a letter each, with its recipients."""
    alert_emails = AlertEmail.objects.bulk_create(
        AlertEmail(
            alert_id=id_,
            organization_id=entry.crossing.measured.organization_id,
            kind=entry.crossing.kind.alert_email,
            message_id=new_message_id(),
        )
        for id_, entry in sorted(entries.items())
    )
    AlertEmailRecipient.objects.bulk_create(
        AlertEmailRecipient(alert_email=alert_email, address=address)
        for alert_email, (_, entry) in zip(
            alert_emails, sorted(entries.items()), strict=True
        )
        for address in entry.addresses
    )
    return [alert_email.pk for alert_email in alert_emails]


def new_message_id() -> str:
    """Made once and kept: a letter that is sent again after a kill has the same."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2]
    return f"<{uuid4().hex}@{domain or 'localhost'}>"


@transaction.atomic
def send_again(alert_id: int, *, by: str) -> AlertEmail:
    """What a person asks for: the same facts to those who are to be told now.

    Raises `AlreadySending` while a letter of it is on its way, `NoRecipients`.
    """
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    if alert.alert_emails.unfinished().exists():
        raise AlreadySending("An email for this alert is already being sent.")
    kind = ALERT_KINDS[alert.kind]
    addresses = find_recipients([alert.organization_id])[alert.organization_id].of(kind)
    if not addresses:
        raise NoRecipients(
            "No recipients: set a billing email or add a member or an address."
        )
    last = alert.alert_emails.aggregate(last=Max("number"))["last"] or 0
    alert_email = AlertEmail.objects.create(
        alert=alert,
        number=last + 1,
        organization_id=alert.organization_id,
        kind=kind.alert_email,
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
