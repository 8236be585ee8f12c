"""Queries of the terms of platform subscriptions: what is billed by the month."""

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from billing.cycles import MOST_WITHIN_A_MONTH
from billing.models import BillingPeriod, Subscription
from orgs.sql import sql_list

_SHORTEST_MONTH = timedelta(days=28)
# Statuses in which Stripe bills the cycle of a subscription.
_BILLED = (
    Subscription.Status.ACTIVE,
    Subscription.Status.PAST_DUE,
    Subscription.Status.UNPAID,
)
_IS_LONG = reduce(
    or_,
    (
        Q(cycle_interval=interval, cycle_count__gt=most)
        for interval, most in MOST_WITHIN_A_MONTH.items()
    ),
)
# Whether usage of a subscription `s` is billed monthly; `bills_months_of` in SQL.
_BILLS_MONTHS = f"""
    s.status in {sql_list(_BILLED)} and ({
    " or ".join(
        f"s.cycle_interval = '{interval}' and s.cycle_count > {most}"
        for interval, most in MOST_WITHIN_A_MONTH.items()
    )
}) and (select bills_usage_monthly from orgs_whitelabel
        where id = s.white_label_id)"""  # noqa: S608  values are our own
# The ends of months inside a period of a subscription `s`, counted as `last_month_end`
# counts them. Stripe's cycles have 36 months at most.
_MONTH_ENDS = """
    generate_series(1, 36) n cross join lateral (
        select (s.period_starts_at at time zone 'UTC' + make_interval(months => n))
            at time zone 'UTC' as ends_at) month"""
# When the open period of a live subscription `s` will close, as SQL: the next end of a
# month where usage is billed monthly, else the end of Stripe's period. Reads %(now)s.
USAGE_PERIOD_END = f"""
    case when {_BILLS_MONTHS}
    then least(s.period_ends_at, (
        select min(month.ends_at) from {_MONTH_ENDS} where month.ends_at > %(now)s))
    else s.period_ends_at end"""  # noqa: S608  values are our own
# The subscriptions whose open period has to close at an end of a month. The draft of
# the cycle bills the last month, so it is not among them.
_ENDED_MONTHS = f"""
select s.stripe_id
from billing_subscription s
join billing_billingperiod p on p.organization_id = s.organization_id
    and p.ends_at is null
cross join lateral (
    select max(month.ends_at) as ends_at from {_MONTH_ENDS}
    where month.ends_at <= least(%(now)s, s.period_ends_at)) latest
where s.kind = '{Subscription.Kind.PLATFORM}' and {_BILLS_MONTHS}
    and latest.ends_at > p.starts_at and latest.ends_at < s.period_ends_at
order by latest.ends_at, s.id
limit %(limit)s
"""  # noqa: S608  values are our own


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
        _IS_LONG,
        kind=Subscription.Kind.PLATFORM,
        status__in=_BILLED,
        organization__white_label__bills_usage_monthly=True,
    )


def list_ended_months(limit: int) -> list[str]:
    """Return subscriptions beside which a month ended, the longest ago first.

    They are Stripe ids. One whose month is closed is not returned again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENDED_MONTHS, {"now": timezone.now(), "limit": limit})
        return [stripe_id for (stripe_id,) in cursor.fetchall()]


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
    has_changed = (
        Q(trial_starts_at__gt=F("open_since"), trial_starts_at__lte=now)
        | Q(trial_ends_at__gt=F("open_since"), trial_ends_at__lte=now)
        | Q(
            cycle_anchor_at__gt=F("open_since"),
            cycle_anchor_at__lte=now,
            began_at__lt=F("cycle_anchor_at"),  # the first cycle is no restart
        )
    )
    has_month = _IS_LONG & Q(open_since__lte=now - _SHORTEST_MONTH)
    ids = rows.filter(has_changed | has_month).values_list("stripe_id", flat=True)
    return set(ids)
