"""What the demo's organizations used, day by day. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from math import sin
from random import Random

from config.dev.demo.fleet import PRODUCTS, Plan, State
from metrics.events import IncomingEvent

_GIB = 2**30
_IDLE_SINCE = 45  # days
_GONE_SINCE = 20
_WEEKEND = 0.45
_FINDS_EVERY = 75  # days


def day_events(
    plan: Plan, day: date, *, start: datetime, end: datetime
) -> Iterator[IncomingEvent]:
    """Yield an event per product and day around noon, and a storage sample a week.

    `start` and `end` bound the instants: today's usage has not all happened yet.
    """
    age = (day - plan.first_day).days
    chance = plan.chance(day.isoformat())
    level = _level(plan, age, day, chance)
    for slug in _on_sale(plan, age) if level else ():
        at = start + timedelta(hours=chance.uniform(7, 17))
        share = 1.0 if at <= end else (end - start) / timedelta(days=1)
        quantities = {
            meter: round(amount * level * share * chance.uniform(0.85, 1.15))
            for meter, amount in PRODUCTS[slug].a_day.items()
        }
        yield _event(
            plan,
            f"{slug}:{day}",
            min(at, end),
            product=slug,
            quantities=quantities,
            chance=chance,
        )
    if level and age % 7 == 0 and start + timedelta(hours=6) <= end:
        yield from _storage(plan, day, start + timedelta(hours=6), chance, age=age)


def _on_sale(plan: Plan, age: int) -> tuple[str, ...]:
    """Return the products on sale by that day: all, except for the watched plan."""
    if plan.state is State.WATCHED:
        return plan.products[: 1 + age // _FINDS_EVERY]
    return plan.products


def _level(plan: Plan, age: int, day: date, chance: Random) -> float:
    """Return how busy a day is by size, season, weekend and the state of the plan."""
    if age < 0:
        return 0.0
    trend = {
        State.WATCHED: 0.4 + age / 500,
        State.GROWING: 0.35 + age / 260,
        State.SHRINKING: 1.5 - age / 420,
    }
    level = plan.size * trend.get(plan.state, 0.8 + age / 1600)
    level *= 1 + 0.18 * sin(day.toordinal() / 9 + plan.index)
    level *= _WEEKEND if day.isoweekday() >= 6 else 1.0  # noqa: PLR2004  Saturday
    if chance.random() < 0.01:  # noqa: PLR2004  a spike every hundred days
        level *= 2.6
    return max(level, 0.02)


def last_day(plan: Plan, today: date) -> date:
    """Return the last day with usage, or the day before the first for a new plan."""
    if plan.state is State.IDLE:
        return today - timedelta(days=_IDLE_SINCE)
    if plan.state is State.DELETED:
        return today - timedelta(days=_GONE_SINCE)
    if plan.state is State.BRAND_NEW:
        return plan.first_day - timedelta(days=1)
    return today


def _storage(
    plan: Plan, day: date, at: datetime, chance: Random, *, age: int
) -> Iterator[IncomingEvent]:
    added = round(plan.size * chance.uniform(20, 90) * _GIB)
    quantities = {"storage_bytes_added": added * (6 if age == 0 else 1)}
    if age > 0 and chance.random() < 0.4:  # noqa: PLR2004
        quantities["storage_bytes_deleted"] = round(added * chance.uniform(0.2, 0.9))
    yield _event(
        plan,
        f"storage:{day}",
        at,
        product="storage",
        quantities=quantities,
        chance=chance,
    )


def _event(
    plan: Plan,
    id_: str,
    at: datetime,
    *,
    product: str,
    quantities: dict[str, int],
    chance: Random,
) -> IncomingEvent:
    return IncomingEvent(
        id=id_,
        timestamp=at.replace(microsecond=0),
        product=product,
        quantities=quantities,
        organization=plan.external_id,
        project=f"project-{chance.randint(1, plan.projects)}",
    )
