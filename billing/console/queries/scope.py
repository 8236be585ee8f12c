"""The white labels that an overview page adds up."""

from dataclasses import dataclass
from datetime import date, datetime

from orgs.days import day_of
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class FleetScope:
    """White labels whose amounts can be added up: one, or all those of a currency.

    There is at least one. `url_parameters` select the same scope again.
    """

    white_labels: tuple[WhiteLabel, ...]
    url_parameters: tuple[tuple[str, str], ...] = ()

    @property
    def ids(self) -> list[int]:
        return [label.id for label in self.white_labels]

    @property
    def currency(self) -> str:
        return self.white_labels[0].currency

    @property
    def is_single(self) -> bool:
        return len(self.white_labels) == 1

    @property
    def name(self) -> str:
        if self.is_single:
            return self.white_labels[0].name
        return f"All white labels ({self.currency.upper()})"

    @property
    def zone_name(self) -> str:
        """Time zone of the white labels, empty if they have several."""
        names = {label.time_zone for label in self.white_labels}
        return names.pop() if len(names) == 1 else ""

    def get(self, white_label_id: int) -> WhiteLabel:
        """Return a white label of the scope by its id."""
        return next(label for label in self.white_labels if label.id == white_label_id)

    def today_in(self, white_label_id: int, now: datetime) -> date:
        """Return the current day in the time zone of a white label."""
        return day_of(now, self.get(white_label_id).zone)

    def today(self, now: datetime) -> date:
        """Return the latest current day among the white labels, where charts end."""
        return max(day_of(now, label.zone) for label in self.white_labels)

    def first_open_day(self, now: datetime) -> date:
        """Return the first day that is not over in every white label's time zone.

        The days before it are complete.
        """
        return min(day_of(now, label.zone) for label in self.white_labels)
