"""What a change of an organization would cause, measured by making and undoing it.

The change is made in a transaction that is rolled back, and the functions of the pages
measure before and after. So a preview cannot differ from what happens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from billing.access.decision import MESSAGES
from billing.access.queries.explanations import explain_access
from billing.alerts.queries.statuses import AlertStatus, Status, list_statuses
from metrics.queries.daily_metrics import (
    EntitlementUsage,
    MeteredEntitlement,
    entitlement_usage,
)
from orgs.days import day_of
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class UsageChange:
    """The use of an entitlement before and after a change."""

    before: MeteredEntitlement
    after: MeteredEntitlement


@dataclass(frozen=True, slots=True)
class Consequences:
    """What would differ after a change; all are empty if nothing would.

    `year` is the start of the contract year before and after. `alerts` are those that
    would be recorded, `rearmed` others that may be recorded again later. `refused` are
    the reasons to refuse API access afterwards, None if they are what they were.
    """

    year: tuple[date, date] | None
    usage: Sequence[UsageChange]
    alerts: Sequence[AlertStatus]
    rearmed: Sequence[AlertStatus]
    refused: Sequence[str] | None

    @property
    def is_empty(self) -> bool:
        parts = self.year, self.usage, self.alerts, self.rearmed
        return not any(parts) and self.refused is None


@dataclass(frozen=True, slots=True)
class State:
    """What a change of an organization, or of its white label, can change."""

    usage: EntitlementUsage
    alerts: dict[tuple[str, str], AlertStatus]
    refused: list[str]


def preview_change(
    organization: Organization,
    change: Callable[[], object],
    *,
    now: datetime,
    shows_money: bool,
) -> Consequences:
    """Return what a change would cause; nothing of it remains.

    The rows that it changes are locked meanwhile. Raises what the change raises.
    Without `shows_money`, reasons and alerts are named without amounts.
    """
    before = measure_state(organization, now, shows_money=shows_money)
    with transaction.atomic():
        change()
        rows = Organization.objects.select_related("white_label")
        changed = rows.get(pk=organization.pk)
        after = measure_state(changed, now, shows_money=shows_money)
        transaction.set_rollback(True)
    return compare_states(before, after)


def measure_state(
    organization: Organization, now: datetime, *, shows_money: bool
) -> State:
    """Return the state of an organization by the functions of the pages."""
    today = day_of(now, organization.white_label.zone)
    statuses = list_statuses(organization.pk, now=now)
    access = explain_access(organization, now=now)
    return State(
        entitlement_usage(organization, today=today),
        {(status.kind.slug, status.subject): status for status in statuses},
        [
            reason.message if shows_money else MESSAGES[reason.code]
            for reason in access.reasons
        ],
    )


def compare_states(before: State, after: State) -> Consequences:
    """Return what differs between two states."""
    pairs = zip(before.usage.all, after.usage.all, strict=True)
    since = before.usage.since, after.usage.since
    return Consequences(
        year=since if since[0] != since[1] else None,
        usage=[UsageChange(old, new) for old, new in pairs if old != new],
        alerts=[
            status
            for key, status in after.alerts.items()
            if status.is_new and not _is_new(before.alerts.get(key))
        ],
        rearmed=[
            status
            for key, status in after.alerts.items()
            if _is_triggered(before.alerts.get(key))
            and not (_is_triggered(status) or status.is_new)
        ],
        refused=after.refused if after.refused != before.refused else None,
    )


def _is_new(status: AlertStatus | None) -> bool:
    return status is not None and status.is_new


def _is_triggered(status: AlertStatus | None) -> bool:
    return status is not None and status.status is Status.TRIGGERED
