"""URL parameters of a chart: range, grain and view. Defaults are left out of a URL."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from metrics.periods import DayRange, Grain, add_months
from metrics.queries.series import GroupBy, SeriesFilters
from orgs.days import ONE_DAY
from orgs.errors import InvalidDateRange

DEFAULT_RANGE = "30d"
CHART_PARAMETERS = (
    *("range", "from", "through", "grain", "view"),
    *("by", "compare", "hide", "lines"),
)
PREVIOUS = "previous"  # the value of the parameter `compare`
_ALL_LINES = "all"  # the value of the parameter `lines`
_MAX_HIDDEN = 100
_MAX_LINE_ID = 200  # characters of a product
_MONTHLY_RANGES = ("12m", "year")  # by month unless days are asked for
_CUMULATIVE = "cumulative"
_MAX_CUMULATIVE_DAYS = 366


@dataclass(frozen=True, slots=True)
class RangeChoice:
    """A range to choose: a preset, or a custom one from a day through another."""

    slug: str
    label: str
    range: DayRange


def range_choices(today: date, *, period_starts_on: date | None) -> list[RangeChoice]:
    """Return the presets; all but the last month end with today.

    Without `period_starts_on`, the month takes the place of the billing period: the
    fleet has many periods.
    """
    end = today + ONE_DAY
    year = add_months(end, -12)
    current = RangeChoice("month", "Month", DayRange(today.replace(day=1), end))
    if period_starts_on is not None:
        period = DayRange(min(period_starts_on, today), end)
        current = RangeChoice("period", "Period", period)
    return [
        RangeChoice("7d", "7d", DayRange(end - timedelta(days=7), end)),
        RangeChoice("30d", "30d", DayRange(end - timedelta(days=30), end)),
        current,
        RangeChoice("12m", "12m", DayRange(year, end)),
        *_calendar_choices(today),
    ]


def _calendar_choices(today: date) -> list[RangeChoice]:
    """Return the presets of the calendar, which a menu offers."""
    end, month = today + ONE_DAY, today.replace(day=1)
    quarter = today.replace(month=today.month - (today.month - 1) % 3, day=1)
    last_month = DayRange(add_months(month, -1), month)
    return [
        RangeChoice("last-month", "Last month", last_month),
        RangeChoice("quarter", "This quarter", DayRange(quarter, end)),
        RangeChoice("year", "Year to date", DayRange(month.replace(month=1), end)),
    ]


MENU_RANGES = ("last-month", "quarter", "year")


@dataclass(frozen=True, slots=True)
class ChartQuery:
    """Validated parameters of a chart.

    `problem` explains why they differ from the requested ones, which were invalid.

    `group_by` is what the lines are of, and `is_compared` adds the range before; both
    are read for the costs of one organization only. `hidden` are the ids of lines that
    are in the legend only, and `has_all_lines` shows lines one by one that are
    otherwise added up as “3 more”.
    `other_parameters` are the parameters of the page that every link of the chart
    keeps. `is_cumulative` adds the open period up day by day, where
    `offers_cumulative` allows it.
    """

    choices: tuple[RangeChoice, ...]
    selected: RangeChoice
    grain: Grain
    problem: str = ""
    other_parameters: tuple[tuple[str, str], ...] = ()
    offers_cumulative: bool = False
    is_cumulative: bool = False
    group_by: GroupBy = GroupBy.PRODUCT
    is_compared: bool = False
    hidden: frozenset[str] = frozenset()
    has_all_lines: bool = False

    @classmethod
    def read(
        cls,
        query: QueryDict,
        *,
        today: date,
        period_starts_on: date | None,
        other_parameters: tuple[tuple[str, str], ...] = (),
        offers_cumulative: bool = False,
    ) -> "ChartQuery":
        choices = tuple(range_choices(today, period_starts_on=period_starts_on))
        default = next(c for c in choices if c.slug == DEFAULT_RANGE)
        fallback = cls(
            choices,
            default,
            Grain.DAILY,
            other_parameters=other_parameters,
            offers_cumulative=offers_cumulative,
        )
        try:
            if offers_cumulative and _is_cumulative(query):
                return replace(
                    fallback, selected=_open_period(choices), is_cumulative=True
                )
            selected = _selected(query, choices, default)
            grain = _grain(query, selected)
            selected.range.within(grain)
            is_compared = offers_cumulative and _is_compared(query)
            if is_compared:
                selected.range.before()  # fails where days do not go back that far
            fallback = replace(
                fallback,
                group_by=_group_by(query) if offers_cumulative else GroupBy.PRODUCT,
                is_compared=is_compared,
                hidden=_hidden(query),
                has_all_lines=_has_all_lines(query),
            )
        except InvalidDateRange as error:
            return replace(fallback, problem=error.message)
        return replace(fallback, selected=selected, grain=grain)

    @property
    def through(self) -> date:
        """The last day of the range, which people count as part of it."""
        return self.selected.range.end - ONE_DAY

    @property
    def includes_today(self) -> bool:
        """The range has today, which is not over."""
        today = self.choices[0].range.end - ONE_DAY
        return self.selected.range.start <= today <= self.through

    @property
    def range_label(self) -> str:
        """First and last day, with their years unless both are in this year."""
        return self._label(self.selected.range)

    @property
    def previous_label(self) -> str:
        """First and last day of the range before."""
        return self._label(self.selected.range.before())

    def _label(self, range_: DayRange) -> str:
        today = self.choices[0].range.end - ONE_DAY
        days = (range_.start, range_.end - ONE_DAY)
        is_this_year = all(day.year == today.year for day in days)
        return " \N{EN DASH} ".join(
            f"{day:%b} {day.day}" if is_this_year else f"{day:%b} {day.day}, {day.year}"
            for day in days
        )

    def filters(self, group_by: GroupBy | None = None) -> SeriesFilters:
        """Return the filters that select the usage of the chart."""
        return SeriesFilters(self.selected.range, self.grain, group_by or self.group_by)

    def url(self, base: str, *, range_: str = "", grain: Grain | None = None) -> str:
        """Return the URL of the same chart with another range or grain."""
        return _url(base, self._parameters(range_, grain or self.grain))

    def changed_url(self, base: str, **changes: Any) -> str:
        """Return the URL of the same chart with other fields of this query."""
        return replace(self, **changes).url(base)

    def cumulative_url(self, base: str) -> str:
        """Return the URL of the open period's cumulative chart."""
        return _url(base, [*self.other_parameters, ("view", _CUMULATIVE)])

    def _parameters(self, range_: str, grain: Grain) -> list[tuple[str, str]]:
        slug = range_ or self.selected.slug
        parameters = list(self.other_parameters)
        if slug == "custom":
            parameters.append(("from", self.selected.range.start.isoformat()))
            parameters.append(("through", self.through.isoformat()))
        elif slug != DEFAULT_RANGE:
            parameters.append(("range", slug))
        if range_ in _MONTHLY_RANGES and self.selected.slug != range_:
            grain = Grain.MONTHLY  # a year by day is 365 bars: only on request
        default = Grain.MONTHLY if slug in _MONTHLY_RANGES else Grain.DAILY
        if grain is not default:
            parameters.append(("grain", grain.value))
        return parameters + self.view_parameters

    @property
    def view_parameters(self) -> list[tuple[str, str]]:
        """The parameters that are not the default, beside range and grain."""
        parameters = []
        if self.group_by is not GroupBy.PRODUCT:
            parameters.append(("by", self.group_by.value))
        if self.is_compared:
            parameters.append(("compare", PREVIOUS))
        if self.has_all_lines:
            parameters.append(("lines", _ALL_LINES))
        return parameters + [("hide", id_) for id_ in sorted(self.hidden)]


