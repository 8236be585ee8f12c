"""What alerts measure: the unit, texts, figures and sample of each measure.

A new measure needs an entry of `MEASURES` here, the SQL of its value in
`billing.alerts.queries.statements`, and a kind of alert in `billing.alerts.kinds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any


class Unit(StrEnum):
    """The unit of a value and its base, as stored in the facts of an alert."""

    NONE = ""
    MONEY = "money"
    DAYS = "days"
    SECONDS = "seconds"
    BYTES = "bytes"
    COUNT = "count"


class Measure(StrEnum):
    """What an alert measures; `billing.alerts.queries` computes the values."""

    SOFT = "soft"  # payable cost of the open period against the soft limit
    HARD = "hard"  # the same cost against the hard limit
    ENTITLEMENT = "entitlement"  # usage of each entitlement that has a limit
    BALANCE = "balance"  # cost of the open period against the free balance, in a trial
    PAYMENT = "payment"  # 1 while the subscription is past due or unpaid
    RESET = "reset"  # 1 in the first days of a billing period or contract year
    TRIAL = "trial"  # days left in the trial
    RUN_RATE = "run_rate"  # expected cost at the period's end against the soft limit
    SPIKE = "spike"  # cost of the last complete day against the median before it
    UNPRICED = "unpriced"  # quantity without a price, of each product and meter
    WEBHOOK = "webhook_fault"  # 1 for each webhook endpoint that a fault disabled
    SILENCE = "silence"  # complete days without usage after daily usage

    @property
    def definition(self) -> "MeasureDefinition":
        """The declaration of this measure."""
        return MEASURES[self]


class Format(StrEnum):
    """How a figure is written; see `billing.alerts.emails.figures`."""

    MONEY = "money"
    DATE = "date"
    INSTANT = "instant"
    COUNT = "count"
    PERCENT = "percent"
    MULTIPLE = "multiple"
    STATUS = "status"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Figure:
    """A line in the table of an email: a label, and a fact in a format.

    The line is left out when the fact is unknown, when the fact `only_with` is unknown
    or 0, when the fact `only_without` is not, or for another subject.
    """

    label: str
    fact: str
    format: Format
    only_with: str = ""
    only_without: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Invented facts for previews, in the shape that alerts record.

    Without a `value`, the preview uses the threshold of its kind.
    """

    facts: Mapping[str, Any]
    subject: str = ""


@dataclass(frozen=True, slots=True)
class MeasureDefinition:
    """The unit, texts, figures and sample of a measure."""

    unit: Unit
    not_applicable: str  # why there is nothing to measure
    figures: tuple[Figure, ...]  # of its emails, the most important first
    sample: Sample
    insufficient_data: str = ""  # why the value is not conclusive
    is_daily: bool = False  # measured over complete days only, by the sweep
    is_limit_amount: bool = False  # thresholds are recorded as the amount of the base
    is_raised_by_late_usage: bool = False
    has_cost_chart: bool = False  # its emails show the cost of each day


@dataclass(frozen=True, slots=True)
class Entitlement:
    """An entitlement whose usage is measured."""

    limit: str  # the column of `orgs_entitlements`
    label: str
    limit_label: str
    unit: Unit
    is_yearly: bool = False  # counts per contract year
    is_current_count: bool = False  # late usage does not change it


ENTITLEMENTS = {  # by the subject of the alert
    "compute_seconds": Entitlement(
        "compute_seconds_per_year",
        "compute time",
        "compute time limit",
        Unit.SECONDS,
        is_yearly=True,
    ),
    "gpu_seconds": Entitlement(
        "gpu_seconds_per_year",
        "GPU time",
        "GPU time limit",
        Unit.SECONDS,
        is_yearly=True,
    ),
    "storage_bytes": Entitlement(
        "storage_bytes", "storage", "storage limit", Unit.BYTES
    ),
    "projects": Entitlement(
        "projects", "projects", "project limit", Unit.COUNT, is_current_count=True
    ),
    "users": Entitlement(
        "users", "users", "user limit", Unit.COUNT, is_current_count=True
    ),
}

