"""The status of each alert, and what other spending or limits would trigger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from billing.alerts.kinds import ALERT_KINDS, AlertKind, Measure, is_beyond
from billing.alerts.queries.measuring import Measured, Suppose, measure, plain
from billing.alerts.queries.recipients import Told, find_recipients
from billing.models import Alert, SpendingLimit
from orgs.web.templatetags import display


class Verdict(StrEnum):
    """The status of one kind of alert: the first reason why its email is not sent."""

    NOTHING = "nothing"  # not applicable: no limit, no trial, …
    RECORDED = "recorded"  # triggered before, for this period and limit
    INCONCLUSIVE = "inconclusive"  # usage of a day is missing or may still arrive
    BELOW = "below"
    BEYOND = "beyond"  # a later kind of the same ladder is sent instead
    SNOOZED = "snoozed"
    NOBODY = "nobody"  # no recipients
    FIRES = "fires"  # sent by the next evaluation


@dataclass(frozen=True, slots=True)
class Explanation:
    """The status of one kind of alert of one subject, with its current figures.

    `alert` is the alert that was recorded before, with the figures of that time.
    """

    kind: AlertKind
    verdict: Verdict
    words: str
    measured: Measured | None = None
    alert: Alert | None = None

    @property
    def subject(self) -> str:
        return self.measured.subject if self.measured else ""

    @property
    def threshold(self) -> Decimal | None:
        return self.measured.threshold(self.kind) if self.measured else None

    @property
    def is_new(self) -> bool:
        """Whether the next evaluation records an alert, whether or not it is sent."""
        return self.verdict in _NEW


_NEW = (Verdict.BEYOND, Verdict.SNOOZED, Verdict.NOBODY, Verdict.FIRES)
_Key = tuple[str, str, Decimal, str, int]


def explain(
    organization_id: int,
    *,
    now: datetime,
    kind: str = "",
    suppose: Suppose | None = None,
    told: Told | None = None,
) -> list[Explanation]:
    """Return the status of every kind of alert, or of one, for each of its subjects.

    Nothing is written. Costs four statements; three with the recipients in `told`.
    """
    found = measure(organization_id, now=now, suppose=suppose)
    recorded = _recorded(organization_id, found)
    told = told or find_recipients([organization_id])[organization_id]
    kinds = [ALERT_KINDS[kind]] if kind else list(ALERT_KINDS.values())
    return [
        explanation
        for one in kinds
        for explanation in _explain(one, found, recorded, told, now)
    ]


def simulate(
    organization_id: int, suppose: Suppose, *, now: datetime
) -> list[Explanation]:
    """Return the alerts that would be recorded under the supposition."""
    found = explain(organization_id, now=now, suppose=suppose)
    return [one for one in found if one.is_new]


def preview_limits(
    organization_id: int, *, soft: Decimal | None, hard: Decimal | None, now: datetime
) -> list[Explanation]:
    """Return the alerts that these limits would trigger; null or 0 is no limit.

    A limit that keeps its amount keeps its version and does not trigger again.
    """
    rows = SpendingLimit.objects.filter(organization=organization_id)
    was = {kind: amount or 0 for kind, amount in rows.values_list("kind", "amount")}
    wanted = {"soft": soft or Decimal(0), "hard": hard or Decimal(0)}
    other = {kind: to for kind, to in wanted.items() if was.get(kind, 0) != to}
    return simulate(organization_id, Suppose(**other), now=now)


def _recorded(organization_id: int, found: Sequence[Measured]) -> dict[_Key, Alert]:
    rows = Alert.objects.filter(
        organization=organization_id, period__in={one.period for one in found}
    )
    return {
        (row.kind, row.subject, row.threshold, row.period, row.limit_version): row
        for row in rows.order_by("id")
    }


def _explain(
    kind: AlertKind,
    found: Sequence[Measured],
    recorded: dict[_Key, Alert],
    told: Told,
    now: datetime,
) -> list[Explanation]:
    own = [one for one in found if one.measure == kind.measure]
    if not own:
        return [Explanation(kind, Verdict.NOTHING, _NOTHING[kind.measure])]
    late = _late_since(found)
    return [_of(kind, one, recorded, told, now, late) for one in own]


def _of(  # noqa: PLR0917
    kind: AlertKind,
    measured: Measured,
    recorded: dict[_Key, Alert],
    told: Told,
    now: datetime,
    late: str,
) -> Explanation:
    if alert := recorded.get(_key(kind, measured)):
        words = alert.reason or f"{alert.get_state_display()}."
        return Explanation(kind, Verdict.RECORDED, words, measured, alert)
    verdict, words = (
        _crossed(kind, measured, recorded, told, now)
        if measured.is_reached(kind)
        else _not_crossed(kind, measured, late)
    )
    return Explanation(kind, verdict, words, measured)


def _late_since(found: Sequence[Measured]) -> str:
    """Return the last day with usage if complete days without follow it, else ""."""
    silences = (one for one in found if one.measure == Measure.SILENCE)
    missed = [one for one in silences if one.is_conclusive and one.value >= 1]
    return str(missed[0].more["last_used_on"]) if missed else ""


def _key(kind: AlertKind, one: Measured) -> _Key:
    return kind.slug, one.subject, one.threshold(kind), one.period, one.version


def _not_crossed(kind: AlertKind, one: Measured, late: str) -> tuple[Verdict, str]:
    if not one.is_conclusive:
        return Verdict.INCONCLUSIVE, _UNSURE[one.measure]
    if late and one.measure in _OF_USAGE and one.subject not in _HEADS:
        last = display.day_year(date.fromisoformat(late))
        words = f"At {_share(one)}%. Usage after {last} may still arrive."
        return Verdict.INCONCLUSIVE, words
    if kind.counts_down:
        left, alerts_at = _days(one.value), _days(Decimal(kind.threshold))
        return Verdict.BELOW, f"{left} left; alerts at {alerts_at}."
    return Verdict.BELOW, f"At {_share(one)}%; alerts at {kind.threshold}%."


def _days(number: Decimal) -> str:
    days = plain(round(number, 1))
    return f"{days} day" if days == "1" else f"{days} days"


def _share(one: Measured) -> str:
    return plain(round(100 * one.value / one.base, 1)) if one.base else "0"


def _crossed(
    kind: AlertKind,
    one: Measured,
    recorded: dict[_Key, Alert],
    told: Told,
    now: datetime,
) -> tuple[Verdict, str]:
    if beyond := _beyond(kind, one, recorded):
        return Verdict.BEYOND, f'Covered by the alert "{beyond.label}".'
    if told.snoozed_until is not None and told.snoozed_until > now:
        until = display.instant(told.snoozed_until)
        return Verdict.SNOOZED, f"Recorded but not sent: snoozed until {until}."
    if not told.of(kind):
        return Verdict.NOBODY, "Recorded but not sent: no recipients."
    return Verdict.FIRES, "An email will be sent at the next evaluation."


def _beyond(
    kind: AlertKind, one: Measured, recorded: dict[_Key, Alert]
) -> AlertKind | None:
    """Return a later kind of the ladder that also triggers and is not recorded yet."""
    return next(
        (
            other
            for other in ALERT_KINDS.values()
            if is_beyond(other, kind)
            and one.is_reached(other)
            and _key(other, one) not in recorded
        ),
        None,
    )


_OF_USAGE = (Measure.SOFT, Measure.HARD, Measure.BALANCE, Measure.ENTITLEMENT)
_HEADS = ("projects", "users")  # current counts: late usage does not change them
_NOTHING = {
    Measure.SOFT: "No soft limit is set.",
    Measure.HARD: "No hard limit is set.",
    Measure.ENTITLEMENT: "No entitlement has a limit.",
    Measure.BALANCE: "No free balance, or not in a trial.",
    Measure.PAYMENT: "No failed payment.",
    Measure.RESET: "No billing period or contract year started in the last few days.",
    Measure.TRIAL: "Not in a trial with a known end date.",
    Measure.PACE: "No soft limit is set, or it has already been reached.",
    Measure.SPIKE: "No usage on any complete day of the last two weeks.",
    Measure.SILENCE: "No usage in recent weeks.",
}
_UNSURE = {
    Measure.PACE: "Usage of recent days may still arrive and raise the average.",
    Measure.SPIKE: "No usage yet on the last complete day, or too few days before it.",
    Measure.SILENCE: "No daily usage to compare with, or none for too long.",
}
