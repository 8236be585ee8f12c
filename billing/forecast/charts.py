"""What billing adds to the picture of costs: limits, and where the period leads."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing.forecast.queries.forecasts import Forecast, LimitForecast
from metrics.periods import Grain
from orgs.days import day_of
from orgs.web.charts import Chart, Limit, Tone, draw
from orgs.web.charts import Series as Drawn
from orgs.web.templatetags.display import day, day_year, money

_TONES: dict[str, Tone] = {"soft": "warn", "hard": "bad"}


def limit_lines(ahead: Forecast, *, grain: Grain, zone: ZoneInfo) -> list[Limit]:
    """Spending limits: whole beside months, beside days their even share.

    Without an end of the period there is no share.
    """
    if grain is Grain.MONTHLY:
        return [_line(each, each.amount, _title(each)) for each in ahead.limits]
    if ahead.ends_on is None:
        return []
    days = max((ahead.ends_on - day_of(ahead.starts_at, zone)).days, 1)
    return [
        _line(limit, limit.amount / days, f"{_title(limit)} per day")
        for limit in ahead.limits
    ]


def _line(limit: LimitForecast, value: Decimal, label: str) -> Limit:
    return Limit(value, label, _TONES[limit.kind])


# --- the open period against its limits ---------------------------------------------

PERIOD_DAYS = 366  # so far back the picture goes, and so far ahead


def period_start(ahead: Forecast, today: date, zone: ZoneInfo) -> date:
    """The first day of the picture: the period's, or what is left of a long one."""
    began = day_of(ahead.starts_at, zone)
    return min(max(began, today - timedelta(days=PERIOD_DAYS - 1)), today)


def period_chart(
    ahead: Forecast, costs: Mapping[date, Decimal], *, today: date, currency: str
) -> Chart | None:
    """What is payable, day by day up to now, and where the pace of a week leads.

    `costs` are of the days up to today. Counted back from what the period costs now, so
    that the last point is the number that limits are held against.
    """
    if not ahead.cost.cost:
        return None
    spent = _payable_by_day(ahead, costs)
    to_come = _days_ahead(ahead, today)
    series = [Drawn("Payable to date", [*spent, *[None] * len(to_come)], is_level=True)]
    if to_come:
        pace = list(_payable_ahead(ahead, len(to_come)))
        before: list[None] = [None] * (len(spent) - 1)
        named = f"Projected to {day(to_come[-1])}"
        series.append(Drawn(named, [*before, *pace], is_level=True, is_ahead=True))
    return draw(
        id="period-chart",
        title="Payable cost of the open period vs. limits",
        days=[*sorted(costs), *to_come],
        series=series,
        unit="usd",
        currency=currency,
        kind="lines",
        caption=_caption(ahead, dict(zip(sorted(costs), spent, strict=True)), currency),
        limits=[_met(limit, ahead, len(spent), currency) for limit in ahead.limits],
        notes=("Limit" if ahead.limits else "", _notes(ahead)),
    )


def _payable_by_day(ahead: Forecast, costs: Mapping[date, Decimal]) -> list[Decimal]:
    left, found = ahead.cost.cost, []
    for at in sorted(costs, reverse=True):
        found.append(ahead.facts.payable(max(left, Decimal(0))))
        left -= costs[at]
    return found[::-1]


def _payable_ahead(ahead: Forecast, days: int) -> Iterator[Decimal]:
    """Today's, and that of so many days after it."""
    for number in range(days + 1):
        yield ahead.facts.payable(ahead.cost.cost + ahead.pace_per_day * number)


def _days_ahead(ahead: Forecast, today: date) -> list[date]:
    """To the period's end, or, where that is not known, to the last limit that falls.

    The end is when the next period begins: the day before it is the last one.
    """
    counts_down = [limit.projected_on for limit in ahead.limits if limit.projected_on]
    end = ahead.ends_on or max(counts_down, default=None)
    if end is None or not ahead.pace_per_day:
        return []
    days = min((end - today).days, PERIOD_DAYS)
    return [today + timedelta(days=number + 1) for number in range(days)]


def _met(limit: LimitForecast, ahead: Forecast, days: int, currency: str) -> Limit:
    """Where the pace meets it, between the days: at the height of its line."""
    label = f"{_title(limit)} {money(limit.amount, currency)}"
    if limit.projected_on is None:
        return _line(limit, limit.amount, label)
    left = limit.amount + ahead.free_balance - ahead.cost.cost
    at = days - 0.5 + float(left / ahead.pace_per_day)
    tone = _TONES[limit.kind]
    return Limit(limit.amount, label, tone, seen_at=at, met=day(limit.projected_on))


def _notes(ahead: Forecast) -> dict[date, str]:
    found: dict[date, str] = {}
    for limit in ahead.limits:
        if (at := limit.day) is not None:
            state = "reached" if limit.is_reached else "projected"
            note = f"{_title(limit)} {state}"
            found[at] = f"{found[at]}, {note}" if at in found else note
    return found


def _caption(ahead: Forecast, payable: Mapping[date, Decimal], currency: str) -> str:
    """Of each limit, also of one that is too far away to be drawn."""
    crossed = [
        f"{_crossed(one, payable, currency)}." for one in ahead.limits if one.is_reached
    ]
    others = [_where(one, currency) for one in ahead.limits if not one.is_reached]
    if others:
        crossed.append(f"At the average of the last 7 days, {', and '.join(others)}.")
    return " ".join(crossed) or "No spending limits."


def _crossed(
    limit: LimitForecast, payable: Mapping[date, Decimal], currency: str
) -> str:
    """Since it was noticed; usage of days before that may have come late."""
    sentence = f"The {_named(limit, currency)} was reached"
    if limit.reached_on is None:
        return sentence
    sentence += f" on {day_year(limit.reached_on)}"
    if len(payable) == PERIOD_DAYS:  # it may have been before the picture's first day
        return sentence
    used = (at for at, amount in payable.items() if amount >= limit.amount)
    used_on = next(used, limit.reached_on)
    if used_on == limit.reached_on:
        return sentence
    return f"{sentence} (usage dated {day_year(used_on)})"


def _where(limit: LimitForecast, currency: str) -> str:
    named = f"the {_named(limit, currency)}"
    if limit.projected_on is None:
        return f"{named} is not projected to be reached"
    return f"{named} is projected to be reached on {day_year(limit.projected_on)}"


def _title(limit: LimitForecast) -> str:
    return limit.label.capitalize()


def _named(limit: LimitForecast, currency: str) -> str:
    return f"{limit.label} of {money(limit.amount, currency)}"
