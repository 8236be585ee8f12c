"""The status of each alert, and what other spending or limits would trigger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from billing.alerts.kinds import AlertKind, AlertPercents, kinds_at
from billing.alerts.measures import ENTITLEMENTS, Measure
from billing.alerts.queries.expectations import Scenario
from billing.alerts.queries.measurements import Measurement, measure
from billing.alerts.queries.recipients import Recipients, find_recipients
from billing.models import Alert, SpendingLimit
from orgs.decimals import plain
from orgs.web.templatetags import display


class Status(StrEnum):
    """The status of one kind of alert: the first reason why its email is not sent."""

    NOT_APPLICABLE = "not_applicable"  # no limit, no trial, …
    TRIGGERED = "triggered"  # recorded before, for this period and limit
    INSUFFICIENT_DATA = "insufficient_data"  # usage is missing or may still arrive
    NOT_REACHED = "not_reached"
    COVERED = "covered"  # a later kind of the same escalation is sent instead
    SNOOZED = "snoozed"
    NO_RECIPIENTS = "no_recipients"
    WILL_BE_SENT = "will_be_sent"  # by the next evaluation


_NEW = (Status.COVERED, Status.SNOOZED, Status.NO_RECIPIENTS, Status.WILL_BE_SENT)


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """The status of one kind of alert of one subject, with its current figures.

    `alert` is the alert that was recorded before, with the figures of that time.
    """

    kind: AlertKind
    status: Status
    explanation: str
    measurement: Measurement | None = None
    alert: Alert | None = None

    @property
    def subject(self) -> str:
        """The entitlement, subscription or period; empty for an organization."""
        return self.measurement.subject if self.measurement else ""

    @property
    def threshold(self) -> Decimal | None:
        """The threshold as an alert records it; None without a measurement."""
        if self.measurement is None:
            return None
        return self.kind.recorded_threshold(self.measurement.base)

    @property
    def is_new(self) -> bool:
        """True when the next evaluation records an alert, even if it is not sent."""
        return self.status in _NEW


class _AlertKey(NamedTuple):
    """What identifies an alert of an organization."""

    kind: str
    subject: str
    threshold: Decimal
    period: str
    limit_version: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts of an organization that decide the status of its alerts."""

    measurements: Sequence[Measurement]
    recorded: dict[_AlertKey, Alert]
    recipients: Recipients
    now: datetime
    kinds: Sequence[AlertKind]  # that apply to the organization

    def silent_since(self) -> str:
        """Return the last day with usage if days without follow it, else ""."""
        silences = (m for m in self.measurements if m.measure == Measure.SILENCE)
        missing = [m for m in silences if m.is_conclusive and m.value >= 1]
        return str(missing[0].context["last_used_on"]) if missing else ""


def list_statuses(
    organization_id: int,
    *,
    now: datetime,
    kind: str = "",
    scenario: Scenario | None = None,
    recipients: Recipients | None = None,
    percents: AlertPercents | None = None,
) -> list[AlertStatus]:
    """Return the status of every kind of alert, or of one, for each of its subjects.

    `percents` are supposed instead of those that the organization has. Nothing is
    written. Costs four statements; three when `recipients` is passed.
    """
    measurements = measure(organization_id, now=now, scenario=scenario)
    recorded = _list_recorded(organization_id, measurements)
    recipients = recipients or find_recipients([organization_id])[organization_id]
    kinds = list(kinds_at(recipients.percents if percents is None else percents))
    facts = _Facts(measurements, recorded, recipients, now, kinds)
    return [
        status
        for kind_ in kinds
        if kind in ("", kind_.slug)
        for status in _statuses_of(kind_, facts)
    ]


def simulate(
    organization_id: int, scenario: Scenario, *, now: datetime
) -> list[AlertStatus]:
    """Return the alerts that would be recorded in the scenario."""
    statuses = list_statuses(organization_id, now=now, scenario=scenario)
    return [status for status in statuses if status.is_new]


def preview_limits(
    organization_id: int, *, soft: Decimal | None, hard: Decimal | None, now: datetime
) -> list[AlertStatus]:
    """Return the alerts that these limits would trigger; null or 0 is no limit.

    A limit that keeps its amount keeps its version and does not trigger again.
    """
    rows = SpendingLimit.objects.filter(organization=organization_id)
    current = {kind: amount or 0 for kind, amount in rows.values_list("kind", "amount")}
    edited = {"soft": soft or Decimal(0), "hard": hard or Decimal(0)}
    changed = {kind: to for kind, to in edited.items() if current.get(kind, 0) != to}
    return simulate(organization_id, Scenario(**changed), now=now)


