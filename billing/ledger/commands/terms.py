"""Commands that close a period where the terms of a platform subscription change.

Free balance, price and cycle apply to the part of the usage that they belong to, so an
open period does not go on over these instants:

- the end of a trial, whether Stripe or a person ended it;
- a cancellation in a trial, which ends it early;
- the start of a trial, if there was usage before it;
- a restart of the billing cycle: another interval, or a reset of its anchor;
- the end of a month beside a plan with a longer cycle (`close_ended_months`).

The instants are read from the subscription as it is now. So it does not matter which
events of Stripe arrived, or in which order. Usage from the instant on moves to the next
period. `docs/billing-terms.md` has the rule for every change.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from billing.cycles import last_month_end
from billing.errors import PeriodClosed
from billing.ledger.commands.invoicing import charge_period
from billing.ledger.commands.periods import close_period
from billing.ledger.queries.terms import bills_months_of, find_with_terms
from billing.models import BillingPeriod, Subscription
from metrics.commands.splits import has_usage_before
from metrics.queries.periods import list_open_periods

# A change that is seen later changes nothing: usage of long ago would be billed apart.
RECENT_CHANGE = timedelta(days=40)


class _Boundary(NamedTuple):
    at: datetime
    reason: str  # a part of the idempotency key


def close_changed_terms(
    subscription_id: str,
    *,
    ended_at: datetime | None = None,
    before: datetime | None = None,
) -> list[BillingPeriod]:
    """Close the open period wherever the subscription's terms changed inside it.

    Call it whenever the subscription was read from Stripe, any number of times, and
    with `before` ahead of a draft that closes a period there. Terms of a subscription
    that has ended changed before `ended_at` only. Return the closed periods, whose
    charges wait for the next draft.
    """
    subscription = find_with_terms(subscription_id)
    if subscription is None:
        return []
    boundaries = _list_boundaries(subscription)
    if ended_at is None and subscription.status == _Status.CANCELED:
        ended_at = subscription.cancels_at  # its item was removed, and others go on
    if ended_at is not None:
        boundaries = _end_boundaries(subscription, boundaries, ended_at)
    if before is not None:
        boundaries = [boundary for boundary in boundaries if boundary.at < before]
    closed = (_close(subscription, boundary) for boundary in boundaries)
    return [period for period in closed if period is not None]


def close_ended_months(subscription_id: str) -> list[BillingPeriod]:
    """Close the period of the last month that ended beside a longer cycle.

    Months are counted from the start of Stripe's period, as Stripe counts them. Nothing
    happens for a cycle of a month or less, in a trial, while collection is paused, and
    if the white label bills usage with the plan.
    """
    subscription = find_with_terms(subscription_id)
    if subscription is None or not bills_months_of(subscription):
        return []
    starts_at, ends_at = subscription.period_starts_at, subscription.period_ends_at
    if starts_at is None or ends_at is None:
        return []
    latest = last_month_end(starts_at, until=min(timezone.now(), ends_at))
    if latest is None or latest == ends_at:
        return []  # the draft of the cycle bills the last month
    period = _close(subscription, _Boundary(latest, "month"))
    return [period] if period else []


def _list_boundaries(subscription: Subscription) -> list[_Boundary]:
    """Return the recent instants at which terms changed, the earliest first."""
    now, ends_at = timezone.now(), subscription.trial_ends_at
    instants = {
        "trial": ends_at if subscription.status != _Status.TRIALING else None,
        "cycle": _restarted_at(subscription),
        "start": _trial_start_with_usage(subscription),
    }
    boundaries = [
        _Boundary(at, reason)
        for reason, at in instants.items()
        if at is not None and now - RECENT_CHANGE < at <= now
    ]
    return sorted(boundaries)


_Status = Subscription.Status


def _end_boundaries(
    subscription: Subscription, boundaries: list[_Boundary], ended_at: datetime
) -> list[_Boundary]:
    """Return the boundaries of a subscription that has ended.

    If it ended in its trial, the trial ended then, too: free balance pays for the part
    until that instant, even if another subscription is live by now.
    """
    earlier = [boundary for boundary in boundaries if boundary.at < ended_at]
    starts_at, trial_ends_at = subscription.trial_starts_at, subscription.trial_ends_at
    is_in_trial = (
        starts_at is not None
        and trial_ends_at is not None
        and starts_at < ended_at < trial_ends_at
    )
    if is_in_trial and ended_at > timezone.now() - RECENT_CHANGE:
        return [*earlier, _Boundary(ended_at, "trial")]
    return earlier


def _restarted_at(subscription: Subscription) -> datetime | None:
    """Return when the billing cycle was restarted; None if it never was.

    The first cycle, which begins with the subscription, is no restart. While collection
    is paused the period stays open.
    """
    anchor, began_at = subscription.cycle_anchor_at, subscription.began_at
    if subscription.status == _Status.PAUSED or anchor is None or began_at is None:
        return None
    return anchor if anchor > began_at else None


def _trial_start_with_usage(subscription: Subscription) -> datetime | None:
    """Return the start of the trial if the open period has usage from before it."""
    starts_at = subscription.trial_starts_at
    period = next(iter(list_open_periods([subscription.organization_id])), None)
    if starts_at is None or period is None or starts_at <= period.starts_at:
        return None
    has_usage = has_usage_before(period.organization_id, period.number, starts_at)
    return starts_at if has_usage else None


@transaction.atomic
def _close(subscription: Subscription, boundary: _Boundary) -> BillingPeriod | None:
    """Close the open period at a boundary; None if it was closed there already."""
    at = boundary.at.astimezone(UTC)
    key = f"{boundary.reason}-{subscription.stripe_id}-{at:%Y%m%dT%H%M%S}"
    try:
        period = close_period(
            subscription.organization_id, ends_at=boundary.at, key=key, splits=True
        )
    except PeriodClosed:
        return None
    currency = subscription.organization.white_label.currency
    charge_period(period, subscription, draft="", invoice_currency=currency)
    return period
