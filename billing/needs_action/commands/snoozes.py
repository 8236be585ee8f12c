"""Commands that hide a reason for a while, and end that again."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from billing.models import ReasonSnooze
from billing.models.reasons import SnoozeEnding
from billing.needs_action.kinds import ReasonKind
from billing.needs_action.queries.reasons import (
    OrganizationInNeed,
    Reason,
    list_reasons,
)
from orgs.errors import Conflict, DomainError
from orgs.models import Organization

MAX_SNOOZE = timedelta(days=366)
_BATCH = 500


def snooze_reason(
    organization: Organization,
    reason: Reason,
    *,
    until: datetime,
    note: str,
    by: str,
) -> ReasonSnooze:
    """Hide a reason of an organization until an instant.

    Raises `DomainError` for an instant that is not ahead or more than a year away, and
    `Conflict` if it is snoozed already.
    """
    now = timezone.now()
    if not now < until <= now + MAX_SNOOZE:
        raise DomainError("Choose a time within the next year.", fields=("until",))
    try:
        with transaction.atomic():
            _end_stale(organization, reason, now)
            return ReasonSnooze.objects.create(
                organization=organization,
                reason=reason.kind,
                until=until,
                note=note,
                by=by,
                reason_at=reason.at,
                level=reason.level,
            )
    except IntegrityError:
        raise Conflict("This reason is snoozed already.", code="snoozed") from None


def _end_stale(organization: Organization, reason: Reason, now: datetime) -> None:
    """End a snooze that does not hold any more and was not ended by the task yet."""
    rows = ReasonSnooze.objects.filter(
        organization=organization, reason=reason.kind, ended_at=None
    )
    for snooze in rows:
        if not reason.is_hidden_by(snooze, now):
            _end(snooze, _ending(snooze, reason, now) or SnoozeEnding.GONE, now)


def end_snooze(snooze: ReasonSnooze, *, by: str) -> None:
    """Show a snoozed reason again; does nothing if the snooze has ended."""
    if snooze.ended_at is None:
        snooze.ended_by = by
        _end(snooze, SnoozeEnding.PERSON, timezone.now())


def end_changed_snoozes(*, now: datetime | None = None) -> int:
    """End the snoozes that expired or whose reason got worse or is gone.

    Return how many. Without this, a reason that went and came back would stay hidden.
    """
    now, last, ended = now or timezone.now(), 0, 0
    while batch := _next_snoozes(last):
        last = batch[-1].pk
        needs = list_reasons({row.organization_id for row in batch}, now=now)
        ended += sum(_end_if_changed(snooze, needs, now) for snooze in batch)
    return ended


def _next_snoozes(after: int) -> list[ReasonSnooze]:
    rows = ReasonSnooze.objects.filter(ended_at=None, pk__gt=after)
    return list(rows.order_by("pk")[:_BATCH])


def _end_if_changed(
    snooze: ReasonSnooze, needs: Mapping[int, OrganizationInNeed], now: datetime
) -> bool:
    organization = needs.get(snooze.organization_id)
    reasons: Iterable[Reason] = (
        (*organization.reasons, *organization.snoozed) if organization else ()
    )
    kind = ReasonKind(snooze.reason)
    reason = next((row for row in reasons if row.kind is kind), None)
    ending = _ending(snooze, reason, now)
    if ending is not None:
        _end(snooze, ending, now)
    return ending is not None


def _ending(
    snooze: ReasonSnooze, reason: Reason | None, now: datetime
) -> SnoozeEnding | None:
    """Return what ends a snooze, or None while it holds."""
    if snooze.until <= now:
        return SnoozeEnding.EXPIRED
    if reason is None or reason.began_after(snooze.reason_at):
        return SnoozeEnding.GONE
    return SnoozeEnding.WORSE if reason.level > snooze.level else None


def _end(snooze: ReasonSnooze, ending: str, now: datetime) -> None:
    """End a snooze, unless it was ended meanwhile."""
    ReasonSnooze.objects.filter(pk=snooze.pk, ended_at=None).update(
        ended_at=max(now, snooze.created_at), ending=ending, ended_by=snooze.ended_by
    )
