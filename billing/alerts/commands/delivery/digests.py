"""More than a few letters to one address in some minutes become one: a digest.

An outage that crosses everybody's limits at once is one letter to whoever gets all,
not a storm. Counted within a white label: nobody's digest speaks of two. Addresses are
compared as they were written, for an index finds them so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.utils import timezone

from billing.alerts.commands.delivery.optouts import refused_by
from billing.alerts.commands.ledger import new_message_id
from billing.models import Alert, AlertEmail, AlertEmailRecipient

KIND = "digest"
_State = AlertEmailRecipient.State
_LOCK = "select pg_advisory_xact_lock(hashtext(%s))"
_ON_ITS_WAY = "Sending in a combined email."


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a recipient is not to be sent to now: digested, or until when."""

    digest_id: int | None = None
    until: datetime | None = None

    @property
    def is_held(self) -> bool:
        return self.digest_id is not None or self.until is not None


def hold(alert_email: AlertEmail, recipient: AlertEmailRecipient) -> Held:
    """Of a letter whose lease is ours; made anew by people, or a digest: never."""
    if alert_email.alert is None or alert_email.number > 1:
        return Held()
    address, label = recipient.address, alert_email.alert.white_label_id
    rows = _rows(address, label)
    since = timezone.now() - _window()
    sent = rows.filter(state=_State.SENT, settled_at__gt=since)
    waiting = rows.filter(state=_State.PENDING).count()
    if sent.count() + waiting <= settings.DIGEST_AFTER:
        return Held()
    if waiting > 1:
        return _gather(alert_email, address, label)
    oldest = sent.aggregate(at=Min("settled_at"))["at"]
    return Held(until=oldest + _window() if oldest else None)


@transaction.atomic
def _gather(alert_email: AlertEmail, address: str, label: int | None) -> Held:
    """One digest of all that waits for the address; soon after another one, later.

    Another worker's letter stays its own: what it is saying to a host is said. So does
    one that was refused since, for which nothing is sent.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [f"digest {label} {address}"])
    if (last := _last_digest(address, label)) is not None:
        return Held(until=last.created_at + _window())
    waiting = _rows(address, label).filter(state=_State.PENDING)
    free = AlertEmail.objects.filter(
        recipients__in=waiting, state=AlertEmail.State.PENDING
    )
    locked = free.order_by("pk").select_for_update(of=("self",))
    ids = {alert_email.pk, *locked.values_list("pk", flat=True)}
    mine = _wanted(waiting.filter(alert_email__in=ids), address)
    if len(mine) < 2:  # noqa: PLR2004  nobody's neighbour: it goes by itself
        return Held()
    digest = AlertEmail.objects.create(kind=KIND, message_id=new_message_id())
    AlertEmailRecipient.objects.create(alert_email=digest, address=address)
    AlertEmailRecipient.objects.filter(pk__in=mine).update(
        state=_State.DIGESTED, digest=digest, settled_at=timezone.now()
    )
    _end_settled(ids - {alert_email.pk})
    return Held(digest_id=digest.pk)


def _wanted(rows: QuerySet[AlertEmailRecipient], address: str) -> list[int]:
    """Without the letters that its owner opted out of since they were crossed."""
    refused = refused_by(address)
    found = rows.values_list(
        "pk", "alert_email__organization_id", "alert_email__alert__kind"
    )
    return [pk for pk, *told in found if tuple(told) not in refused]


def _end_settled(ids: set[int]) -> None:
    """Letters that have nobody left to be sent to; their alerts wait for the digest."""
    left = AlertEmailRecipient.objects.filter(
        alert_email=OuterRef("pk"), state=_State.PENDING
    )
    settled = AlertEmail.objects.filter(~Exists(left), pk__in=ids)
    ended = list(settled.values_list("pk", flat=True))
    AlertEmail.objects.filter(pk__in=ended).update(
        state=AlertEmail.State.DONE, finished_at=timezone.now(), error_code="", error=""
    )
    Alert.objects.filter(alert_emails__in=ended, state=Alert.State.PENDING).update(
        state=Alert.State.SENDING, reason=_ON_ITS_WAY
    )


def _last_digest(address: str, label: int | None) -> AlertEmail | None:
    digests = AlertEmail.objects.filter(
        kind=KIND,
        created_at__gt=timezone.now() - _window(),
        recipients__address=address,
        digested__alert_email__alert__white_label=label,
    )
    return digests.order_by("-created_at").first()


def _rows(address: str, label: int | None) -> QuerySet[AlertEmailRecipient]:
    """Of letters of crossings, in this white label."""
    return AlertEmailRecipient.objects.filter(
        address=address, alert_email__alert__white_label=label, alert_email__number=1
    )


def _window() -> timedelta:
    return timedelta(minutes=settings.DIGEST_MINUTES)
