"""Query of an organization's status badges: tier, trial, unpaid, over a limit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.utils import timezone

from billing.ledger.queries.facts import BillingFacts, billing_facts
from billing.models import Subscription
from metrics.queries.periods import PeriodCost
from orgs.days import days_until
from orgs.models import Organization
from orgs.web.templatetags.display import days_left, defined

Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A short status with a tone."""

    label: str
    tone: Tone = ""
    html: str = ""  # the label with the definition of its number, if it has one


def badges(
    organization: Organization, cost: PeriodCost, facts: BillingFacts | None = None
) -> list[Badge]:
    """Return an organization's badges, most urgent last.

    One query, none if `facts` are given. `cost` is that of the open period.
    """
    facts = facts or billing_facts([organization.id])[organization.id]
    return [
        *_activity_badges(organization),
        *_subscription_badges(facts, timezone.now(), organization),
        *_limit_badges(facts, facts.payable(cost.cost)),
        *_overdue_badges(facts.overdue),
    ]


def _activity_badges(organization: Organization) -> list[Badge]:
    if organization.deleted_at:
        return [Badge("Deleted", "bad")]
    return [] if organization.is_active else [Badge("Inactive", "warn")]


def _subscription_badges(
    facts: BillingFacts, now: datetime, organization: Organization
) -> list[Badge]:
    if facts.tier is None or facts.status is None:
        return [Badge("No subscription")]
    tier = Badge(f"{facts.tier.title()} · {facts.cycle}")
    match Subscription.Status(facts.status):
        case Subscription.Status.TRIALING:
            return [_trial_badge(facts.trial_ends_at, now, organization)]
        case Subscription.Status.PAUSED:
            return [tier, Badge("Paused", "warn")]
        case Subscription.Status.UNPAID | Subscription.Status.PAST_DUE as status:
            return [tier, Badge(str(status.label), "bad")]
    return [tier]


def _trial_badge(
    ends_at: datetime | None, now: datetime, organization: Organization
) -> Badge:
    if ends_at is None:
        return Badge("Trial")
    if ends_at <= now:
        return Badge("Trial ended", "bad")
    days = days_until(ends_at, now, organization.white_label.zone)
    text = f"Trial ends {days_left(days)}"
    number, id_ = "organization.trial_days_left", organization.pk
    return Badge(text, "warn", defined(text, days, "days", number=number, of=id_))


def day_count(number: int) -> str:
    """Return `1 day`, `2 days`."""
    return f"{number} day{'' if number == 1 else 's'}"


def _limit_badges(facts: BillingFacts, payable: Decimal) -> list[Badge]:
    """Return a badge of the highest limit that is reached, if any."""
    if facts.hard is not None and payable >= facts.hard:
        return [Badge("Over hard limit", "bad")]
    if facts.soft is not None and payable >= facts.soft:
        return [Badge("Over soft limit", "warn")]
    return []


def _overdue_badges(overdue: timedelta | None) -> list[Badge]:
    if not overdue:
        return []
    since = f"{day_count(overdue.days)} overdue" if overdue.days else "overdue"
    return [Badge(f"Invoice {since}", "bad")]
