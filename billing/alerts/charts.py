"""Bars of what is used of limits and entitlements, with a tick at each threshold.

Positions are percentages of the width, as text: the bars are SVG whose attributes place
them, because the content security policy forbids styles in the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from billing.alerts.measures import ENTITLEMENTS, Measure
from billing.alerts.queries.statuses import AlertStatus, Status

_ALL_USED = 100  # percent
# The width of a label, in percent of that of a bar on a phone: of 27 in 254 pixels.
_LABEL_WIDTH = 12
_BAR_HEIGHT, _LANE_HEIGHT = 14, 14  # pixels; labels stand in lanes below the bar
_LABELS = {Measure.SOFT: "soft limit", Measure.HARD: "hard limit"}


@dataclass(frozen=True, slots=True)
class Tick:
    """A threshold on a bar; `state` is `triggered`, `reached`, or `ahead`."""

    percent: int
    position: str
    anchor: str  # of its label, which does not leave the bar
    label_y: int
    state: str


@dataclass(frozen=True, slots=True)
class ThresholdBar:
    """A limit or entitlement: how much of it is used, and when alerts are sent."""

    label: str
    statuses: Sequence[AlertStatus]  # of its thresholds, ascending
    percent: str
    width: str
    tone: str
    ticks: Sequence[Tick]
    height: int

    @property
    def summary(self) -> str:
        """The bar in words, for screen readers."""
        alerts = ", ".join(
            f"{tick.percent}%{'' if tick.state == 'ahead' else f' ({tick.state})'}"
            for tick in self.ticks
        )
        return f"{self.percent}% of the {self.label} used. Alerts at {alerts}."


def threshold_bars(statuses: Sequence[AlertStatus]) -> list[ThresholdBar]:
    """Return a bar for each limit and entitlement that is measured."""
    rows = [row for row in statuses if row.kind.percent_list and row.measurement]
    rows.sort(key=_order)
    return [_bar(list(group)) for _, group in groupby(rows, key=lambda r: _order(r)[0])]


def _order(row: AlertStatus) -> tuple[tuple[int, str], int]:
    measure, subject = row.kind.measure, row.subject
    measures = [Measure.SOFT, Measure.HARD, Measure.ENTITLEMENT]
    return (measures.index(measure), subject), row.kind.threshold


def _bar(rows: Sequence[AlertStatus]) -> ThresholdBar:
    measurement = rows[0].measurement
    assert measurement is not None  # noqa: S101  for the types
    base = measurement.base
    percent = 100 * measurement.value / base if base else _ALL_USED
    full = max(_ALL_USED, rows[-1].kind.threshold)
    ticks = _ticks(rows, full)
    return ThresholdBar(
        label=_label(rows[0]),
        statuses=rows,
        percent=f"{round(percent, 1):f}".removesuffix(".0"),
        width=_position(min(float(percent), full), full),
        tone=_tone(float(percent), ticks),
        ticks=ticks,
        height=max((tick.label_y for tick in ticks), default=0) + 4,
    )


def _label(row: AlertStatus) -> str:
    if row.subject in ENTITLEMENTS:
        return ENTITLEMENTS[row.subject].limit_label
    return _LABELS[row.kind.measure]


def _tone(percent: float, ticks: Sequence[Tick]) -> str:
    if percent >= _ALL_USED:
        return "bad"
    return "warn" if any(tick.state != "ahead" for tick in ticks) else ""


def _ticks(rows: Sequence[AlertStatus], full: int) -> list[Tick]:
    """Return the ticks in order, each label in the first lane that has room for it."""
    lanes: list[float] = []  # where the last label of each lane ends
    ticks = []
    for row in rows:
        x = 100 * row.kind.threshold / full
        anchor, left = _anchor(x)
        lane = next((i for i, end in enumerate(lanes) if end <= left), len(lanes))
        lanes[lane : lane + 1] = [left + _LABEL_WIDTH]  # or appends one
        label_y = _BAR_HEIGHT + _LANE_HEIGHT * (lane + 1) - 2
        position = _position(row.kind.threshold, full)
        ticks.append(Tick(row.kind.threshold, position, anchor, label_y, _state(row)))
    return ticks


def _anchor(x: float) -> tuple[str, float]:
    """Return the anchor of a label at x percent, and where it begins."""
    half = _LABEL_WIDTH / 2
    if x < half:
        return "start", x
    if x > 100 - half:
        return "end", x - _LABEL_WIDTH
    return "middle", x - half


def _state(row: AlertStatus) -> str:
    if row.status is Status.TRIGGERED:
        return "triggered"
    return "reached" if row.is_new else "ahead"


def _position(percent: float, full: int) -> str:
    return f"{round(100 * percent / full, 2):g}%"
