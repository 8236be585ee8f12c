"""Charts of an organization's costs with its spending limits and forecast."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing.forecast.queries.forecasts import Forecast, LimitForecast
from metrics.periods import Grain
from orgs.days import ONE_DAY, day_of
from orgs.web.charts import Chart, Limit, Tone, build_chart
from orgs.web.charts import Series as ChartSeries
from orgs.web.templatetags.display import day, day_year, money

_TONES: dict[str, Tone] = {"soft": "warn", "hard": "bad"}


def limit_lines(forecast: Forecast, *, grain: Grain, zone: ZoneInfo) -> list[Limit]:
    """Return the limits as lines of a cost chart.

    A chart by month shows the whole amount, a chart by day its even share per day.
    There is no share when the end of the period is not known.
    """
    if grain is Grain.MONTHLY:
        return [_line(limit, limit.amount, _title(limit)) for limit in forecast.limits]
    if forecast.ends_on is None:
        return []
    days = max((forecast.ends_on - day_of(forecast.starts_at, zone)).days, 1)
    return [
        _line(limit, limit.amount / days, f"{_title(limit)} per day")
        for limit in forecast.limits
    ]


def _line(limit: LimitForecast, value: Decimal, label: str) -> Limit:
    return Limit(value, label, _TONES[limit.kind])


PERIOD_DAYS = 366  # the most days that the chart shows before today, and after it


def period_start(forecast: Forecast, today: date, zone: ZoneInfo) -> date:
    """Return the first day of the period's chart, at most `PERIOD_DAYS` ago."""
    starts_on = day_of(forecast.starts_at, zone)
    return min(max(starts_on, today - timedelta(days=PERIOD_DAYS - 1)), today)


def period_chart(
    forecast: Forecast, costs: Mapping[date, Decimal], *, today: date, currency: str
) -> Chart | None:
    """Return the chart of the payable cost to date and its forecast; None if 0.

    `costs` are by day, up to today. The line is computed backwards from the period's
    present cost, so that its last point is the amount that limits are compared with.
    """
    if not forecast.cost.cost:
        return None
    payable = _payable_by_day(forecast, costs)
    future_days = _future_days(forecast, today)
    padding: list[None] = [None] * len(future_days)
    series = [ChartSeries("Payable to date", [*payable, *padding], is_level=True)]
    if future_days:
        expected = _expected_payable(forecast, today, future_days)
        before: list[None] = [None] * (len(payable) - 1)
        label = f"Forecast to {day(future_days[-1])}"
        series.append(
            ChartSeries(label, [*before, *expected], is_level=True, is_forecast=True)
        )
    payable_by_day = dict(zip(sorted(costs), payable, strict=True))
    return build_chart(
        id="period-chart",
        title="Payable cost of the open period vs. limits",
        days=[*sorted(costs), *future_days],
        series=series,
        unit="usd",
        currency=currency,
        kind="lines",
        caption=_caption(forecast, payable_by_day, currency),
        limits=[
            _limit_line(limit, forecast, today, len(payable), currency)
            for limit in forecast.limits
        ],
        notes=("Limit" if forecast.limits else "", _notes(forecast)),
    )


def _payable_by_day(forecast: Forecast, costs: Mapping[date, Decimal]) -> list[Decimal]:
    cost, amounts = forecast.cost.cost, []
    for at in sorted(costs, reverse=True):
        amounts.append(forecast.facts.payable(max(cost, Decimal(0))))
        cost -= costs[at]
    return amounts[::-1]


def _expected_payable(
    forecast: Forecast, today: date, future_days: Sequence[date]
) -> list[Decimal]:
    """Return the payable cost of now, and by the end of each day after today.

    The rest of today is added to tomorrow.
    """
    amounts = [forecast.facts.payable(forecast.cost.cost)]
    cost = forecast.cost.cost
    for at, expected in forecast.expected_days(future_days[-1] + ONE_DAY):
        cost += expected
        if at > today:
            amounts.append(forecast.facts.payable(cost))
    return amounts


def _future_days(forecast: Forecast, today: date) -> list[date]:
    """Return the days after today that the chart shows.

    They go to the period's last day or, if that is not known, to the day when the last
    limit is projected to be reached.
    """
    reached_on = [limit.projected_on for limit in forecast.limits if limit.projected_on]
    last = forecast.last_day or max(reached_on, default=None)
    if last is None or not forecast.daily_average:
        return []
    days = min((last - today).days, PERIOD_DAYS)
    return [today + timedelta(days=number + 1) for number in range(days)]


def _limit_line(
    limit: LimitForecast, forecast: Forecast, today: date, days: int, currency: str
) -> Limit:
    """Return a limit's line, marked where the forecast meets it, between two days."""
    label = f"{_title(limit)} {money(limit.amount, currency)}"
    if limit.projected_on is None:
        return _line(limit, limit.amount, label)
    at = days - 0.5 + _days_until(limit, forecast, today)
    tone = _TONES[limit.kind]
    return Limit(
        limit.amount, label, tone, reached_at=at, reached_label=day(limit.projected_on)
    )


def _days_until(limit: LimitForecast, forecast: Forecast, today: date) -> float:
    """Return how many days of the chart after today the forecast meets a limit."""
    days = (limit.projected_on - today).days if limit.projected_on else 0
    if days < 1:
        return 0.0
    future_days = [today + timedelta(days=number + 1) for number in range(days)]
    before, after = _expected_payable(forecast, today, future_days)[-2:]
    return days - 1 + float((limit.amount - before) / (after - before))


def _notes(forecast: Forecast) -> dict[date, str]:
    notes: dict[date, str] = {}
    for limit in forecast.limits:
        if (at := limit.day) is not None:
            state = "reached" if limit.is_reached else "projected"
            note = f"{_title(limit)} {state}"
            notes[at] = f"{notes[at]}, {note}" if at in notes else note
    return notes


def _caption(forecast: Forecast, payable: Mapping[date, Decimal], currency: str) -> str:
    """Return a sentence for each limit, also for one that is out of the picture."""
    limits = forecast.limits
    sentences = [
        f"{_describe_reached(limit, payable, currency)}."
        for limit in limits
        if limit.is_reached
    ]
    projections = [
        _describe_projection(limit, currency)
        for limit in limits
        if not limit.is_reached
    ]
    if projections:
        joined = ", and ".join(projections)
        sentences.append(f"At the expected usage, {joined}.")
    return " ".join(sentences) or "No spending limits."


def _describe_reached(
    limit: LimitForecast, payable: Mapping[date, Decimal], currency: str
) -> str:
    """Return when a limit was reached, and the day of the usage that reached it.

    The two differ when that usage arrived late.
    """
    sentence = f"The {_describe(limit, currency)} was reached"
    if limit.reached_on is None:
        return sentence
    sentence += f" on {day_year(limit.reached_on)}"
    if len(payable) == PERIOD_DAYS:  # possibly reached before the chart's first day
        return sentence
    days = (at for at, amount in payable.items() if amount >= limit.amount)
    used_on = next(days, limit.reached_on)
    if used_on == limit.reached_on:
        return sentence
    return f"{sentence} (usage dated {day_year(used_on)})"


def _describe_projection(limit: LimitForecast, currency: str) -> str:
    subject = f"the {_describe(limit, currency)}"
    if limit.projected_on is None:
        return f"{subject} is not projected to be reached"
    return f"{subject} is projected to be reached on {day_year(limit.projected_on)}"


def _title(limit: LimitForecast) -> str:
    return limit.label.capitalize()


def _describe(limit: LimitForecast, currency: str) -> str:
    return f"{limit.label} of {money(limit.amount, currency)}"
