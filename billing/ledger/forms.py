"""Forms that grant credit, void usage and close a period."""

import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms

from billing.errors import InvalidAmount
from billing.ledger.commands.credits import check_amount
from billing.models import ChargeDecision, CreditEntry
from metrics.queries.voids import UsageRange, find_event_span
from orgs.catalog import MONEY_DIGITS, MONEY_PLACES
from orgs.models import Organization

_MAX_NOTE_LENGTH = 2_000
_MINUTE_FORMAT = "%Y-%m-%dT%H:%M"  # what a browser's date and time field shows
_DATE_TIME_FORMATS = [_MINUTE_FORMAT, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]
_RESOLUTION = timedelta(microseconds=1)


class _CorrectionForm(forms.Form):
    """The base of forms that change what is billed: a reason and an idempotency key."""

    note = forms.CharField(
        max_length=_MAX_NOTE_LENGTH,
        label="Reason",
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept permanently in the history.",
    )
    idempotency_key = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("idempotency_key", secrets.token_hex(16))
        # Fields of subclasses go first: a field that is not named here comes last.
        self.order_fields([name for name in self.fields if name != "note"])


class ClosePeriodForm(_CorrectionForm):
    """A form that closes the open period; it asks for the reason.

    With unpriced usage, it also asks whether the period is billed without it.
    """

    bills_without_unpriced = forms.BooleanField(
        label="Close without billing the usage that has no price", required=False
    )

    def __init__(self, *args: Any, has_unpriced: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_unpriced:
            del self.fields["bills_without_unpriced"]


class WriteOffForm(_CorrectionForm):
    """A form that writes off carried usage of a product and meter."""

    product = forms.CharField(max_length=200, widget=forms.HiddenInput)
    meter = forms.CharField(max_length=64, widget=forms.HiddenInput)


class ChargeDecisionForm(_CorrectionForm):
    """A form that decides about a charge; each button is a decision."""

    decision = forms.ChoiceField(choices=ChargeDecision.Kind.choices)


class CreditForm(_CorrectionForm):
    """A form that adds or removes credit, in the white label's currency."""

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

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        try:
            check_amount(self.organization.pk, amount)
        except InvalidAmount as error:
            raise forms.ValidationError(error.message) from None
        return amount

    @property
    def signed_amount(self) -> Decimal:
        """Amount by which the balance changes, below 0 to remove."""
        amount: Decimal = self.cleaned_data["amount"]
        return -amount if self.cleaned_data["correction"] == "take_back" else amount


class VoidForm(_CorrectionForm):
    """A form that chooses one event by its ID, or all events of a range of time.

    Times are in the white label's time zone. Valid data has the `UsageRange` under
    `usage_range`.
    """

    event = forms.CharField(
        label="Event ID",
        max_length=200,
        required=False,
        help_text="Or enter a range below.",
    )
    start = forms.DateTimeField(
        label="From",
        required=False,
        input_formats=_DATE_TIME_FORMATS,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format=_MINUTE_FORMAT),
    )
    end = forms.DateTimeField(
        label="Until",
        required=False,
        input_formats=_DATE_TIME_FORMATS,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format=_MINUTE_FORMAT),
        help_text="Exclusive.",
    )
    product = forms.CharField(max_length=200, required=False)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization

    def clean_start(self) -> datetime | None:
        return self._set_time_zone("start")

    def clean_end(self) -> datetime | None:
        return self._set_time_zone("end")

    def _set_time_zone(self, name: str) -> datetime | None:
        """Return a field's local time in the white label's time zone."""
        local: datetime | None = self.cleaned_data.get(name)
        zone = self.organization.white_label.zone
        return local and local.replace(tzinfo=zone)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "\x00" in f"{data.get('event')}{data.get('product')}":
            raise forms.ValidationError("Enter a valid ID.")
        if not self.errors:
            data["usage_range"] = self._build_range(data)
        return data

    def _build_range(self, data: dict[str, Any]) -> UsageRange | None:
        start, end, event = data.get("start"), data.get("end"), data.get("event", "")
        if event and not (start and end):
            span = find_event_span(self.organization.pk, event)
            if span is None:
                self.add_error("event", "No event has this ID.")
                return None
            start, end = span[0], span[1] + _RESOLUTION
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
