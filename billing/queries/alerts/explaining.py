"""Why an alert fired, why it did not, and what would fire if it were otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from billing.catalog import ALERT_KINDS, AlertKind, Measure, is_beyond
from billing.models import Alert, SpendingLimit
from billing.queries.alerts.measuring import Measured, Suppose, measure, plain
from billing.queries.alerts.recipients import Told, find_told


class Verdict(StrEnum):
    """What stands between a kind of alert and its letter, the first thing that does."""

    NOTHING = "nothing"  # there is nothing to measure: no limit, no trial, …
    RECORDED = "recorded"  # it is in the ledger, for this period and limit
    INCONCLUSIVE = "inconclusive"  # a day still arrives or is missing
    BELOW = "below"
    BEYOND = "beyond"  # a later step is crossed at once, and told instead
    SNOOZED = "snoozed"
    NOBODY = "nobody"  # there is no recipient
    FIRES = "fires"  # the next evaluation sends it


@dataclass(frozen=True, slots=True)
class Explanation:
    """One kind of alert of one subject: the numbers of now, and what they lead to.

    `alert` has the numbers of its moment in `facts`, and its own state and reason.
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
        """Whether an alert would be recorded, sent or not."""
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
    """Every kind, or one, of each subject it has; four statements, nothing written.

    Three where who is `told` is known.
    """
    found = measure(organization_id, now=now, suppose=suppose)
    recorded = _recorded(organization_id, found)
    told = told or find_told([organization_id])[organization_id]
    kinds = [ALERT_KINDS[kind]] if kind else list(ALERT_KINDS.values())
    return [
        explanation
        for one in kinds
        for explanation in _explain(one, found, recorded, told, now)
    ]


def simulate(
    organization_id: int, suppose: Suppose, *, now: datetime
) -> list[Explanation]:
    """What would be recorded if it were so, and is not."""
    found = explain(organization_id, now=now, suppose=suppose)
    return [one for one in found if one.is_new]


def preview_limits(
    organization_id: int, *, soft: Decimal | None, hard: Decimal | None, now: datetime
) -> list[Explanation]:
    """What would fire if these were the limits; null or 0 is none.

    One that stays as it is has the version it has, and is not told of again.
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
        if measured.is_crossed(kind)
        else _not_crossed(kind, measured, late)
    )
    return Explanation(kind, verdict, words, measured)


def _late_since(found: Sequence[Measured]) -> str:
    """The last day with usage of one that has some each day, where one is missing."""
    silences = (one for one in found if one.measure == Measure.SILENCE)
    missed = [one for one in silences if one.is_conclusive and one.value >= 1]
    return str(missed[0].more["last_used_on"]) if missed else ""


def _key(kind: AlertKind, one: Measured) -> _Key:
    return kind.slug, one.subject, one.threshold(kind), one.period, one.version


def _not_crossed(kind: AlertKind, one: Measured, late: str) -> tuple[Verdict, str]:
    if not one.is_conclusive:
        return Verdict.INCONCLUSIVE, _UNSURE[one.measure]
    if late and one.measure in _OF_USAGE and one.subject not in _HEADS:
        words = (
            f"At {_share(one)} % without the days after {late}: they may still arrive."
        )
        return Verdict.INCONCLUSIVE, words
    if kind.falls:
        days = plain(round(one.value, 1))
        return Verdict.BELOW, f"{days} days are left: told at {kind.threshold}."
    return Verdict.BELOW, f"At {_share(one)} %: told at {kind.threshold} %."


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
        return Verdict.BEYOND, f"{beyond.label} is crossed at once, and told instead."
    if told.snoozed_until is not None and told.snoozed_until > now:
        until = f"{told.snoozed_until:%Y-%m-%d %H:%M}"
        return Verdict.SNOOZED, f"Recorded, and not sent: snoozed until {until} UTC."
    if not told.of(kind):
        return Verdict.NOBODY, "Recorded, and not sent: there is nobody to tell."
    return Verdict.FIRES, "The next evaluation sends a letter."


def _beyond(
    kind: AlertKind, one: Measured, recorded: dict[_Key, Alert]
) -> AlertKind | None:
    """A later step that is crossed and not in the ledger either."""
    return next(
        (
            other
            for other in ALERT_KINDS.values()
            if is_beyond(other, kind)
            and one.is_crossed(other)
            and _key(other, one) not in recorded
        ),
        None,
    )


_OF_USAGE = (Measure.SOFT, Measure.HARD, Measure.BALANCE, Measure.ENTITLEMENT)
_HEADS = ("projects", "users")  # counted as they are, whatever usage arrives
_NOTHING = {
    Measure.SOFT: "There is no soft limit.",
    Measure.HARD: "There is no hard limit.",
    Measure.ENTITLEMENT: "No entitlement has a limit.",
    Measure.BALANCE: "No free balance pays: there is none, or no trial.",
    Measure.PAYMENT: "No payment is failing.",
    Measure.RESET: "No billing period or contract year began in the last days.",
    Measure.TRIAL: "It is in no trial whose end is known.",
    Measure.PACE: "There is no soft limit, or it is reached already.",
    Measure.SPIKE: "No complete day had usage in the last two weeks.",
    Measure.SILENCE: "There was no usage in the last weeks.",
}
_UNSURE = {
    Measure.PACE: "Days without usage may still arrive: the pace may be higher.",
    Measure.SPIKE: "The last complete day has no usage yet, or too few days before.",
    Measure.SILENCE: "Not each of its days before had usage, or the last is long ago.",
}
