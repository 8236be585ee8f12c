"""The kinds of alerts: what each measures, its threshold and how often it is sent.

A new kind of an existing measure needs a declaration here and a folder with the
templates of its email, nothing else.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Measure(StrEnum):
    """What an alert measures; `billing.alerts.queries` computes the values."""

    SOFT = "soft"  # payable cost of the open period against the soft limit
    HARD = "hard"  # the same cost against the hard limit
    ENTITLEMENT = "entitlement"  # usage of each entitlement that has a limit
    BALANCE = "balance"  # cost of the open period against the free balance, in a trial
    PAYMENT = "payment"  # 1 while the subscription is past due or unpaid
    RESET = "reset"  # 1 in the first days of a billing period or contract year
    TRIAL = "trial"  # days left in the trial
    PACE = "pace"  # projected cost at the period's end against the soft limit
    SPIKE = "spike"  # cost of the last complete day against the median before it
    SILENCE = "silence"  # complete days without usage after daily usage


DAILY = (Measure.PACE, Measure.SPIKE, Measure.SILENCE)  # of complete days only


class Cadence(StrEnum):
    """The time in which an alert of a threshold is sent at most once."""

    BILLING_PERIOD = "billing period"
    CONTRACT_YEAR = "contract year"
    OCCASION = "event"  # the end of a trial, a day, a gap in usage


@dataclass(frozen=True, slots=True)
class AlertKind:
    """One kind of alert.

    It triggers when the value reaches `threshold` percent of its base; a kind that
    counts down (`falls`) triggers when `threshold` days are left. Kinds of one `ladder`
    measure the same thing: of several that trigger together only the last is sent.
    Nobody can unsubscribe from a mandatory kind (`is_mandatory`).
    """

    slug: str
    label: str
    measure: Measure
    threshold: int
    cadence: Cadence
    alert_email: str  # the folder of the templates of its email
    is_mandatory: bool = False
    counts_down: bool = False
    ladder: str = ""

    @property
    def names_amount(self) -> bool:
        """Whether the threshold of its alerts is the amount of the limit."""
        return self.measure in _OF_AMOUNTS

    def is_reached(self, value: Decimal, base: Decimal) -> bool:
        """Return whether the value reaches the threshold, by the rule of the SQL.

        A value of 0 never does, not even for a limit of 0.
        """
        if self.counts_down:
            return value <= self.threshold
        return value > 0 and value * 100 >= base * self.threshold


_OF_AMOUNTS = frozenset((Measure.SOFT, Measure.HARD, Measure.BALANCE, Measure.PACE))
_PERIOD, _YEAR = Cadence.BILLING_PERIOD, Cadence.CONTRACT_YEAR
_OCCASION = Cadence.OCCASION


def _usage(threshold: int) -> AlertKind:
    slug = f"usage_{threshold}"
    label = f"{threshold}% of an entitlement used"
    return AlertKind(
        slug, label, Measure.ENTITLEMENT, threshold, _YEAR, slug, ladder="usage"
    )


def _trial(days: int) -> AlertKind:
    slug = f"trial_{days}"
    label = f"Trial ends in {days} day{'s' if days > 1 else ''}"
    return AlertKind(
        slug,
        label,
        Measure.TRIAL,
        days,
        _OCCASION,
        slug,
        counts_down=True,
        ladder="trial",
    )


ALERT_KINDS: dict[str, AlertKind] = {
    kind.slug: kind
    for kind in (
        AlertKind(
            "soft_limit",
            "Soft limit reached",
            Measure.SOFT,
            100,
            _PERIOD,
            "soft_limit",
        ),
        AlertKind(
            "hard_limit",
            "Hard limit reached",
            Measure.HARD,
            100,
            _PERIOD,
            "hard_limit",
            is_mandatory=True,
        ),
        *map(_usage, (50, 80, 90, 100)),
        AlertKind(
            "payment_failed",
            "Payment failed",
            Measure.PAYMENT,
            100,
            _PERIOD,
            "payment_failed",
            is_mandatory=True,
        ),
        AlertKind(
            "usage_reset",
            "Billing period reset",
            Measure.RESET,
            100,
            _OCCASION,
            "usage_reset",
        ),
        *map(_trial, (7, 1)),
        AlertKind(
            "balance_used",
            "Free balance used up",
            Measure.BALANCE,
            100,
            _PERIOD,
            "balance_used",
        ),
        AlertKind(
            "pace",
            "Forecast to exceed the soft limit",
            Measure.PACE,
            100,
            _PERIOD,
            "pace",
        ),
        AlertKind("spike", "Spend spike", Measure.SPIKE, 300, _OCCASION, "spike"),
        AlertKind(
            "stale_data",
            "No usage received",
            Measure.SILENCE,
            100,
            _OCCASION,
            "stale_data",
        ),
    )
}


def is_beyond(kind: AlertKind, other: AlertKind) -> bool:
    """Return whether `kind` is sent instead of `other` when both trigger together."""
    return kind.ladder == other.ladder != "" and (
        kind.threshold < other.threshold
        if kind.counts_down
        else kind.threshold > other.threshold
    )
