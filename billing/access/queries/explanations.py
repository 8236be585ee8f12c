"""The access of an organization explained: reasons with figures, and what lifts them.

The status line of the pages and the API call the same function.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.access.decision import AccessCase, AccessFacts
from billing.access.queries.facts import AccessDetails, list_access_details
from billing.access.queries.lifting import (
    LiftingAction,
    StripeState,
    list_lifting_actions,
    payment_link_action,
)
from billing.access.texts import invoice_count, local_day, owed_text, reason_text
from billing.models.mirrors import SubscriptionStatus
from orgs.days import days_until
from orgs.decimals import plain
from orgs.models import Organization
from orgs.web.templatetags.display import days_left, money

_TRIAL_ENDS_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ExplainedReason:
    """A reason to refuse access, or that service may stop, with what lifts it.

    `code` and `since` are those of `GET …/access`; `facts` can be stored as JSON.
    """

    code: str
    message: str
    since: datetime | None
    facts: dict[str, Any]
    actions: tuple[LiftingAction, ...]


@dataclass(frozen=True, slots=True)
class AccessExplanation:
    """The access of an organization for people: reasons, or none, and warnings.

    All reasons have to be lifted before access is allowed. Warnings do not refuse it.
    """

    reasons: tuple[ExplainedReason, ...]  # most severe first
    warnings: tuple[ExplainedReason, ...]
    refused_since: datetime | None = None  # of the access history, if recorded

    @property
    def is_allowed(self) -> bool:
        return not self.reasons

    @property
    def since(self) -> datetime | None:
        """Since when access is refused, as the access history has it.

        That may be earlier than all reasons: another one was lifted meanwhile. What is
        not recorded yet is refused since the earliest of its reasons.
        """
        if self.reasons and self.refused_since:
            return self.refused_since
        return min((row.since for row in self.reasons if row.since), default=None)


def explain_access(organization: Organization, *, now: datetime) -> AccessExplanation:
    """Return the access of an organization with reasons, figures and actions.

    One statement if access is allowed; seven more at most if Stripe has to be asked to
    change something. The organization needs its white label.
    """
    details = list_access_details([organization.pk], now=now)[organization.pk]
    stripe, zone = StripeState(organization), organization.white_label.zone
    reasons = []
    for refusal in details.case.facts.refusals(now):
        facts = reason_facts(refusal.code, details, now)
        actions = list_lifting_actions(
            refusal.code, details, zone=zone, now=now, stripe=stripe
        )
        text = reason_text(refusal.code, facts, zone)
        reasons.append(
            ExplainedReason(refusal.code, text, refusal.since, facts, actions)
        )
    warnings = _warnings(details, organization, stripe, now)
    since = details.case.facts.refused_since
    return AccessExplanation(tuple(reasons), tuple(warnings), since)


def preview_access(
    organization: Organization,
    *,
    soft: Decimal | None,
    hard: Decimal | None,
    now: datetime,
) -> list[str]:
    """Return the reasons to refuse access with other limits, as sentences.

    Empty if access would be allowed. One statement.
    """
    details = list_access_details([organization.pk], now=now)[organization.pk]
    changed = details.case.with_spending(now, soft=soft or None, hard=hard or None)
    return _texts_after(details, changed, organization, now)


def preview_free_balance(
    organization: Organization, amount: Decimal, *, now: datetime
) -> list[str]:
    """Return the reasons to refuse access with more free balance, as sentences.

    Free balance pays during a trial only; `amount` is below 0 for less. One statement.
    """
    details = list_access_details([organization.pk], now=now)[organization.pk]
    case = details.case
    if case.is_in_trial(now):
        balance = max(case.spending.free_balance + amount, Decimal(0))
        case = case.with_spending(now, free_balance=balance)
    return _texts_after(details, case, organization, now)


def _texts_after(
    details: AccessDetails,
    case: AccessCase,
    organization: Organization,
    now: datetime,
) -> list[str]:
    zone, after = organization.white_label.zone, replace(details, case=case)
    return [
        reason_text(code, reason_facts(code, after, now), zone)
        for code in case.refused_codes(now)
    ]


def reason_facts(code: str, details: AccessDetails, now: datetime) -> dict[str, Any]:
    """Return the figures of a reason, as they can be stored; amounts are text."""
    spending = details.case.spending
    if code == "hard_limit":
        return {
            "limit": None if spending.hard is None else plain(spending.hard),
            "used": plain(spending.payable),
            "free_balance": plain(spending.free_balance),
            "currency": details.currency,
            "period": details.period,
            "limit_version": details.hard_version,
        }
    if code == "unpaid":
        return _owed_facts(details)
    if code == "paused":
        return {"pause_reason": details.pause_reason}
    if code == "trial_over":
        ended_at = details.case.facts.since_by_code(now)["trial_over"]
        return {
            "trial_ended_at": ended_at.isoformat() if ended_at else None,
            "has_subscription": details.subscription_id is not None,
        }
    return {}


def _owed_facts(details: AccessDetails) -> dict[str, Any]:
    owed = {currency: plain(amount) for currency, amount in details.owed.items()}
    return {"invoices": len(details.invoices), "owed": owed}


def _warnings(
    details: AccessDetails,
    organization: Organization,
    stripe: StripeState,
    now: datetime,
) -> list[ExplainedReason]:
    """Return what may stop service next; nothing of an organization that is deleted."""
    facts, spending = details.case.facts, details.case.spending
    if facts.deleted_at is not None:
        return []
    rows = []
    if spending.is_over_hard and facts.over_since is None:
        rows.append(_limit_warning("hard_limit", spending.hard, details))
    elif spending.is_over_soft and not spending.is_over_hard:
        rows.append(_limit_warning("soft_limit", spending.soft, details))
    if facts.status == SubscriptionStatus.PAST_DUE:
        rows.append(_past_due(details, stripe))
    if _is_trial_ending(facts, now):
        rows.append(_trial_ending(facts, organization, now))
    return rows


_LIMIT_WARNINGS = {
    "hard_limit": "Hard limit {limit} reached ({used} used): access will be refused"
    " within a minute.",
    "soft_limit": "Soft limit {limit} reached ({used} used); service continues.",
}


def _limit_warning(
    code: str, limit: Decimal | None, details: AccessDetails
) -> ExplainedReason:
    payable, currency = details.case.spending.payable, details.currency
    text = _LIMIT_WARNINGS[code].format(
        limit=money(limit, currency), used=money(payable, currency)
    )
    facts = {
        "limit": None if limit is None else plain(limit),
        "used": plain(payable),
        "currency": currency,
    }
    return ExplainedReason(code, text, None, facts, ())


def _past_due(details: AccessDetails, stripe: StripeState) -> ExplainedReason:
    action = payment_link_action(details, stripe)
    number = len(details.invoices)
    owed = f" {invoice_count(number)}, {owed_text(details.owed)}." if number else ""
    text = (
        f"Payment failed and is tried again.{owed} Access is refused once Stripe stops"
        " trying."
    )
    return ExplainedReason(
        "past_due",
        text,
        details.case.facts.status_since,
        _owed_facts(details),
        (action,) if action else (),
    )


def _is_trial_ending(facts: AccessFacts, now: datetime) -> bool:
    ends_at = facts.trial_ends_at
    is_trialing = facts.status == SubscriptionStatus.TRIALING
    return (
        is_trialing
        and ends_at is not None
        and now < ends_at <= now + (_TRIAL_ENDS_WITHIN)
    )


def _trial_ending(
    facts: AccessFacts, organization: Organization, now: datetime
) -> ExplainedReason:
    ends_at = facts.trial_ends_at
    if ends_at is None:
        raise AssertionError("A trial that ends has an end.")
    zone = organization.white_label.zone
    when = days_left(days_until(ends_at, now, zone))
    text = f"The trial ends {when}, on {local_day(ends_at, zone)}."
    return ExplainedReason(
        "trial_ending", text, None, {"trial_ends_at": ends_at.isoformat()}, ()
    )
