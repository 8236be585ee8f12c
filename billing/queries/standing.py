"""How an organization stands, in a few words: tier, trial, unpaid, over a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from django.utils import timezone

from billing.models import Invoice, SpendingLimit, Subscription
from billing.models.mirrors import LIVE
from metrics.queries import PeriodCost
from orgs.models import Organization

Tone = Literal["", "good", "warn", "bad"]
_RECENT_INVOICES = 24


@dataclass(frozen=True, slots=True)
class Badge:
    label: str
    tone: Tone = ""


def badges(organization: Organization, cost: PeriodCost) -> list[Badge]:
    return badges_of([organization], {organization.id: cost})[organization.id]


def badges_of(
    organizations: Sequence[Organization], costs: dict[int, PeriodCost]
) -> dict[int, list[Badge]]:
    """For a page of organizations, in three queries; most urgent last."""
    ids = [organization.id for organization in organizations]
    now = timezone.now()
    subscriptions = {
        subscription.organization_id: subscription
        for subscription in Subscription.objects.filter(
            organization_id__in=ids, kind=Subscription.Kind.PLATFORM, status__in=LIVE
        )
    }
    overdue = _overdue(ids, now)
    limits: dict[int, list[SpendingLimit]] = {}
    for limit in SpendingLimit.objects.filter(organization_id__in=ids, amount__gt=0):
        limits.setdefault(limit.organization_id, []).append(limit)
    return {
        organization.id: [
            *_deleted(organization),
            *_subscribed(subscriptions.get(organization.id), now),
            *_limited(
                limits.get(organization.id, []),
                costs.get(organization.id, PeriodCost()).cost,
            ),
            *_owing(overdue.get(organization.id), now),
        ]
        for organization in organizations
    }


def _overdue(ids: Sequence[int], now: datetime) -> dict[int, datetime]:
    """The oldest due date among the open invoices that are overdue."""
    rows = Invoice.objects.filter(
        organization_id__in=ids, status=Invoice.Status.OPEN, due_at__lt=now
    )
    due = rows.order_by("-due_at").values_list("organization_id", "due_at")
    return {id_: due_at for id_, due_at in due if due_at is not None}


def _deleted(organization: Organization) -> list[Badge]:
    if organization.deleted_at:
        return [Badge("Deleted", "bad")]
    return [] if organization.is_active else [Badge("Inactive", "warn")]


def _subscribed(subscription: Subscription | None, now: datetime) -> list[Badge]:
    if subscription is None:
        return [Badge("No subscription")]
    tier = Badge(f"{subscription.tier.title()} · {subscription.cycle}", "")
    match subscription.status:
        case Subscription.Status.TRIALING:
            return [_trial(subscription, now)]
        case Subscription.Status.PAUSED:
            return [tier, Badge("Paused", "warn")]
        case Subscription.Status.UNPAID | Subscription.Status.PAST_DUE:
            return [tier, Badge(subscription.get_status_display(), "bad")]
    return [tier]


def _trial(subscription: Subscription, now: datetime) -> Badge:
    if subscription.trial_ends_at is None:
        return Badge("Trial")
    days = (subscription.trial_ends_at - now).days
    if days < 0:
        return Badge("Trial over", "bad")
    return Badge(f"Trial ends in {days} d" if days else "Trial ends today", "warn")


def _limited(limits: Sequence[SpendingLimit], cost: Decimal) -> list[Badge]:
    """Only the highest limit crossed: over the hard one says enough."""
    crossed = {
        limit.kind
        for limit in limits
        if limit.amount is not None and cost >= limit.amount
    }
    if SpendingLimit.Kind.HARD in crossed:
        return [Badge("Over hard limit", "bad")]
    return [Badge("Over soft limit", "warn")] if crossed else []


def _owing(due_at: datetime | None, now: datetime) -> list[Badge]:
    if due_at is None:
        return []
    return [Badge(f"Invoice {(now - due_at).days} d overdue", "bad")]


def list_invoices(organization_id: int) -> list[Invoice]:
    """The last two years or so, newest first."""
    rows = Invoice.objects.filter(organization_id=organization_id)
    newest = rows.select_related("period").order_by("-issued_at", "-id")
    return list(newest[:_RECENT_INVOICES])
