"""The reasons why an organization needs action: labels, severity and weights.

The score of an organization is the sum of the points of its reasons: the weight of the
kind, and `per_day` more for each day that a reason lasts, for at most `MAX_DAYS` days.
This table is the only place that says how much a reason weighs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

MAX_DAYS = 30  # days that count into the points of a reason


class Severity(StrEnum):
    """How urgent a reason is, most urgent first."""

    CRITICAL = "critical"  # service is refused or money is lost now
    WARNING = "warning"  # it will be, or a person has to decide
    NOTICE = "notice"  # good to know before it becomes one of the others


Tone = Literal["", "good", "warn", "bad"]
TONES: dict[Severity, Tone] = {  # of badges
    Severity.CRITICAL: "bad",
    Severity.WARNING: "warn",
    Severity.NOTICE: "",
}


class ReasonKind(StrEnum):
    """Kinds of reasons, the heaviest first."""

    HARD_LIMIT = "hard_limit"
    UNPAID = "unpaid"
    TRIAL_OVER = "trial_over"  # the trial has ended, but not yet in Stripe
    DISPUTED = "disputed"  # a bank waits for evidence
    OVERDUE = "overdue"
    UNBILLED = "unbilled"  # charges that Stripe's invoices lack, or have twice
    DUPLICATE = "duplicate_subscriptions"
    ENTITLEMENT = "entitlement"
    PAUSED = "paused"
    SEATS_UNPAID = "seats_unpaid"
    PAST_DUE = "past_due"
    UNPRICED = "unpriced"
    UNKNOWN_SUBSCRIPTION = "unknown_subscription"
    SOFT_LIMIT = "soft_limit"
    DISCREPANCY = "discrepancy"
    SPIKE = "spike"
    NO_USAGE = "no_usage"
    EMAIL_FAILED = "email_failed"
    INTEGRATION_FAILING = "integration_failing"
    WEBHOOK_DISABLED = "webhook_disabled"  # because of a fault
    ENTITLEMENT_FORECAST = "entitlement_forecast"
    TRIAL_LOST = "trial_lost"  # the trial has ended without a subscription
    LIMIT_FORECAST = "limit_forecast"
    NO_RECIPIENT = "no_recipient"
    TRIAL_ENDING = "trial_ending"
    SEATS_PAUSED = "seats_paused"
    INACTIVE = "inactive"
    FORMER_TRIAL = "former_trial"  # a trial that was lost long ago


@dataclass(frozen=True, slots=True)
class ReasonDefinition:
    """The label, severity and weight of a kind, and the page where it is solved.

    `route` is a URL name that takes an organization ID. `refuses` marks the kinds for
    which the access check refuses service. A kind that is `superseded_by` another is
    not shown beside it: both state the same.
    """

    label: str
    severity: Severity
    weight: int
    route: str
    per_day: int = 0
    refuses: bool = False
    superseded_by: ReasonKind | None = None


_K, _S = ReasonKind, Severity
_ALERTS, _BILLING = "billing:alerts", "billing:billing"
DEFINITIONS: dict[ReasonKind, ReasonDefinition] = {
    _K.HARD_LIMIT: ReasonDefinition(
        "Hard limit reached", _S.CRITICAL, 100, _ALERTS, per_day=1, refuses=True
    ),
    _K.UNPAID: ReasonDefinition(
        "Subscription unpaid", _S.CRITICAL, 100, _BILLING, per_day=1, refuses=True
    ),
    _K.TRIAL_OVER: ReasonDefinition(
        "Trial ended, not updated in Stripe", _S.CRITICAL, 90, _BILLING, refuses=True
    ),
    _K.DISPUTED: ReasonDefinition("Payment disputed", _S.CRITICAL, 70, _BILLING),
    _K.OVERDUE: ReasonDefinition(
        "Invoice overdue", _S.CRITICAL, 60, _BILLING, per_day=1
    ),
    _K.UNBILLED: ReasonDefinition(
        "Invoice differs from charges", _S.CRITICAL, 60, _BILLING
    ),
    _K.DUPLICATE: ReasonDefinition(
        "Duplicate active subscriptions", _S.CRITICAL, 60, _BILLING
    ),
    _K.ENTITLEMENT: ReasonDefinition(
        "Entitlement reached", _S.CRITICAL, 50, "billing:overview"
    ),
    _K.PAUSED: ReasonDefinition(
        "Subscription paused", _S.WARNING, 50, _BILLING, refuses=True
    ),
    _K.SEATS_UNPAID: ReasonDefinition(
        "Seats subscription unpaid", _S.CRITICAL, 45, _BILLING
    ),
    _K.PAST_DUE: ReasonDefinition("Payment past due", _S.CRITICAL, 45, _BILLING),
    _K.UNPRICED: ReasonDefinition(
        "Usage without a price", _S.CRITICAL, 40, "billing:periods"
    ),
    _K.UNKNOWN_SUBSCRIPTION: ReasonDefinition(
        "Unknown subscription item", _S.WARNING, 40, _BILLING
    ),
    _K.SOFT_LIMIT: ReasonDefinition(
        "Soft limit reached", _S.WARNING, 30, _ALERTS, superseded_by=_K.HARD_LIMIT
    ),
    _K.DISCREPANCY: ReasonDefinition("Differs from Stripe", _S.WARNING, 25, _BILLING),
    _K.SPIKE: ReasonDefinition("Spend spike", _S.WARNING, 20, "billing:costs"),
    _K.NO_USAGE: ReasonDefinition("No usage received", _S.WARNING, 20, "metrics:usage"),
    _K.EMAIL_FAILED: ReasonDefinition("Alert email failed", _S.WARNING, 20, _ALERTS),
    _K.INTEGRATION_FAILING: ReasonDefinition(
        "Integration failing", _S.WARNING, 20, "billing:integrations"
    ),
    _K.WEBHOOK_DISABLED: ReasonDefinition(
        "Webhook endpoint disabled", _S.WARNING, 20, "billing:organization_webhooks"
    ),
    _K.ENTITLEMENT_FORECAST: ReasonDefinition(
        "Entitlement nearly used", _S.WARNING, 15, "billing:overview"
    ),
    _K.TRIAL_LOST: ReasonDefinition(
        "Trial ended, no subscription", _S.WARNING, 15, _BILLING, refuses=True
    ),
    _K.LIMIT_FORECAST: ReasonDefinition(
        "Forecast to reach a limit", _S.NOTICE, 10, _ALERTS
    ),
    _K.NO_RECIPIENT: ReasonDefinition(
        "Alert without recipients", _S.NOTICE, 10, _ALERTS
    ),
    _K.TRIAL_ENDING: ReasonDefinition("Trial ending", _S.NOTICE, 10, _BILLING),
    _K.SEATS_PAUSED: ReasonDefinition(
        "Seats subscription paused", _S.NOTICE, 10, _BILLING
    ),
    _K.INACTIVE: ReasonDefinition(
        "Organization inactive", _S.NOTICE, 5, "billing:access", refuses=True
    ),
    _K.FORMER_TRIAL: ReasonDefinition(
        "Trial ended long ago", _S.NOTICE, 1, _BILLING, refuses=True
    ),
}


class ReasonGroup(StrEnum):
    """Groups of reasons: the filters of Needs action, and tabs of the list."""

    REFUSED = "refused"
    LIMITS = "limits"
    ENTITLEMENTS = "entitlements"
    PAYMENTS = "payments"
    STRIPE = "stripe"
    PRICING = "pricing"
    USAGE = "usage"
    EMAILS = "emails"
    INTEGRATIONS = "integrations"
    TRIALS = "trials"


GROUP_LABELS = {
    ReasonGroup.REFUSED: "Refused",
    ReasonGroup.LIMITS: "Limits",
    ReasonGroup.ENTITLEMENTS: "Entitlements",
    ReasonGroup.PAYMENTS: "Payments",
    ReasonGroup.STRIPE: "Differs from Stripe",
    ReasonGroup.PRICING: "No price",
    ReasonGroup.USAGE: "Unusual usage",
    ReasonGroup.EMAILS: "Emails",
    ReasonGroup.INTEGRATIONS: "Integrations",
    ReasonGroup.TRIALS: "Trials",
}
# A kind may be in several groups: a hard limit that is reached also refuses service.
GROUPS: dict[ReasonGroup, frozenset[ReasonKind]] = {
    ReasonGroup.REFUSED: frozenset(
        kind for kind, definition in DEFINITIONS.items() if definition.refuses
    ),
    ReasonGroup.LIMITS: frozenset((_K.HARD_LIMIT, _K.SOFT_LIMIT, _K.LIMIT_FORECAST)),
    ReasonGroup.ENTITLEMENTS: frozenset((_K.ENTITLEMENT, _K.ENTITLEMENT_FORECAST)),
    ReasonGroup.PAYMENTS: frozenset(
        (_K.OVERDUE, _K.UNPAID, _K.SEATS_UNPAID, _K.PAST_DUE, _K.DISPUTED)
    ),
    ReasonGroup.STRIPE: frozenset(
        (_K.UNBILLED, _K.DUPLICATE, _K.UNKNOWN_SUBSCRIPTION, _K.DISCREPANCY)
    ),
    ReasonGroup.PRICING: frozenset((_K.UNPRICED,)),
    ReasonGroup.USAGE: frozenset((_K.SPIKE, _K.NO_USAGE)),
    ReasonGroup.EMAILS: frozenset((_K.EMAIL_FAILED, _K.NO_RECIPIENT)),
    ReasonGroup.INTEGRATIONS: frozenset((_K.INTEGRATION_FAILING, _K.WEBHOOK_DISABLED)),
    ReasonGroup.TRIALS: frozenset(
        (_K.TRIAL_ENDING, _K.TRIAL_OVER, _K.TRIAL_LOST, _K.FORMER_TRIAL)
    ),
}


def kinds_of(names: Iterable[str]) -> frozenset[ReasonKind]:
    """Return the kinds that names of groups and kinds stand for.

    Raises `ValueError` for a name of neither.
    """
    kinds: set[ReasonKind] = set()
    for name in names:
        is_group = name in tuple(ReasonGroup)
        kinds |= GROUPS[ReasonGroup(name)] if is_group else {ReasonKind(name)}
    return frozenset(kinds)