def _list_recorded(
    organization_id: int, measurements: Sequence[Measurement]
) -> dict[_AlertKey, Alert]:
    periods = {measurement.period for measurement in measurements}
    rows = Alert.objects.filter(organization=organization_id, period__in=periods)
    return {
        _AlertKey(
            row.kind, row.subject, row.threshold, row.period, row.limit_version
        ): row
        for row in rows.order_by("id")
    }


def _statuses_of(kind: AlertKind, facts: _Facts) -> list[AlertStatus]:
    measurements = [m for m in facts.measurements if m.measure == kind.measure]
    if not measurements:
        text = kind.definition.not_applicable
        return [AlertStatus(kind, Status.NOT_APPLICABLE, text)]
    return [_status(kind, measurement, facts) for measurement in measurements]


def _status(kind: AlertKind, measurement: Measurement, facts: _Facts) -> AlertStatus:
    if alert := facts.recorded.get(_key(kind, measurement)):
        text = alert.reason or f"{alert.get_state_display()}."
        return AlertStatus(kind, Status.TRIGGERED, text, measurement, alert)
    decide = _if_reached if measurement.is_reached(kind) else _if_not_reached
    status, text = decide(kind, measurement, facts)
    return AlertStatus(kind, status, text, measurement)


def _key(kind: AlertKind, measurement: Measurement) -> _AlertKey:
    return _AlertKey(
        kind.slug,
        measurement.subject,
        kind.recorded_threshold(measurement.base),
        measurement.period,
        measurement.version,
    )


def _if_not_reached(
    kind: AlertKind, measurement: Measurement, facts: _Facts
) -> tuple[Status, str]:
    if not measurement.is_conclusive:
        return Status.INSUFFICIENT_DATA, kind.definition.insufficient_data
    percent, last_used_on = _percent(measurement), facts.silent_since()
    if last_used_on and _may_rise(measurement):
        day = display.day_year(date.fromisoformat(last_used_on))
        text = f"At {percent}%. Usage after {day} may still arrive."
        return Status.INSUFFICIENT_DATA, text
    if kind.counts_down:
        alerts_at = _days(Decimal(kind.threshold))
        return Status.NOT_REACHED, f"Alerts {alerts_at} before the end."
    return Status.NOT_REACHED, f"At {percent}%; alerts at {kind.threshold}%."


def _may_rise(measurement: Measurement) -> bool:
    """Return whether usage that arrives late would raise the value."""
    entitlement = ENTITLEMENTS.get(measurement.subject)
    is_current_count = entitlement is not None and entitlement.is_current_count
    return (
        measurement.measure.definition.is_raised_by_late_usage and not is_current_count
    )


def _days(number: Decimal) -> str:
    days = plain(round(number, 1))
    return f"{days} day" if days == "1" else f"{days} days"


def _percent(measurement: Measurement) -> str:
    if not measurement.base:
        return "0"
    return plain(round(100 * measurement.value / measurement.base, 1))


def _if_reached(
    kind: AlertKind, measurement: Measurement, facts: _Facts
) -> tuple[Status, str]:
    recipients = facts.recipients
    if superseding := _superseding_kind(kind, measurement, facts):
        return Status.COVERED, f'Covered by the alert "{superseding.label}".'
    if recipients.is_snoozed(kind, facts.now):
        until = display.instant(recipients.snoozed_until)
        return Status.SNOOZED, f"Recorded but not sent: snoozed until {until}."
    if not recipients.for_kind(kind):
        return Status.NO_RECIPIENTS, "Recorded but not sent: no recipients."
    return Status.WILL_BE_SENT, "An email will be sent at the next evaluation."


def _superseding_kind(
    kind: AlertKind, measurement: Measurement, facts: _Facts
) -> AlertKind | None:
    """Return a later kind that also triggers and is not recorded yet."""
    return next(
        (
            other
            for other in facts.kinds
            if other.supersedes(kind)
            and measurement.is_reached(other)
            and _key(other, measurement) not in facts.recorded
        ),
        None,
    )
