"""The kinds of alerts: what each measures, its threshold and how often it is sent.

A new kind of an existing measure needs a declaration here and a folder with the
templates of its email, named by its slug. A new measure: see `billing.alerts.measures`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from billing.alerts.measures import Measure, MeasureDefinition


class Cadence(StrEnum):
    """The time in which an alert of a threshold is sent at most once."""

    BILLING_PERIOD = "billing period"
    CONTRACT_YEAR = "contract year"
    OCCASION = "event"  # the end of a trial, a day, a gap in usage


class PercentList(StrEnum):
    """The lists of percentages that an organization may choose."""

    LIMITS = "limits"  # of the soft and of the hard limit
    ENTITLEMENTS = "entitlements"


# Those of an organization that has chosen none.
DEFAULT_PERCENTS = {
    PercentList.LIMITS: (100,),
    PercentList.ENTITLEMENTS: (50, 80, 90, 100),
}


@dataclass(frozen=True, slots=True)
class AlertPercents:
    """The percentages that an organization has chosen; None: the default ones."""

    limits: tuple[int, ...] | None = None
    entitlements: tuple[int, ...] | None = None

    def of(self, percent_list: PercentList) -> tuple[int, ...]:
        """Return the percentages that apply, ascending."""
        is_limits = percent_list is PercentList.LIMITS
        chosen = self.limits if is_limits else self.entitlements
        return DEFAULT_PERCENTS[percent_list] if chosen is None else chosen


@dataclass(frozen=True, slots=True)
class AlertKind:
    """A kind of alert; its slug is also the folder of the templates of its email.

    It triggers when the value reaches `threshold` percent of its base; a kind that
    counts down triggers when `threshold` days are left. Kinds of one `escalation`
    measure the same thing: of several that trigger together only the last is sent.
    Recipients cannot unsubscribe from a mandatory kind, and no other is sent instead. A
    kind for staff is sent to finance and operators and never to the organization;
    snoozing does not defer it.

    A kind with a `percent_list` applies to organizations whose list has its threshold;
    a mandatory one to all. One with a `label_at` is of every percentage of the list
    that no other kind of the measure has: see `at`.
    """

    slug: str
    label: str
    measure: Measure
    threshold: int
    cadence: Cadence
    is_mandatory: bool = False
    counts_down: bool = False
    escalation: str = ""
    is_for_staff: bool = False
    percent_list: PercentList | None = None
    label_at: str = ""

    def at(self, percent: int) -> "AlertKind":
        """Return the kind of one percentage."""
        return replace(self, threshold=percent, label=self.label_at.format(percent))

    @property
    def definition(self) -> MeasureDefinition:
        """The declaration of its measure."""
        return self.measure.definition

    def is_reached(self, value: Decimal, base: Decimal) -> bool:
        """Return whether the value reaches the threshold, by the rule of the SQL.

        A value of 0 never does, not even for a limit of 0.
        """
        if self.counts_down:
            return value <= self.threshold
        return value > 0 and value * 100 >= base * self.threshold

    def recorded_threshold(self, base: Decimal) -> Decimal:
        """Return the threshold that identifies an alert: the amount, or the percent."""
        has_amount = self.definition.is_limit_amount and not self.label_at
        return base if has_amount else Decimal(self.threshold)

    def supersedes(self, other: "AlertKind") -> bool:
        """Return whether it is sent instead of `other` when both trigger together."""
        if other.is_mandatory:
            return False
        return self.escalation == other.escalation != "" and (
            self.threshold < other.threshold
            if self.counts_down
            else self.threshold > other.threshold
        )


UNPRICED = "unpriced"
WEBHOOK_DISABLED = "webhook_disabled"
_PERIOD, _YEAR = Cadence.BILLING_PERIOD, Cadence.CONTRACT_YEAR
_OCCASION = Cadence.OCCASION
_ALL_USED = 100  # percent
_SAMPLE_PERCENT = 75  # in previews of emails of a chosen percentage


def _usage(threshold: int) -> AlertKind:
    return AlertKind(
        f"usage_{threshold}",
        f"{threshold}% of an entitlement used",
        Measure.ENTITLEMENT,
        threshold,
        _YEAR,
        escalation="usage",
        percent_list=PercentList.ENTITLEMENTS,
    )


def _share(slug: str, limit: str, measure: Measure, escalation: str) -> AlertKind:
    return AlertKind(
        slug,
        f"Chosen percentage of the {limit} used",
        measure,
        _SAMPLE_PERCENT,
        _PERIOD,
        escalation=escalation,
        percent_list=PercentList.LIMITS,
        label_at="{}% of the " + limit + " used",
    )


def _balance(slug: str, threshold: int) -> AlertKind:
    is_used_up = threshold == _ALL_USED
    used = "used up" if is_used_up else f"{threshold}% used"
    return AlertKind(
        slug,
        f"Free balance {used}",
        Measure.BALANCE,
        threshold,
        _PERIOD,
        escalation="balance",
    )


def _trial(days: int) -> AlertKind:
    return AlertKind(
        f"trial_{days}",
        f"Trial ends in {days} day{'s' if days > 1 else ''}",
        Measure.TRIAL,
        days,
        _OCCASION,
        counts_down=True,
        escalation="trial",
    )


_KINDS = (
    AlertKind(
        "soft_limit",
        "Soft limit reached",
        Measure.SOFT,
        100,
        _PERIOD,
        escalation="soft",
        percent_list=PercentList.LIMITS,
    ),
    AlertKind(
        "hard_limit",
        "Hard limit reached",
        Measure.HARD,
        100,
        _PERIOD,
        is_mandatory=True,
        escalation="hard",
        percent_list=PercentList.LIMITS,
    ),
    _share("soft_share", "soft limit", Measure.SOFT, "soft"),
    _share("hard_share", "hard limit", Measure.HARD, "hard"),
    *map(_usage, DEFAULT_PERCENTS[PercentList.ENTITLEMENTS]),
    AlertKind(
        "usage_share",
        "Chosen percentage of an entitlement used",
        Measure.ENTITLEMENT,
        _SAMPLE_PERCENT,
        _YEAR,
        escalation="usage",
        percent_list=PercentList.ENTITLEMENTS,
        label_at="{}% of an entitlement used",
    ),
    AlertKind(
        "payment_failed",
        "Payment failed",
        Measure.PAYMENT,
        100,
        _PERIOD,
        is_mandatory=True,
    ),
    AlertKind("usage_reset", "Billing period reset", Measure.RESET, 100, _OCCASION),
    *map(_trial, (7, 1)),
    *map(_balance, ("balance_80", "balance_used"), (80, 100)),
    AlertKind(
        "pace", "Forecast to exceed the soft limit", Measure.RUN_RATE, 100, _PERIOD
    ),
    AlertKind("spike", "Spend spike", Measure.SPIKE, 300, _OCCASION),
    AlertKind(
        UNPRICED,
        "Usage without a price",
        Measure.UNPRICED,
        100,
        _PERIOD,
        is_for_staff=True,
    ),
    AlertKind(
        WEBHOOK_DISABLED,
        "Webhook endpoint disabled",
        Measure.WEBHOOK,
        100,
        _OCCASION,
        is_for_staff=True,
    ),
    AlertKind("stale_data", "No usage received", Measure.SILENCE, 100, _OCCASION),
)
ALERT_KINDS: dict[str, AlertKind] = {kind.slug: kind for kind in _KINDS}


def fixed_thresholds(measure: Measure) -> list[int]:
    """Return the thresholds of a measure that have their own kind."""
    kinds = ALERT_KINDS.values()
    return [k.threshold for k in kinds if k.measure is measure and not k.label_at]


def kind_at(slug: str, threshold: Decimal) -> AlertKind:
    """Return the kind of an alert that was recorded at a threshold."""
    kind = ALERT_KINDS[slug]
    return kind.at(int(threshold)) if kind.label_at else kind


def kinds_at(percents: AlertPercents) -> Iterator[AlertKind]:
    """Yield the kinds that apply to an organization with these percentages."""
    for kind in ALERT_KINDS.values():
        if kind.percent_list is None:
            yield kind
            continue
        chosen = percents.of(kind.percent_list)
        if kind.label_at:
            fixed = fixed_thresholds(kind.measure)
            yield from (kind.at(percent) for percent in chosen if percent not in fixed)
        elif kind.is_mandatory or kind.threshold in chosen:
            yield kind
