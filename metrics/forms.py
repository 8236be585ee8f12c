"""What the address of a chart says: range and grain; defaults are left out of it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlencode

from django.http import QueryDict

from metrics.periods import DayRange, Grain, add_months
from metrics.queries.series import GroupBy, SeriesFilters
from orgs.days import ONE_DAY
from orgs.errors import InvalidDateRange

DEFAULT_RANGE = "30d"
_CUMULATIVE = "cumulative"
_LONGEST = 366  # days, added up


@dataclass(frozen=True, slots=True)
class RangeChoice:
    """A named range, or one from a day through another."""

    slug: str
    label: str
    range: DayRange


def range_choices(today: date, *, period_starts_on: date | None) -> list[RangeChoice]:
    """The presets, today included. A fleet has no one period: its month instead."""
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
    ]


@dataclass(frozen=True, slots=True)
class ChartQuery:
    """A valid address; `problem` says why it is not the one that was asked for.

    `other_parameters` are the other parameters of the page's address; every link of the
    chart carries them.
    `is_cumulative`: the open period, day by day added up; where that is offered.
    """

    choices: tuple[RangeChoice, ...]
    selected: RangeChoice
    grain: Grain
    problem: str = ""
    other_parameters: tuple[tuple[str, str], ...] = ()
    offers_cumulative: bool = False
    is_cumulative: bool = False

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
        except InvalidDateRange as error:
            return replace(fallback, problem=error.message)
        return replace(fallback, selected=selected, grain=grain)

    @property
    def through(self) -> date:
        """The last day, as people say it."""
        return self.selected.range.end - ONE_DAY

    @property
    def range_label(self) -> str:
        """Both ends, with their years where these are not this one."""
        today = self.choices[0].range.end - ONE_DAY
        days = (self.selected.range.start, self.through)
        is_near = all(day.year == today.year for day in days)
        return " \N{EN DASH} ".join(
            f"{day:%b} {day.day}" if is_near else f"{day:%b} {day.day}, {day.year}"
            for day in days
        )

    def filters(self, group_by: GroupBy = GroupBy.PRODUCT) -> SeriesFilters:
        return SeriesFilters(self.selected.range, self.grain, group_by)

    def url(self, base: str, *, range_: str = "", grain: Grain | None = None) -> str:
        """The address of the same chart with one thing changed."""
        return _url(base, self._parameters(range_, grain or self.grain))

    def cumulative_url(self, base: str) -> str:
        return _url(base, {**dict(self.other_parameters), "view": _CUMULATIVE})

    def _parameters(self, range_: str, grain: Grain) -> dict[str, str]:
        slug = range_ or self.selected.slug
        parameters = dict(self.other_parameters)
        if slug == "custom":
            parameters["from"] = self.selected.range.start.isoformat()
            parameters["through"] = self.through.isoformat()
        elif slug != DEFAULT_RANGE:
            parameters["range"] = slug
        if range_ == "12m" and self.selected.slug != "12m":
            grain = Grain.MONTHLY  # 365 bars are for those who ask for them
        default = Grain.MONTHLY if slug == "12m" else Grain.DAILY
        if grain is not default:
            parameters["grain"] = grain.value
        return parameters


def _is_cumulative(query: QueryDict) -> bool:
    view = query.get("view", "")
    if view not in ("", _CUMULATIVE):
        raise InvalidDateRange(f"Unknown view {view[:20]!r}.", fields=("view",))
    return bool(view)


def _open_period(choices: tuple[RangeChoice, ...]) -> RangeChoice:
    """The open period; of a very long one what a picture can show."""
    period = next(choice for choice in choices if choice.slug == "period")
    days = period.range
    start = max(days.start, days.end - timedelta(days=_LONGEST))
    return replace(period, range=DayRange(start, days.end))


def _selected(
    query: QueryDict, choices: tuple[RangeChoice, ...], default: RangeChoice
) -> RangeChoice:
    first, through = query.get("from", ""), query.get("through", "")
    if first or through:
        start, last = _day(first, "from"), _day(through, "through")
        return RangeChoice("custom", "Custom", DayRange(start, last + ONE_DAY))
    slug = query.get("range", default.slug)
    found = next((choice for choice in choices if choice.slug == slug), None)
    if found is None:
        raise InvalidDateRange(f"Unknown range {slug[:20]!r}.", fields=("range",))
    return found


def _day(text: str, field: str) -> date:
    try:
        day = date.fromisoformat(text)
        _ = day + ONE_DAY  # the last day of all has none after it
        return day
    except (ValueError, OverflowError):
        raise InvalidDateRange(
            f"“{field}” must be a date such as 2026-11-21.", fields=(field,)
        ) from None


def _grain(query: QueryDict, selected: RangeChoice) -> Grain:
    default = Grain.MONTHLY if selected.slug == "12m" else Grain.DAILY
    try:
        return Grain(query.get("grain", default))
    except ValueError:
        raise InvalidDateRange(
            "“grain” must be daily or monthly.", fields=("grain",)
        ) from None


def _url(base: str, parameters: dict[str, str]) -> str:
    return f"{base}?{urlencode(parameters)}" if parameters else base
