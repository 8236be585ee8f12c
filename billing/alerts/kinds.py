"""The kinds of alerts: what each measures, its threshold and how often it is sent.

A new kind of an existing measure needs a declaration here and a folder with the
templates of its email, named by its slug. A new measure: see `billing.alerts.measures`.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.alerts.measures import Measure, MeasureDefinition


class Cadence(StrEnum):
    """The time in which an alert of a threshold is sent at most once."""

    BILLING_PERIOD = "billing period"
    CONTRACT_YEAR = "contract year"
    OCCASION = "event"  # the end of a trial, a day, a gap in usage


@dataclass(frozen=True, slots=True)
class AlertKind:
    """A kind of alert; its slug is also the folder of the templates of its email.

    It triggers when the value reaches `threshold` percent of its base; a kind that
    counts down triggers when `threshold` days are left. Kinds of one `escalation`
    measure the same thing: of several that trigger together only the last is sent.
    Recipients cannot unsubscribe from a mandatory kind. A kind for staff is sent to
    finance and operators and never to the organization; snoozing does not defer it.
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
        return base if self.definition.is_limit_amount else Decimal(self.threshold)

    def supersedes(self, other: "AlertKind") -> bool:
        """Return whether it is sent instead of `other` when both trigger together."""
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


def _usage(threshold: int) -> AlertKind:
    return AlertKind(
        f"usage_{threshold}",
        f"{threshold}% of an entitlement used",
        Measure.ENTITLEMENT,
        threshold,
        _YEAR,
        escalation="usage",
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
    AlertKind("soft_limit", "Soft limit reached", Measure.SOFT, 100, _PERIOD),
    AlertKind(
        "hard_limit",
        "Hard limit reached",
        Measure.HARD,
        100,
        _PERIOD,
        is_mandatory=True,
    ),
    *map(_usage, (50, 80, 90, 100)),
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
