"""The forecast knows weekdays, recent levels and gaps, and its own past errors."""

from collections.abc import Callable, Sequence
from random import Random

import pytest

from billing.forecast.backtests import Span, hit_rate, interval
from billing.forecast.weekdays import HISTORY_DAYS, forecast_costs

Forecaster = Callable[[Sequence[float], int], float]
WEEKEND = (5, 6)


def office(days: int, *, seed: int = 1, trend: float = 0.004) -> list[float]:
    """Return daily costs that are low at weekends, grow, and have noise and a spike."""
    chance = Random(seed)
    return [
        100
        * (1 + trend * day)
        * (0.3 if day % 7 in WEEKEND else 1)
        * chance.uniform(0.9, 1.1)
        * (3 if chance.random() < 0.01 else 1)
        for day in range(days)
    ]


def straight_line(costs: Sequence[float], days: int) -> float:
    """Return the average of the last seven days, for each day."""
    return sum(costs[-7:]) / len(costs[-7:]) * days


def weekdays(costs: Sequence[float], days: int) -> float:
    return forecast_costs(costs).cost_of(days)


def mean_error(forecast: Forecaster, costs: Sequence[float], days: int) -> float:
    """Return the mean error of a forecast of so many days, relative to the outcome."""
    errors = []
    for origin in range(21, len(costs) - days):
        actual = sum(costs[origin : origin + days])
        errors.append(abs(forecast(costs[:origin], days) - actual) / actual)
    return sum(errors) / len(errors)


@pytest.mark.parametrize("days", [1, 3, 5, 10])
def test_it_is_better_than_a_straight_line(days: int) -> None:
    costs = office(150)

    errors = [
        mean_error(forecaster, costs, days) for forecaster in (weekdays, straight_line)
    ]

    print(f"{days} days: {errors[0]:.1%}, a straight line {errors[1]:.1%}")
    assert errors[0] < 0.85 * errors[1]


def test_a_constant_cost_is_expected_to_stay() -> None:
    for days in (1, 5, 7, 12, 80):
        assert forecast_costs([10.0] * days).profile == pytest.approx((10.0,) * 7)


def test_days_before_the_first_usage_do_not_count() -> None:
    assert weekdays([0.0] * 50 + [8.0] * 3, 10) == weekdays([8.0] * 3, 10) == 80
    assert weekdays([], 10) == weekdays([0.0] * 60, 10) == 0


def test_the_last_eight_weeks_count() -> None:
    recent = office(HISTORY_DAYS)
    assert forecast_costs([1000.0] * 90 + recent) == forecast_costs(recent)


def test_weekends_without_usage_are_expected_to_stay_without() -> None:
    costs = [0.0 if day % 7 in WEEKEND else 10.0 for day in range(HISTORY_DAYS)]

    profile = forecast_costs(costs).profile

    assert min(profile[:5]) > 8
    assert max(profile[5:]) < 4


@pytest.mark.parametrize("gap", [1, 2])
def test_missing_days_do_not_lower_it(gap: int) -> None:
    for start in (20, 60 - gap):  # in the middle, and at the end: it may still arrive
        costs = [10.0] * 60
        costs[start : start + gap] = [0.0] * gap
        assert weekdays(costs, 7) == pytest.approx(70)


def test_a_longer_silence_does() -> None:
    assert weekdays([10.0] * 50 + [0.0] * 10, 7) < 20
    assert weekdays([10.0] * 30 + [0.0] * 26, 7) < 1


def test_it_follows_a_new_level() -> None:
    assert weekdays([10.0] * 40 + [30.0] * 14, 7) > 180


def test_the_interval_has_the_outcomes_it_promises() -> None:
    hits = total = 0
    for seed in range(4):
        costs = office(260, seed=seed, trend=0.001)
        for origin in range(120, 250, 13):
            band = interval(costs[:origin], 10)
            assert band is not None
            assert band.low <= 1 <= band.high
            share = sum(costs[origin : origin + 10]) / weekdays(costs[:origin], 10)
            total += 1
            hits += band.low <= share <= band.high
    print(f"the interval of 80% had {hits} of {total} outcomes")
    assert 0.65 <= hits / total <= 0.95


def test_a_short_history_has_no_interval() -> None:
    assert interval([10.0] * 20, 5) is None
    assert interval([10.0] * 40, 5) is not None
    assert interval([10.0] * 40, 300) is not None  # the errors of fewer days
    assert interval([0.0] * 90, 5) is None


def test_the_hit_rate_repeats_the_forecast_in_each_period() -> None:
    costs = [10.0] * 150
    costs[149] = 200.0  # after the forecast in its period
    spans = [Span(120, 150), Span(90, 120), Span(60, 90), Span(0, 20), Span(130, 160)]

    rate = hit_rate(costs, spans, 10, are_billing_periods=True)

    assert rate is not None
    # The fourth began after too little history, the fifth has not ended.
    assert (rate.hits, rate.periods) == (2, 3)
    assert rate.mean_error == pytest.approx((190 / 490) / 3, rel=0.05)
    assert hit_rate(costs, spans[3:], 10, are_billing_periods=True) is None
    assert hit_rate([0.0] * 90, [Span(60, 90)], 5, are_billing_periods=True) is None
