"""The ranges that costs are compared over: days, or whole billing periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from billing.models import BillingPeriod
from metrics.periods import DayRange
from orgs.days import ONE_DAY, day_of, first_instant
from orgs.errors import InvalidDateRange, NotFound
from orgs.models import Organization
from orgs.web.templatetags import display


@dataclass(frozen=True, slots=True)
class CostSpan:
    """A range of days; with `periods`, exactly the usage of these billing periods.

    The days of a period are those that it has at least a part of.
    """

    days: DayRange
    periods: tuple[BillingPeriod, ...] = ()

    @property
    def is_invoiced(self) -> bool:
        """True for whole closed periods: what was billed is known."""
        return bool(self.periods) and all(period.ends_at for period in self.periods)

    @property
    def numbers(self) -> list[int]:
        return [period.number for period in self.periods]

    @property
    def through(self) -> date:
        """The last day of the range."""
        return self.days.end - ONE_DAY if self.days.days else self.days.start

    @property
    def label(self) -> str:
        """First and last day with the year, or the only day."""
        start, through = self.days.start, self.through
        if start == through:
            return display.day_year(start)
        is_one_year = start.year == through.year
        first = display.day(start) if is_one_year else display.day_year(start)
        return f"{first} \N{EN DASH} {display.day_year(through)}"


@dataclass(frozen=True, slots=True)
class SpanChoice:
    """Which ranges to compare, as a page or an API call asks for them.

    Days of the white label, with the ends excluded, or numbers of billing periods.
    Where nothing is given, the open period so far is compared with the same days of the
    period before; a range without a comparison, with the range before it.
    """

    start: date | None = None
    end: date | None = None
    compare_start: date | None = None
    compare_end: date | None = None
    period: int | None = None
    compare_period: int | None = None


def read_spans(
    organization: Organization, choice: SpanChoice
) -> tuple[CostSpan, CostSpan]:
    """Return the range and the one that it is compared with; at most three queries.

    Ranges of days that are exactly whole closed periods are these periods, if both are.
    Raises `InvalidDateRange` with the names of the fields, and `NotFound` for a period
    that the organization does not have.
    """
    if choice.period is not None or choice.compare_period is not None:
        return _read_periods(organization, choice)
    days, compared = _read_days(organization, choice)
    whole = _find_whole(organization, days)
    whole_compared = _find_whole(organization, compared) if whole else ()
    if whole and whole_compared:
        return CostSpan(days, whole), CostSpan(compared, whole_compared)
    return CostSpan(days), CostSpan(compared)


def _read_periods(
    organization: Organization, choice: SpanChoice
) -> tuple[CostSpan, CostSpan]:
    if any((choice.start, choice.end, choice.compare_start, choice.compare_end)):
        raise InvalidDateRange(
            "Compare either periods or ranges of days.",
            fields=("period", "compare_period"),
        )
    number = choice.period
    if number is None:
        raise InvalidDateRange("`period` is missing.", fields=("period",))
    compared = choice.compare_period or number - 1
    rows = BillingPeriod.objects.filter(
        organization=organization, number__in=(number, compared)
    )
    periods = {period.number: period for period in rows}
    if number not in periods or compared not in periods:
        raise NotFound("Period not found.")
    span, other = (
        CostSpan(_days_of(organization, periods[n]), (periods[n],))
        for n in (number, compared)
    )
    return span, other


def _days_of(organization: Organization, period: BillingPeriod) -> DayRange:
    """Return the days that have a part of a period, up to today if it is open."""
    zone = organization.white_label.zone
    last = (period.ends_at or timezone.now()) - timedelta(microseconds=1)
    start = day_of(period.starts_at, zone)
    return DayRange(start, max(day_of(last, zone), start) + ONE_DAY)


def _read_days(
    organization: Organization, choice: SpanChoice
) -> tuple[DayRange, DayRange]:
    days, compared = _default_days(organization)
    if choice.start or choice.end:
        tomorrow = day_of(timezone.now(), organization.white_label.zone) + ONE_DAY
        end = choice.end or tomorrow
        days = DayRange(choice.start or min(days.start, end), end)
    if choice.compare_start or choice.compare_end:
        return days, _read_compared(choice, days)
    has_range = choice.start or choice.end
    return days, days.before() if has_range else compared


def _read_compared(choice: SpanChoice, days: DayRange) -> DayRange:
    """Return the range to compare with; an end that is missing follows from the other.

    Both ranges then have the same length.
    """
    length = timedelta(days=days.days)
    start, end = choice.compare_start, choice.compare_end
    fields = ("compare_from", "compare_to")
    try:
        first = start or (end or days.start) - length
        return DayRange(first, end or first + length)
    except (InvalidDateRange, OverflowError):
        raise InvalidDateRange(
            "`compare_from` must not be after `compare_to`, and both must be between"
            " the years 2000 and 2200.",
            fields=fields,
        ) from None


def _default_days(organization: Organization) -> tuple[DayRange, DayRange]:
    """Return the open period so far, and the same days of the period before."""
    zone = organization.white_label.zone
    end = day_of(timezone.now(), zone) + ONE_DAY
    rows = BillingPeriod.objects.filter(organization=organization)
    starts = [
        day_of(row.starts_at, zone)
        for row in rows.order_by("-number")[:2]
        if day_of(row.starts_at, zone) < end
    ]
    start = starts[0] if starts else end.replace(day=1)
    return same_days(start, end, before=starts[1] if len(starts) > 1 else None)


def same_days(
    start: date, end: date, *, before: date | None
) -> tuple[DayRange, DayRange]:
    """Return the days of a period so far, and as many days of the period before.

    `before` is the first day of that period; without one, they are the days before.
    """
    days = DayRange(min(start, end - ONE_DAY), end)
    if before is None:
        return days, days.before()
    compare_end = min(before + timedelta(days=days.days), days.start)
    return days, DayRange(min(before, compare_end), compare_end)


def _find_whole(
    organization: Organization, days: DayRange
) -> tuple[BillingPeriod, ...]:
    """Return the closed periods that together are exactly these days, oldest first."""
    zone = organization.white_label.zone
    start, end = first_instant(days.start, zone), first_instant(days.end, zone)
    rows = BillingPeriod.objects.filter(
        organization=organization, starts_at__gte=start, ends_at__lte=end
    ).order_by("number")
    periods = tuple(rows[:_MAX_PERIODS])
    return periods if _is_tiled(periods, start, end) else ()


_MAX_PERIODS = 240  # twenty years of months


def _is_tiled(periods: Sequence[BillingPeriod], start: datetime, end: datetime) -> bool:
    if not periods:
        return False
    ends = [period.ends_at for period in periods]
    starts = [period.starts_at for period in periods]
    return starts[0] == start and ends[-1] == end and starts[1:] == ends[:-1]
