"""How an organization stands, in a few words: tier, trial, unpaid, over a limit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.utils import timezone

from billing.ledger.queries.facts import BillingFacts, billing_facts
from billing.models import Subscription
from metrics.queries.periods import PeriodCost
from orgs.models import Organization

Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Badge:
    label: str
    tone: Tone = ""


def badges(
    organization: Organization, cost: PeriodCost, facts: BillingFacts | None = None
) -> list[Badge]:
    """Most urgent last. One query where the `facts` are not known."""
    facts = facts or billing_facts([organization.id])[organization.id]
    return [
        *_deleted(organization),
        *_subscribed(facts, timezone.now()),
        *_limited(facts, facts.payable(cost.cost)),
        *_owing(facts.overdue),
    ]


def _deleted(organization: Organization) -> list[Badge]:
    if organization.deleted_at:
        return [Badge("Deleted", "bad")]
    return [] if organization.is_active else [Badge("Inactive", "warn")]


def _subscribed(facts: BillingFacts, now: datetime) -> list[Badge]:
    if facts.tier is None or facts.status is None:
        return [Badge("No subscription")]
    tier = Badge(f"{facts.tier.title()} · {facts.cycle}")
    match Subscription.Status(facts.status):
        case Subscription.Status.TRIALING:
            return [_trial(facts.trial_ends_at, now)]
        case Subscription.Status.PAUSED:
            return [tier, Badge("Paused", "warn")]
        case Subscription.Status.UNPAID | Subscription.Status.PAST_DUE as status:
            return [tier, Badge(str(status.label), "bad")]
    return [tier]


def _trial(ends_at: datetime | None, now: datetime) -> Badge:
    if ends_at is None:
        return Badge("Trial")
    days = (ends_at - now).days
    if days < 0:
        return Badge("Trial ended", "bad")
    when = f"in {day_count(days)}" if days else "today"
    return Badge(f"Trial ends {when}", "warn")


def day_count(number: int) -> str:
    """Return `1 day`, `2 days`."""
    return f"{number} day{'' if number == 1 else 's'}"


def _limited(facts: BillingFacts, payable: Decimal) -> list[Badge]:
    """Only the highest limit crossed: over the hard one says enough."""
    if facts.hard is not None and payable >= facts.hard:
        return [Badge("Over hard limit", "bad")]
    if facts.soft is not None and payable >= facts.soft:
        return [Badge("Over soft limit", "warn")]
    return []


def _owing(overdue: timedelta | None) -> list[Badge]:
    if not overdue:
        return []
    since = f"{day_count(overdue.days)} overdue" if overdue.days else "overdue"
    return [Badge(f"Invoice {since}", "bad")]
