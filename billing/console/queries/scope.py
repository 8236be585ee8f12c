"""Whose money a fleet page adds up, and which day it is there."""

from dataclasses import dataclass
from datetime import date, datetime

from orgs.days import day_of
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class FleetScope:
    """White labels whose money adds up: one, or all those of a currency.

    `kept` is what the address must say to mean them again; never empty of labels.
    """

    white_labels: tuple[WhiteLabel, ...]
    kept: tuple[tuple[str, str], ...] = ()

    @property
    def ids(self) -> list[int]:
        return [label.id for label in self.white_labels]

    @property
    def currency(self) -> str:
        return self.white_labels[0].currency

    @property
    def is_one(self) -> bool:
        return len(self.white_labels) == 1

    @property
    def name(self) -> str:
        one = self.white_labels[0]
        return one.name if self.is_one else f"All white labels ({one.currency.upper()})"

    @property
    def zone_name(self) -> str:
        """Empty where the white labels have several."""
        names = {label.time_zone for label in self.white_labels}
        return names.pop() if len(names) == 1 else ""

    def of(self, white_label_id: int) -> WhiteLabel:
        return next(label for label in self.white_labels if label.id == white_label_id)

    def today_of(self, white_label_id: int, now: datetime) -> date:
        return day_of(now, self.of(white_label_id).zone)

    def today(self, now: datetime) -> date:
        """The latest of their todays: a chart must reach it."""
        return max(day_of(now, label.zone) for label in self.white_labels)

    def first_open(self, now: datetime) -> date:
        """The first day that is not over everywhere; those before are complete."""
        return min(day_of(now, label.zone) for label in self.white_labels)
