"""Kinds of alerts: what each measures, when it is crossed, how often, whom it may miss.

A new kind is a new declaration here, a folder of its letter, and nothing else where it
measures what is measured already.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Measure(StrEnum):
    """What is measured; `billing.queries.alerts` knows how."""

    SOFT = "soft"  # the open period's payable cost, of the soft limit
    HARD = "hard"  # the same, of the hard limit
    ENTITLEMENT = "entitlement"  # use of each entitlement that has a limit
    BALANCE = "balance"  # the open period's cost, of the free balance, in a trial
    PAYMENT = "payment"  # 1 while Stripe cannot take the money
    RESET = "reset"  # 1 in the first days of a billing period or contract year
    TRIAL = "trial"  # days until the trial ends
    PACE = "pace"  # cost at the period's end at the pace of a week, of the soft limit
    SPIKE = "spike"  # the last complete day's cost, of the median of those before
    SILENCE = "silence"  # complete days without usage, where each day had some


DAILY = (Measure.PACE, Measure.SPIKE, Measure.SILENCE)  # judge complete days alone


class Cadence(StrEnum):
    """In what time a threshold is told of once."""

    BILLING_PERIOD = "billing period"
    CONTRACT_YEAR = "contract year"
    OCCASION = "occasion"  # a trial's end, a day, a silence


@dataclass(frozen=True, slots=True)
class AlertKind:
    """One kind of alert.

    Crossed when the value reaches `threshold` per cent of its base; one that `falls`,
    when so many days are left. Kinds of one `ladder` tell of one thing: of those newly
    crossed only the last goes out. A `duty` is told to everybody who gets letters.
    """

    slug: str
    label: str
    measure: Measure
    threshold: int
    cadence: Cadence
    letter: str  # the folder of its subject, text and HTML
    is_duty: bool = False
    falls: bool = False
    ladder: str = ""

    @property
    def names_amount(self) -> bool:
        """Whether the threshold of its alerts is the amount that was reached."""
        return self.measure in _OF_AMOUNTS

    def is_crossed(self, value: Decimal, base: Decimal) -> bool:
        """As the statement decides; nothing used crosses no limit, not even 0."""
        if self.falls:
            return value <= self.threshold
        return value > 0 and value * 100 >= base * self.threshold


_OF_AMOUNTS = frozenset((Measure.SOFT, Measure.HARD, Measure.BALANCE, Measure.PACE))
_PERIOD, _YEAR = Cadence.BILLING_PERIOD, Cadence.CONTRACT_YEAR
_OCCASION = Cadence.OCCASION


def _usage(threshold: int) -> AlertKind:
    slug = f"usage_{threshold}"
    label = f"{threshold} % of an entitlement used"
    return AlertKind(
        slug, label, Measure.ENTITLEMENT, threshold, _YEAR, slug, ladder="usage"
    )


def _trial(days: int) -> AlertKind:
    slug = f"trial_{days}"
    label = f"Trial ends in {days} day{'s' if days > 1 else ''}"
    return AlertKind(
        slug, label, Measure.TRIAL, days, _OCCASION, slug, falls=True, ladder="trial"
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
            is_duty=True,
        ),
        *map(_usage, (50, 80, 90, 100)),
        AlertKind(
            "payment_failed",
            "Payment failed",
            Measure.PAYMENT,
            100,
            _PERIOD,
            "payment_failed",
            is_duty=True,
        ),
        AlertKind(
            "usage_reset",
            "Usage starts anew",
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
        AlertKind("pace", "Soft limit ahead", Measure.PACE, 100, _PERIOD, "pace"),
        AlertKind(
            "spike", "Unusually dear day", Measure.SPIKE, 300, _OCCASION, "spike"
        ),
        AlertKind(
            "stale_data",
            "No usage arrives",
            Measure.SILENCE,
            100,
            _OCCASION,
            "stale_data",
        ),
    )
}


def is_beyond(kind: AlertKind, other: AlertKind) -> bool:
    """Whether it is told instead of the other, when both are crossed at once."""
    return kind.ladder == other.ladder != "" and (
        kind.threshold < other.threshold
        if kind.falls
        else kind.threshold > other.threshold
    )
