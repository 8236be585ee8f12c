"""What the demo's organizations subscribed to, and at which prices."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing.models import Subscription as Sub
from config.dev.demo.fleet import Plan, State
from metrics.periods import add_months
from orgs.days import first_instant

# A month, in dollars or euros; a year costs ten of them.
TIERS = {"startup": Decimal(99), "growth": Decimal(499), "scale": Decimal(1999)}
SEAT = Decimal(20)
CURRENCIES = ("usd", "eur")
MONTHS_OF_A_YEAR = 10
_PAUSED = "Requested by the customer"
_STATUSES = {
    State.TRIAL: Sub.Status.TRIALING,
    State.PAUSED: Sub.Status.PAUSED,
    State.UNPAID: Sub.Status.UNPAID,
    State.DELETED: Sub.Status.CANCELED,
}


def tier_of(plan: Plan) -> str:
    return "startup" if plan.size < 0.5 else "growth" if plan.size < 2 else "scale"  # noqa: PLR2004


def price_id(name: str, cycle: str, currency: str) -> str:
    return f"price_demo_{name}_{cycle}_{currency}"


def has_spaces(plan: Plan) -> bool:
    return plan.state in (State.WATCHED, State.GROWING, State.CAPACITY)


def has_one_cart(plan: Plan) -> bool:
    """Return whether plan and seats are items of one subscription in Stripe."""
    return plan.state in (State.WATCHED, State.GROWING)


def subscriptions(
    plan: Plan, organization_id: int, *, currency: str, zone: ZoneInfo, now: datetime
) -> list[Sub]:
    """Return the subscriptions of a plan: platform, and spaces for some plans."""
    if plan.state is State.BRAND_NEW:
        return []
    start, end = _period(plan, zone, now)
    status, tier = _STATUSES.get(plan.state, Sub.Status.ACTIVE), tier_of(plan)
    is_paused = plan.state is State.PAUSED
    rows = [
        Sub(
            organization_id=organization_id,
            stripe_id=f"sub_demo_{plan.index}",
            status=status,
            tier=tier,
            stripe_price_id=price_id(tier, "monthly", currency),
            trial_ends_at=end if plan.state is State.TRIAL else None,
            pause_reason=_PAUSED if is_paused else "",
            paused_at=now - timedelta(days=6) if is_paused else None,
            period_starts_at=start,
            period_ends_at=end,
        )
    ]
    if has_spaces(plan):
        rows.append(
            Sub(
                organization_id=organization_id,
                stripe_id=f"sub_demo_{plan.index}"
                + ("" if has_one_cart(plan) else "_spaces"),
                kind=Sub.Kind.SPACES,
                status=Sub.Status.ACTIVE,
                tier="team",
                stripe_price_id=price_id("team", "monthly", currency),
                seats=plan.members,
                period_starts_at=start,
                period_ends_at=end,
            )
        )
    return rows


def _period(plan: Plan, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """Return the period in whole seconds, as Stripe does: a month, or the trial."""
    if plan.state is State.TRIAL:
        ends = (now + timedelta(days=3)).replace(microsecond=0)
        return first_instant(plan.first_day, zone), ends
    month: date = now.astimezone(zone).date().replace(day=1)
    return first_instant(month, zone), first_instant(add_months(month, 1), zone)