_SOFT_LIMIT = Figure("Soft limit", "soft", Format.MONEY, only_with="soft")
_HARD_LIMIT = Figure("Hard limit", "hard", Format.MONEY, only_with="hard")
_FREE_BALANCE = Figure(
    "Free balance", "free_balance", Format.MONEY, only_with="free_balance"
)
_COST = Figure("Cost this period", "cost", Format.MONEY)
_PERIOD_START = Figure("Period start", "starts_at", Format.INSTANT)
_TRIAL_END = Figure("Trial ends", "trial_ends_at", Format.INSTANT)
_YEAR_START = Figure("Contract year start", "contract_year", Format.DATE)
_PAYABLE = (
    Figure(
        "Cost this period after free balance",
        "payable",
        Format.MONEY,
        only_with="free_balance",
    ),
    Figure("Cost this period", "payable", Format.MONEY, only_without="free_balance"),
)
_PERIOD = (
    replace(_FREE_BALANCE, label="Free balance (applied first)"),
    _PERIOD_START,
    Figure("Period end", "ends_at", Format.INSTANT),
)
_SPENDING = (*_PAYABLE, _SOFT_LIMIT, _HARD_LIMIT, *_PERIOD)

_SAMPLE_COSTS = (
    "212.40 198.10 240.75 251 219.30 118.20 96.55 231.90 246.35 262.80 258.15 271.60"
)
_SAMPLE_DAYS = [
    {"day": (date(2026, 11, 9) + timedelta(days=number)).isoformat(), "cost": cost}
    for number, cost in enumerate(_SAMPLE_COSTS.split())
]
_SAMPLE_SPENDING = {
    "cost": "13114.86",
    "payable": "13114.86",
    "free_balance": "0",
    "soft": "13000",
    "hard": "18000",
    "starts_at": "2026-11-01T00:00:00+01:00",
    "ends_at": "2026-12-01T00:00:00+01:00",
    "days": _SAMPLE_DAYS,
}

_SAMPLE_CAUSES = {
    "causes": [
        "$742.10 more gpt-4o tokens",
        "$241.80 from new claude-sonnet tokens",
        "$68.30 from the price change of a100-node on Nov 18, 2026",
    ],
    "causes_compared": "Nov 12, 2026",
}

