"""Past errors of the forecast: its interval, and how often it was right. Pure.

Both repeat the forecast on earlier days of the same history, with what was known on
those days. Nothing is stored, so a better forecast is scored by its own errors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from billing.forecast.weekdays import DAYS_OF_A_WEEK, HISTORY_DAYS, forecast_costs

COVERAGE = 0.8  # of the interval: the part of past outcomes that it contains
TOLERANCE = 0.05  # of a period's cost: the error at which a forecast was right
_FEWEST_ERRORS, _MOST_ERRORS = 8, 24
_FEWEST_DAYS = 2 * DAYS_OF_A_WEEK  # of history before a forecast is repeated
MOST_PERIODS = 10


@dataclass(frozen=True, slots=True)
class Band:
    """The interval of a forecast, as multiples of the expected cost."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Span:
    """A past period as positions in a history, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class HitRate:
    """How many of the past periods were forecast within the tolerance.

    `are_billing_periods` is false if they are spans as long as the open period,
    because too few billing periods were closed.
    """

    hits: int
    periods: int
    mean_error: float  # as a part of the cost, without its sign
    are_billing_periods: bool


def interval(costs: Sequence[float], ahead: int) -> Band | None:
    """Return the interval of the cost of the next `ahead` days; None if unknown.

    Its ends are quantiles of the outcomes relative to the forecasts of the same number
    of days, made on earlier days. If the history is too short for that many days, the
    errors are those of as many days as it has.
    """
    ahead = min(ahead, (len(costs) - _FEWEST_DAYS) - _FEWEST_ERRORS + 1)
    if ahead < 1:
        return None
    ratios = sorted(_outcomes(costs, ahead))
    if len(ratios) < _FEWEST_ERRORS:
        return None
    tail = (1 - COVERAGE) / 2
    low, high = _quantile(ratios, tail), _quantile(ratios, 1 - tail)
    return Band(min(low, 1.0), max(high, 1.0))


def _outcomes(costs: Sequence[float], ahead: int) -> Iterator[float]:
    """Yield the actual cost of past spans relative to the forecast of each."""
    origins = range(len(costs) - ahead, _FEWEST_DAYS - 1, -1)
    step = -(-len(origins) // _MOST_ERRORS)
    for origin in origins[::step]:
        expected = _forecast_at(costs, origin, ahead)
        if expected > 0:
            yield sum(costs[origin : origin + ahead]) / expected


def _forecast_at(costs: Sequence[float], origin: int, ahead: int) -> float:
    known = costs[max(0, origin - HISTORY_DAYS) : origin]
    return forecast_costs(known).cost_of(ahead)


def _quantile(ordered: Sequence[float], part: float) -> float:
    """Return a quantile, between the two nearest values."""
    at = part * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def hit_rate(
    costs: Sequence[float],
    spans: Sequence[Span],
    ahead: int,
    *,
    are_billing_periods: bool,
) -> HitRate | None:
    """Return how past periods were forecast `ahead` days before they ended.

    Periods without cost, and those that began too early in the history, do not count.
    None if none is left.
    """
    errors = [
        error
        for span in spans[:MOST_PERIODS]
        if (error := _error_of(costs, span, ahead)) is not None
    ]
    if not errors:
        return None
    return HitRate(
        hits=sum(error <= TOLERANCE for error in errors),
        periods=len(errors),
        mean_error=sum(errors) / len(errors),
        are_billing_periods=are_billing_periods,
    )


def _error_of(costs: Sequence[float], span: Span, ahead: int) -> float | None:
    """Return the error of a past forecast relative to the cost of its period."""
    actual = sum(costs[span.start : span.end])
    origin = max(span.end - ahead, span.start)
    if actual <= 0 or origin < _FEWEST_DAYS or span.end > len(costs):
        return None
    rest = _forecast_at(costs, origin, span.end - origin)
    return abs(sum(costs[span.start : origin]) + rest - actual) / actual
