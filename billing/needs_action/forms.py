"""URL parameters of Needs action, and the form that snoozes a reason."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.http import QueryDict

from billing.needs_action.commands.snoozes import MAX_SNOOZE
from billing.needs_action.kinds import ReasonGroup, ReasonKind, Severity, kinds_of
from billing.needs_action.queries.reasons import NeedFilters
from orgs.days import day_of, first_instant
from orgs.errors import DomainError
from orgs.models import WhiteLabel

_MAX_NOTE_LENGTH = 1_000
_DEFAULT_DAYS = 7


def read_need_filters(query: QueryDict) -> NeedFilters:
    """Return the filters of a query string; raises `DomainError` for a bad one."""
    return need_filters(
        query.get("reason", ""), query.get("severity", ""), query.get("snoozed", "")
    )


def need_filters(reason: str, severity: str, snoozed: str) -> NeedFilters:
    """Return the filters of these parameters; an empty one lets everything pass."""
    try:
        kinds = kinds_of(filter(None, reason.split(",")))
    except ValueError:
        names = ", ".join((*ReasonGroup, *ReasonKind))
        message = f"Unknown reason. Use one or more of: {names}."
        raise DomainError(message, fields=("reason",)) from None
    if severity not in ("", *Severity):
        message = f"Unknown severity. Use one of: {', '.join(Severity)}."
        raise DomainError(message, fields=("severity",))
    if snoozed not in ("", "1"):
        raise DomainError("`snoozed` must be 1.", fields=("snoozed",))
    return NeedFilters(kinds, Severity(severity) if severity else None, snoozed == "1")


class SnoozeReasonForm(forms.Form):
    """A form that hides a reason until a day begins, with a note."""

    until = forms.DateField(
        label="Until", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    note = forms.CharField(
        max_length=_MAX_NOTE_LENGTH,
        widget=forms.Textarea({"rows": 2}),
        help_text="Shown beside the reason, and kept in the history.",
    )

    def __init__(self, *args: Any, label: WhiteLabel, now: datetime, **more: Any):
        super().__init__(*args, **more)
        self._label, self._now = label, now
        today = day_of(now, label.zone)
        self.fields["until"].initial = today + timedelta(days=_DEFAULT_DAYS)
        zone = label.time_zone
        self.fields["until"].help_text = f"The start of this day in {zone}."

    def clean_until(self) -> date:
        """Refuse a day that is not ahead, or more than a year away."""
        day: date = self.cleaned_data["until"]
        if (
            not self._now
            < first_instant(day, self._label.zone)
            <= (self._now + MAX_SNOOZE)
        ):
            raise forms.ValidationError("Choose a day within the next year.")
        return day

    @property
    def ends_at(self) -> datetime:
        """The instant at which the snooze ends."""
        return first_instant(self.cleaned_data["until"], self._label.zone)