MEASURES: dict[Measure, MeasureDefinition] = {
    Measure.SOFT: MeasureDefinition(
        unit=Unit.MONEY,
        not_applicable="No soft limit is set.",
        figures=_SPENDING,
        sample=Sample(_SAMPLE_SPENDING | {"value": "13114.86", "base": "13000"}),
        is_limit_amount=True,
        is_raised_by_late_usage=True,
        has_cost_chart=True,
    ),
    Measure.HARD: MeasureDefinition(
        unit=Unit.MONEY,
        not_applicable="No hard limit is set.",
        figures=(*_PAYABLE, _HARD_LIMIT, _SOFT_LIMIT, *_PERIOD),
        sample=Sample(
            _SAMPLE_SPENDING
            | {"value": "18020.11", "payable": "18020.11", "base": "18000"}
        ),
        is_limit_amount=True,
        is_raised_by_late_usage=True,
        has_cost_chart=True,
    ),
    Measure.ENTITLEMENT: MeasureDefinition(
        unit=Unit.NONE,  # that of each entitlement
        not_applicable="No entitlement has a limit.",
        figures=(
            Figure("Used", "used_text", Format.TEXT),
            Figure("Limit", "limit_text", Format.TEXT),
            Figure("Share used", "ratio", Format.PERCENT),
            _YEAR_START,
        ),
        sample=Sample(
            {"base": "3600000", "contract_year": "2026-03-01"},
            subject="compute_seconds",
        ),
        is_raised_by_late_usage=True,
    ),
    Measure.BALANCE: MeasureDefinition(
        unit=Unit.MONEY,
        not_applicable="No free balance, or not in a trial.",
        figures=(_COST, Figure("Free balance", "base", Format.MONEY), _TRIAL_END),
        sample=Sample(
            {"value": "512.60", "cost": "512.60", "base": "500", "soft": "2000"}
            | {"trial_ends_at": "2026-11-28T09:00:00+00:00"}
        ),
        is_limit_amount=True,
        is_raised_by_late_usage=True,
        has_cost_chart=True,
    ),
    Measure.PAYMENT: MeasureDefinition(
        unit=Unit.NONE,
        not_applicable="No failed payment.",
        figures=(
            Figure("Subscription status", "status", Format.STATUS),
            Figure("Cost this period", "payable", Format.MONEY),
        ),
        sample=Sample(
            {"value": "1", "base": "1", "status": "past_due", "payable": "842.17"},
            subject="sub_sample",
        ),
    ),
    Measure.RESET: MeasureDefinition(
        unit=Unit.NONE,
        not_applicable=(
            "No billing period or contract year started in the last few days."
        ),
        figures=(
            replace(_YEAR_START, subject="contract_year"),
            *(
                replace(figure, subject="billing_period")
                for figure in (_PERIOD_START, _SOFT_LIMIT, _HARD_LIMIT)
            ),
        ),
        sample=Sample(
            {"value": "1", "base": "1", "soft": "13000", "hard": "18000"}
            | {"starts_at": "2026-11-21T00:00:00+01:00"},
            subject="billing_period",
        ),
    ),
    Measure.TRIAL: MeasureDefinition(
        unit=Unit.DAYS,
        not_applicable="Not in a trial with a known end date.",
        figures=(_TRIAL_END, _COST, _FREE_BALANCE),
        sample=Sample(
            {"value": "1", "base": "0", "cost": "310.25", "free_balance": "500"},
            subject="sub_sample",
        ),
    ),
    Measure.RUN_RATE: MeasureDefinition(
        unit=Unit.MONEY,
        not_applicable="No soft limit is set, or it has already been reached.",
        insufficient_data="Less than a week of usage to forecast from.",
        figures=(
            Figure("Projected to reach soft limit", "projected_on", Format.DATE),
            Figure("Expected cost per day", "run_rate_per_day", Format.MONEY),
            Figure("Expected usage at period end", "value", Format.MONEY),
            Figure("Estimated invoice", "estimated_invoice", Format.MONEY),
            Figure("Invoice date", "estimated_invoice_on", Format.DATE),
            *_SPENDING,
        ),
        sample=Sample(
            _SAMPLE_SPENDING
            | {"payable": "9980.40", "value": "14760.20", "base": "13000"}
            | {"run_rate_per_day": "531.09", "estimated_invoice": "16759.20"}
            | {"estimated_invoice_on": "2026-12-01"}
            | {"projected_on": "2026-11-27"}
            | _SAMPLE_CAUSES
            | {"causes_compared": "Oct 1 \N{EN DASH} Oct 20, 2026"}
        ),
        is_daily=True,
        is_limit_amount=True,
        has_cost_chart=True,
    ),
    Measure.SPIKE: MeasureDefinition(
        unit=Unit.MONEY,
        not_applicable="No usage on any complete day of the last two weeks.",
        insufficient_data=(
            "No usage yet on the last complete day, or too few days before it."
        ),
        figures=(
            Figure("Day", "day", Format.DATE),
            Figure("Cost that day", "value", Format.MONEY),
            Figure("Typical daily cost", "base", Format.MONEY),
            Figure("Compared with typical", "times", Format.MULTIPLE),
        ),
        sample=Sample(
            {"value": "1284.10", "base": "231.90", "day": "2026-11-20"}
            | {"days": [*_SAMPLE_DAYS[:-1], {"day": "2026-11-20", "cost": "1284.10"}]}
            | _SAMPLE_CAUSES,
            subject="2026-11-20",
        ),
        is_daily=True,
        has_cost_chart=True,
    ),
    Measure.UNPRICED: MeasureDefinition(
        unit=Unit.COUNT,
        not_applicable="All usage of the billing period has a price.",
        figures=(
            Figure("Product", "product", Format.TEXT),
            Figure("Meter", "meter", Format.TEXT),
            Figure("Quantity without a price", "value", Format.COUNT),
            _PERIOD_START,
        ),
        sample=Sample(
            {"value": "120000", "base": "1"}
            | {"starts_at": "2026-11-01T00:00:00+01:00"},
            subject="gpt-4o-mini prompt_tokens",
        ),
    ),
    Measure.WEBHOOK: MeasureDefinition(
        unit=Unit.NONE,
        not_applicable="No webhook endpoint was disabled because of a fault.",
        figures=(Figure("Endpoint", "subject", Format.TEXT),),
        sample=Sample({"value": "1", "base": "1"}, subject="Billing events"),
    ),
    Measure.SILENCE: MeasureDefinition(
        unit=Unit.DAYS,
        not_applicable="No usage in recent weeks.",
        insufficient_data="No daily usage to compare with, or none for too long.",
        figures=(
            Figure("Last day with usage", "last_used_on", Format.DATE),
            Figure("Full days without usage", "value", Format.COUNT),
        ),
        sample=Sample({"value": "2", "base": "1", "last_used_on": "2026-11-18"}),
        is_daily=True,
    ),
}


def unit_of(measure: Measure, subject: str) -> Unit:
    """Return the unit of a value; that of an entitlement is its subject's."""
    if subject in ENTITLEMENTS:
        return ENTITLEMENTS[subject].unit
    return measure.definition.unit