def _is_cumulative(query: QueryDict) -> bool:
    view = query.get("view", "")
    if view not in ("", _CUMULATIVE):
        raise InvalidDateRange(f"Unknown view {view[:20]!r}.", fields=("view",))
    return bool(view)


def _group_by(query: QueryDict) -> GroupBy:
    try:
        return GroupBy(query.get("by", GroupBy.PRODUCT))
    except ValueError:
        raise InvalidDateRange(
            "“by” must be product, project, or meter.", fields=("by",)
        ) from None


def _is_compared(query: QueryDict) -> bool:
    text = query.get("compare", "")
    if text not in ("", PREVIOUS):
        raise InvalidDateRange("“compare” must be previous.", fields=("compare",))
    return bool(text)


def _hidden(query: QueryDict) -> frozenset[str]:
    """Return the ids of hidden lines; those without usage in the range stay in URLs."""
    ids = frozenset(filter(None, query.getlist("hide")))
    if len(ids) > _MAX_HIDDEN or any(len(id_) > _MAX_LINE_ID for id_ in ids):
        raise InvalidDateRange(
            f"“hide” must be given at most {_MAX_HIDDEN} times, with the ID of a"
            " product, project, or meter.",
            fields=("hide",),
        )
    return ids


def _has_all_lines(query: QueryDict) -> bool:
    text = query.get("lines", "")
    if text not in ("", _ALL_LINES):
        raise InvalidDateRange("“lines” must be all.", fields=("lines",))
    return bool(text)


def _open_period(choices: tuple[RangeChoice, ...]) -> RangeChoice:
    """Return the open period, or its last 366 days if it is longer."""
    period = next(choice for choice in choices if choice.slug == "period")
    days = period.range
    start = max(days.start, days.end - timedelta(days=_MAX_CUMULATIVE_DAYS))
    return replace(period, range=DayRange(start, days.end))


def _selected(
    query: QueryDict, choices: tuple[RangeChoice, ...], default: RangeChoice
) -> RangeChoice:
    first, through = query.get("from", ""), query.get("through", "")
    if first or through:
        start, last = _day(first, "from"), _day(through, "through")
        return RangeChoice("custom", "Custom", DayRange(start, last + ONE_DAY))
    slug = query.get("range", default.slug)
    choice = next((choice for choice in choices if choice.slug == slug), None)
    if choice is None:
        raise InvalidDateRange(f"Unknown range {slug[:20]!r}.", fields=("range",))
    return choice


def _day(text: str, field: str) -> date:
    try:
        day = date.fromisoformat(text)
        _ = day + ONE_DAY  # fails for the last day that a date can hold
        return day
    except (ValueError, OverflowError):
        raise InvalidDateRange(
            f"“{field}” must be a date such as 2026-11-21.", fields=(field,)
        ) from None


def _grain(query: QueryDict, selected: RangeChoice) -> Grain:
    is_monthly = selected.slug in _MONTHLY_RANGES
    default = Grain.MONTHLY if is_monthly else Grain.DAILY
    try:
        return Grain(query.get("grain", default))
    except ValueError:
        raise InvalidDateRange(
            "“grain” must be daily or monthly.", fields=("grain",)
        ) from None


def _url(base: str, parameters: list[tuple[str, str]]) -> str:
    return f"{base}?{urlencode(parameters)}" if parameters else base
