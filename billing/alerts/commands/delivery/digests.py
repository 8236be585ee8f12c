"""Digests: more than a few emails to one address within minutes become one.

An outage that makes many organizations reach their limits at once sends one email to
a shared address, not hundreds. A digest combines alerts of one white label only.
Addresses are compared as they were typed, because the index stores them so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.utils import timezone

from billing.alerts.commands.records import new_message_id
from billing.alerts.commands.unsubscribes import kinds_opted_out
from billing.models import Alert, AlertEmail, AlertEmailRecipient

KIND = "digest"
_State = AlertEmailRecipient.State
# The digest lock, one for each white label and address: of two workers with emails to
# the same address, one writes the digest and the other then finds it. Held for a few
# statements, until the transaction ends; a killed worker releases it.
_DIGEST_LOCK = "select pg_advisory_xact_lock(hashtext(%s))"
_MIN_EMAILS = 2  # a single email is sent as it is
_SENDING = "Sending in a combined email."


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why a recipient is not sent to now: a digest includes it, or until an instant."""

    digest_id: int | None = None
    until: datetime | None = None

    @property
    def is_deferred(self) -> bool:
        """True when the recipient is not sent to now."""
        return self.digest_id is not None or self.until is not None


def defer(alert_email: AlertEmail, recipient: AlertEmailRecipient) -> Deferral:
    """Decide whether a recipient of a leased email waits for a digest.

    Digests, and emails that staff resend, are never deferred.
    """
    if alert_email.alert is None or alert_email.number > 1:
        return Deferral()
    address, white_label_id = recipient.address, alert_email.alert.white_label_id
    rows = _recipients(address, white_label_id)
    window_start = timezone.now() - _window()
    sent = rows.filter(state=_State.SENT, finished_at__gt=window_start)
    pending = rows.filter(state=_State.PENDING).count()
    if sent.count() + pending <= settings.DIGEST_AFTER:
        return Deferral()
    if pending > 1:
        return _combine(alert_email, address, white_label_id)
    oldest = sent.aggregate(at=Min("finished_at"))["at"]
    return Deferral(until=oldest + _window() if oldest else None)


@transaction.atomic
def _combine(
    alert_email: AlertEmail, address: str, white_label_id: int | None
) -> Deferral:
    """Combine all pending emails to the address; wait if a digest was just written.

    Emails that another worker has leased are left alone: their messages may be sent
    already. So are kinds that the address has opted out of since.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DIGEST_LOCK, [f"digest {white_label_id} {address}"])
    if (last := _last_digest(address, white_label_id)) is not None:
        return Deferral(until=last.created_at + _window())
    pending = _recipients(address, white_label_id).filter(state=_State.PENDING)
    unleased = AlertEmail.objects.filter(
        recipients__in=pending, state=AlertEmail.State.PENDING
    )
    # Locked in the order of their keys, so that two digests cannot deadlock; no worker
    # can lease these emails until the commit.
    locked = unleased.order_by("pk").select_for_update(of=("self",))
    ids = {alert_email.pk, *locked.values_list("pk", flat=True)}
    included = _without_opt_outs(pending.filter(alert_email__in=ids), address)
    if len(included) < _MIN_EMAILS:
        return Deferral()
    digest = _write_digest(address, included)
    _finish_emails(ids - {alert_email.pk})
    return Deferral(digest_id=digest.pk)


def _write_digest(address: str, recipient_ids: list[int]) -> AlertEmail:
    digest = AlertEmail.objects.create(kind=KIND, message_id=new_message_id())
    AlertEmailRecipient.objects.create(alert_email=digest, address=address)
    AlertEmailRecipient.objects.filter(pk__in=recipient_ids).update(
        state=_State.DIGESTED, digest=digest, finished_at=timezone.now()
    )
    return digest


def _without_opt_outs(rows: QuerySet[AlertEmailRecipient], address: str) -> list[int]:
    """Return the ids of recipients whose kind the address has not opted out of."""
    opt_outs = kinds_opted_out(address)
    kinds = rows.values_list(
        "pk", "alert_email__organization_id", "alert_email__alert__kind"
    )
    return [pk for pk, *kind in kinds if tuple(kind) not in opt_outs]


def _finish_emails(ids: set[int]) -> None:
    """Finish emails without pending recipients; their alerts wait for the digest."""
    pending = AlertEmailRecipient.objects.filter(
        alert_email=OuterRef("pk"), state=_State.PENDING
    )
    finished = AlertEmail.objects.filter(~Exists(pending), pk__in=ids)
    finished_ids = list(finished.values_list("pk", flat=True))
    AlertEmail.objects.filter(pk__in=finished_ids).update(
        state=AlertEmail.State.DONE, finished_at=timezone.now(), error_code="", error=""
    )
    Alert.objects.filter(
        alert_emails__in=finished_ids, state=Alert.State.PENDING
    ).update(state=Alert.State.SENDING, reason=_SENDING)


def _last_digest(address: str, white_label_id: int | None) -> AlertEmail | None:
    digests = AlertEmail.objects.filter(
        kind=KIND,
        created_at__gt=timezone.now() - _window(),
        recipients__address=address,
        digested__alert_email__alert__white_label=white_label_id,
    )
    return digests.order_by("-created_at").first()


def _recipients(
    address: str, white_label_id: int | None
) -> QuerySet[AlertEmailRecipient]:
    """Return the recipients of first emails of alerts to an address."""
    return AlertEmailRecipient.objects.filter(
        address=address,
        alert_email__alert__white_label=white_label_id,
        alert_email__number=1,
    )


def _window() -> timedelta:
    return timedelta(minutes=settings.DIGEST_MINUTES)
