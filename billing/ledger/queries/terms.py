"""Queries of the terms of platform subscriptions: what is billed by the month."""

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from billing.models import BillingPeriod, Subscription
from orgs.sql import sql_list

_SHORTEST_MONTH = timedelta(days=28)
# Statuses in which Stripe bills the cycle of a subscription.
_BILLED = (
    Subscription.Status.ACTIVE,
    Subscription.Status.PAST_DUE,
    Subscription.Status.UNPAID,
)
# Cycles that are longer than any month; `Cycle.is_longer_than_a_month` in SQL.
IS_LONG = (
    Q(cycle_interval="year")
    | Q(cycle_interval="month", cycle_count__gt=1)
    | Q(cycle_interval="week", cycle_count__gt=4)
    | Q(cycle_interval="day", cycle_count__gt=31)
)
# When the open period of a live subscription `s` will close, as SQL: the next end of a
# month where usage is billed monthly, else the end of Stripe's period. Reads %(now)s.
# Months are counted as `last_month_end` counts them; Stripe's cycles have 36 at most.
USAGE_PERIOD_END = f"""
    case when s.status in {sql_list(_BILLED)}
        and (s.cycle_interval = 'year'
            or s.cycle_interval = 'month' and s.cycle_count > 1
            or s.cycle_interval = 'week' and s.cycle_count > 4
            or s.cycle_interval = 'day' and s.cycle_count > 31)
        and (select bills_usage_monthly from orgs_whitelabel
            where id = s.white_label_id)
    then least(s.period_ends_at, (
        select min(month.ends_at) from generate_series(1, 37) n
        cross join lateral (
            select (s.period_starts_at at time zone 'UTC' + make_interval(months => n))
                at time zone 'UTC' as ends_at) month
        where month.ends_at > %(now)s))
    else s.period_ends_at end"""  # noqa: S608  statuses are our own


def find_with_terms(subscription_id: str) -> Subscription | None:
    """Return a mirrored platform subscription with its organization, if it is one."""
    rows = Subscription.objects.select_related("organization__white_label")
    kind = Subscription.Kind.PLATFORM
    return rows.filter(stripe_id=subscription_id, kind=kind).first()


def bills_months_of(subscription: Subscription) -> bool:
    """Return whether usage is billed monthly beside the plan of a subscription."""
    is_on = subscription.organization.white_label.bills_usage_monthly
    is_billed = subscription.status in _BILLED
    return is_on and is_billed and subscription.cycle.is_longer_than_a_month


def monthly_billed_subscriptions() -> QuerySet[Subscription]:
    """Return the platform subscriptions beside which usage is billed monthly."""
    return Subscription.objects.filter(
        IS_LONG,
        kind=Subscription.Kind.PLATFORM,
        status__in=_BILLED,
        organization__white_label__bills_usage_monthly=True,
    )


def list_ended_months(limit: int) -> list[str]:
    """Return subscriptions whose month may have ended, by their Stripe ids.

    These are the ones whose open period began a month ago or earlier.
    """
    old = BillingPeriod.objects.filter(
        organization_id=OuterRef("organization_id"),
        ends_at=None,
        starts_at__lte=timezone.now() - _SHORTEST_MONTH,
    )
    rows = monthly_billed_subscriptions().filter(
        Exists(old), period_starts_at__lte=timezone.now() - _SHORTEST_MONTH
    )
    return list(rows.order_by("pk").values_list("stripe_id", flat=True)[:limit])


def list_with_boundaries(stripe_ids: Sequence[str]) -> set[str]:
    """Return the platform subscriptions whose open period may have to close.

    One statement for a page of a sync: most subscriptions have no change of terms.
    """
    start = BillingPeriod.objects.filter(
        organization_id=OuterRef("organization_id"), ends_at=None
    ).values("starts_at")
    now = timezone.now()
    rows = Subscription.objects.filter(
        stripe_id__in=stripe_ids, kind=Subscription.Kind.PLATFORM
    ).annotate(open_since=Subquery(start[:1]))
    has_changed = Q(trial_ends_at__gt=F("open_since"), trial_ends_at__lte=now) | Q(
        cycle_anchor_at__gt=F("open_since"),
        cycle_anchor_at__lte=now,
        began_at__lt=F("cycle_anchor_at"),  # the first cycle is no restart
    )
    has_month = IS_LONG & Q(open_since__lte=now - _SHORTEST_MONTH)
    ids = rows.filter(has_changed | has_month).values_list("stripe_id", flat=True)
    return set(ids)
