"""Forecast of daily costs from the last eight weeks, with a weekly pattern. Pure.

The costs of an organization are a level that moves, times a factor for each weekday:

- A factor is the mean of its weekday relative to all days, drawn towards 1 as if there
  were `_PRIOR_WEEKS` more weeks without a pattern: one busy Monday is no pattern yet.
- The level is an exponentially weighted mean of the costs without their weekday. Its
  half-life is the one that would have forecast the weeks of the history best; a short
  history follows its latest days.
- A gap of one or two days, on weekdays that usually have usage, is missing data and
  left out. A longer one is what it looks like: days that cost nothing.

Floats are good enough for an estimate; what was spent is never one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

DAYS_OF_A_WEEK = 7
HISTORY_DAYS = 8 * DAYS_OF_A_WEEK
_PRIOR_WEEKS = 4
_HALF_LIVES = (2, 4, 8, 16)  # days; the first is that of a short history
_LONGEST_GAP = 2
_FIRST_ORIGIN = 4  # days of history before the first forecast that is scored


@dataclass(frozen=True, slots=True)
class WeekdayForecast:
    """The expected cost of each day after a history.

    `profile` starts with the day after the history's last and repeats every week.
    """

    profile: tuple[float, ...]

    def cost_in(self, ahead: int) -> float:
        """Return the expected cost of the day `ahead` days after the next one."""
        return self.profile[ahead % DAYS_OF_A_WEEK]

    def cost_of(self, days: int) -> float:
        """Return the expected cost of the next `days` days together."""
        weeks, rest = divmod(days, DAYS_OF_A_WEEK)
        return weeks * sum(self.profile) + sum(self.profile[:rest])


NOTHING = WeekdayForecast((0.0,) * DAYS_OF_A_WEEK)


def forecast_costs(costs: Sequence[float]) -> WeekdayForecast:
    """Return the forecast that follows daily costs, oldest first and without holes.

    Days before the first cost do not count: a young organization has a short history.
    """
    history = _without_beginning(costs[-HISTORY_DAYS:])
    if not history:
        return NOTHING
    used = _days_with_data(history)
    factors = _weekday_factors(history, used)
    days = [(history[at], factors[_phase(at, history)]) for at in used]
    level = _level(days)
    phases = (-ahead % DAYS_OF_A_WEEK for ahead in range(DAYS_OF_A_WEEK))
    return WeekdayForecast(tuple(level * factors[phase] for phase in phases))


def _without_beginning(costs: Sequence[float]) -> Sequence[float]:
    """Return the costs from the first day that has one."""
    first = next((at for at, cost in enumerate(costs) if cost > 0), len(costs))
    return costs[first:]


def _phase(at: int, history: Sequence[float]) -> int:
    """Return how many days before a multiple of weeks from the history's end it is."""
    return (len(history) - at) % DAYS_OF_A_WEEK


def _days_with_data(history: Sequence[float]) -> list[int]:
    """Return the positions that count: all but short gaps of missing data."""
    missing: set[int] = set()
    gap: list[int] = []
    for at, cost in enumerate((*history, 1.0)):  # the last ends a gap at the end
        if cost <= 0:
            gap.append(at)
            continue
        if 0 < len(gap) <= _LONGEST_GAP:
            missing.update(at for at in gap if _is_usually_used(at, history))
        gap = []
    return [at for at in range(len(history)) if at not in missing]


def _is_usually_used(at: int, history: Sequence[float]) -> bool:
    """Return whether most of the other days of the same weekday have a cost."""
    same = range(at % DAYS_OF_A_WEEK, len(history), DAYS_OF_A_WEEK)
    others = [history[other] > 0 for other in same if other != at]
    return 2 * sum(others) > len(others)


def _weekday_factors(history: Sequence[float], used: Sequence[int]) -> list[float]:
    """Return the factor of each phase; 1 is an average day."""
    mean = sum(history[at] for at in used) / len(used)
    sums, counts = [0.0] * DAYS_OF_A_WEEK, [0] * DAYS_OF_A_WEEK
    for at in used:
        phase = _phase(at, history)
        sums[phase] += history[at] / mean
        counts[phase] += 1
    return [
        (total + _PRIOR_WEEKS) / (count + _PRIOR_WEEKS)
        for total, count in zip(sums, counts, strict=True)
    ]


def _level(days: Sequence[tuple[float, float]]) -> float:
    """Return the last level at the half-life that forecast the past weeks best.

    `days` are costs with the factors of their weekdays.
    """
    weeks = list(_past_weeks(days))
    half_lives = _HALF_LIVES if weeks else _HALF_LIVES[:1]
    levels = [_levels(days, half_life) for half_life in half_lives]
    return min(levels, key=lambda past: _error_over(weeks, past))[-1]


def _levels(days: Sequence[tuple[float, float]], half_life: int) -> list[float]:
    """Return the level after each day: a ratio of sums that forget the past."""
    keep: float = 0.5 ** (1 / half_life)
    costs, factors, levels = 0.0, 0.0, []
    for cost, factor in days:
        costs, factors = costs * keep + cost, factors * keep + factor
        levels.append(costs / factors)
    return levels


def _past_weeks(
    days: Sequence[tuple[float, float]],
) -> Iterator[tuple[int, float, float]]:
    """Yield the position of a day, and the costs and factors of the week after it."""
    costs = [0.0, *accumulate(cost for cost, _ in days)]
    factors = [0.0, *accumulate(factor for _, factor in days)]
    for at in range(_FIRST_ORIGIN, len(days) - DAYS_OF_A_WEEK):
        start, end = at + 1, at + 1 + DAYS_OF_A_WEEK
        yield at, costs[end] - costs[start], factors[end] - factors[start]


def _error_over(
    weeks: Sequence[tuple[int, float, float]], levels: Sequence[float]
) -> float:
    """Return the sum of absolute errors of forecasting each week from its day."""
    return sum(abs(levels[at] * factor - cost) for at, cost, factor in weeks)
