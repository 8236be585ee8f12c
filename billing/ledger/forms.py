"""Granting credits and voiding usage, as people write it."""

import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms

from billing.models import CreditEntry
from billing.models.accounts import MONEY_DIGITS, MONEY_PLACES
from metrics.queries.voids import UsageRange, find_event_span
from orgs.models import Organization

_LONGEST_NOTE = 2_000
_LOCAL = "%Y-%m-%dT%H:%M"
_SECONDS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")
_INSTANT = timedelta(microseconds=1)


class _Note(forms.Form):
    """Why; and a word of the form's own, so that what is sent twice is done once."""

    note = forms.CharField(
        max_length=_LONGEST_NOTE,
        label="Reason",
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept permanently in the history.",
    )
    form = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.initial.setdefault("form", secrets.token_hex(16))
        self.order_fields([name for name in self.fields if name != "note"])


class CloseForm(_Note):
    """Close the open period; only why is asked."""


class CreditForm(_Note):
    """Give or take back, in the white label's currency."""

    correction = forms.ChoiceField(
        label="Action",
        choices=[("grant", "Add"), ("take_back", "Remove")],
    )
    kind = forms.ChoiceField(
        label="Type",
        choices=CreditEntry.Kind.choices,
        help_text="Free balance applies during a trial only, credit to any invoice.",
    )
    amount = forms.DecimalField(
        min_value=Decimal(1).scaleb(-MONEY_PLACES),
        max_digits=MONEY_DIGITS,
        decimal_places=MONEY_PLACES,
        widget=forms.TextInput({"inputmode": "decimal", "autocomplete": "off"}),
    )

    @property
    def signed(self) -> Decimal:
        """Below 0: taken back."""
        amount: Decimal = self.cleaned_data["amount"]
        return -amount if self.cleaned_data["correction"] == "take_back" else amount


class VoidForm(_Note):
    """One event by its id, or all in a range of instants of the white label's zone."""

    event = forms.CharField(
        label="Event ID",
        max_length=200,
        required=False,
        help_text="Or enter a range below.",
    )
    start = forms.DateTimeField(
        label="From",
        required=False,
        input_formats=[_LOCAL, *_SECONDS],
        widget=forms.DateTimeInput({"type": "datetime-local"}, format=_LOCAL),
    )
    end = forms.DateTimeField(
        label="Until",
        required=False,
        input_formats=[_LOCAL, *_SECONDS],
        widget=forms.DateTimeInput({"type": "datetime-local"}, format=_LOCAL),
        help_text="Exclusive.",
    )
    product = forms.CharField(max_length=100, required=False)

    def __init__(self, *args: Any, organization: Organization, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.organization = organization

    def clean_start(self) -> datetime | None:
        return self._local("start")

    def clean_end(self) -> datetime | None:
        return self._local("end")

    def _local(self, name: str) -> datetime | None:
        """As the clock of the white label says it."""
        found: datetime | None = self.cleaned_data.get(name)
        zone = self.organization.white_label.zone
        return found and found.replace(tzinfo=zone)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "\x00" in f"{data.get('event')}{data.get('product')}":
            raise forms.ValidationError("Enter a valid ID.")
        if not self.errors:
            data["chosen"] = self._chosen(data)
        return data

    def _chosen(self, data: dict[str, Any]) -> UsageRange | None:
        start, end, event = data.get("start"), data.get("end"), data.get("event", "")
        if event and not (start and end):
            span = find_event_span(self.organization.pk, event)
            if span is None:
                self.add_error("event", "No event has this ID.")
                return None
            start, end = span[0], span[1] + _INSTANT
        if not start or not end:
            self.add_error(
                "start", "Enter an event ID, or the start and end of a range."
            )
            return None
        if start >= end:
            self.add_error("end", "The end must be after the start.")
            return None
        return UsageRange(
            organization=self.organization,
            start=start,
            end=end,
            product=data.get("product", ""),
            event_id=event,
        )
