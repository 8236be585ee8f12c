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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter

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
    # How many days before a multiple of weeks from the end each day is.
    phases = [(len(history) - at) % DAYS_OF_A_WEEK for at in used]
    spent = [history[at] for at in used]
    factors = _weekday_factors(spent, phases)
    level = _level(spent, [factors[phase] for phase in phases])
    ahead = (-days % DAYS_OF_A_WEEK for days in range(DAYS_OF_A_WEEK))
    return WeekdayForecast(tuple(level * factors[phase] for phase in ahead))


def _without_beginning(costs: Sequence[float]) -> Sequence[float]:
    """Return the costs from the first day that has one."""
    first = next((at for at, cost in enumerate(costs) if cost > 0), len(costs))
    return costs[first:]


def _days_with_data(history: Sequence[float]) -> Sequence[int]:
    """Return the positions that count: all but short gaps of missing data."""
    if min(history) > 0:
        return range(len(history))
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


def _weekday_factors(spent: Sequence[float], phases: Sequence[int]) -> list[float]:
    """Return the factor of each phase; 1 is an average day."""
    mean = sum(spent) / len(spent)
    sums, counts = [0.0] * DAYS_OF_A_WEEK, [0] * DAYS_OF_A_WEEK
    for cost, phase in zip(spent, phases, strict=True):
        sums[phase] += cost / mean
        counts[phase] += 1
    return [
        (total + _PRIOR_WEEKS) / (count + _PRIOR_WEEKS)
        for total, count in zip(sums, counts, strict=True)
    ]


def _level(costs: Sequence[float], factors: Sequence[float]) -> float:
    """Return the last level at the half-life that forecast the past weeks best.

    The factors are those of the weekdays of the costs. A list computes this for fifty
    organizations, so each half-life is one pass, which adds up its errors.
    """
    weeks = _sums_of_next_week(costs), _sums_of_next_week(factors)
    if not weeks[0]:
        return _follow(costs, factors, _HALF_LIVES[0], weeks)[1]
    followed = [_follow(costs, factors, life, weeks) for life in _HALF_LIVES]
    return min(followed, key=itemgetter(0))[1]


def _sums_of_next_week(values: Sequence[float]) -> list[float]:
    """Return the sum of the week after each day that is scored."""
    sums = [0.0, *accumulate(values)]
    return [
        end - start
        for start, end in zip(
            sums[_FIRST_ORIGIN + 1 :],
            sums[_FIRST_ORIGIN + 1 + DAYS_OF_A_WEEK :],
            strict=False,
        )
    ]


def _follow(
    costs: Sequence[float],
    factors: Sequence[float],
    half_life: int,
    weeks: tuple[Sequence[float], Sequence[float]],
) -> tuple[float, float]:
    """Return the error of the levels over the past weeks, and the last level.

    A level is a ratio of sums that forget the past. The error is the sum of the
    absolute errors of forecasting each week from its day.
    """
    keep: float = 0.5 ** (1 / half_life)
    cost_sum = factor_sum = 0.0
    levels = []
    for cost, factor in zip(costs, factors, strict=True):
        cost_sum = cost_sum * keep + cost
        factor_sum = factor_sum * keep + factor
        levels.append(cost_sum / factor_sum)
    past = zip(levels[_FIRST_ORIGIN:], *weeks, strict=False)
    return sum([abs(level * f - c) for level, c, f in past]), levels[-1]
