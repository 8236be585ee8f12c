"""The forms of an organization's details, one for each card of the page."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django import forms

from orgs.models import WhiteLabel
from orgs.models.fields import validate_text
from orgs.web.edits import EditForm
from orgs.web.pasted import PastedForm, lines_field
from orgs.web.quantities import BytesField, CountField, HoursField
from orgs.web.templatetags.display import money

_FIRST_DAY, _LAST_DAY = date(2000, 1, 2), date(2199, 12, 30)
_LARGEST_INTEGER = 2**31 - 1
_LIMITS = (
    "A new organization gets the default spending limits of its white label. They can"
    " be changed on its Alerts tab."
)


class _Text(forms.CharField):
    """A text without control characters."""

    default_validators = [validate_text]


class NameForm(EditForm):
    """The name, and the company's own ID."""

    name = _Text(max_length=200)
    external_id = _Text(
        max_length=200,
        label="External ID",
        help_text="Your ID of the organization. Usage events and API calls name it:"
        " those with the old ID are refused after a change.",
    )


class ContactForm(EditForm):
    """Who gets invoices, and the domain."""

    billing_email = forms.EmailField(max_length=254, required=False)
    domain = _Text(max_length=253, required=False)


class AddressForm(EditForm):
    """The postal address."""

    address_line_1 = _Text(max_length=200, required=False, label="Address")
    address_line_2 = _Text(max_length=200, required=False, label="Address, line 2")
    address_zip = _Text(max_length=20, required=False, label="Postal code")
    address_city = _Text(max_length=100, required=False, label="City")
    address_state = _Text(max_length=100, required=False, label="State or region")
    address_country = _Text(max_length=100, required=False, label="Country")


class ContractForm(EditForm):
    """The day that contract totals count from."""

    contract_started_on = forms.DateField(
        required=False,
        label="Contract start",
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Enter a date as YYYY-MM-DD."},
        help_text="Totals and entitlements of a year count from this day. Leave empty"
        " to count from the creation.",
    )

    def clean_contract_started_on(self) -> date | None:
        day: date | None = self.cleaned_data["contract_started_on"]
        if day is not None and not _FIRST_DAY <= day <= _LAST_DAY:
            raise forms.ValidationError("Enter a day between 2000 and 2200.")
        return day


class EntitlementsForm(EditForm):
    """What the organization may use, in natural units."""

    storage_bytes = BytesField(label="Storage")
    compute_seconds_per_year = HoursField(label="Compute per contract year, CPU + GPU")
    gpu_seconds_per_year = HoursField(label="GPU per contract year")
    projects = CountField(label="Projects", largest=_LARGEST_INTEGER)
    users = CountField(label="Members", largest=_LARGEST_INTEGER)


class RateLimitForm(EditForm):
    """How many API calls a minute are answered."""

    rate_limit = CountField(
        label="API calls per minute",
        largest=_LARGEST_INTEGER,
        help_text="Leave empty for the default of the white label.",
    )

    def clean_rate_limit(self) -> int | None:
        limit: int | None = self.cleaned_data["rate_limit"]
        if limit == 0:
            raise forms.ValidationError("Enter 1 or more. To refuse calls, deactivate.")
        return limit


class DeletionForm(EditForm):
    """The deletion of an organization: nothing but the reason."""


def white_label_choices(
    labels: Iterable[WhiteLabel], *, shows_money: bool
) -> dict[str, str]:
    """Return what each white label is called, with the limits that would apply."""
    return {
        label.slug: f"{label.name} ({label.slug})"
        + (_default_limits(label) if shows_money else "")
        for label in labels
    }


def _default_limits(label: WhiteLabel) -> str:
    limits = ("soft", label.default_soft_limit), ("hard", label.default_hard_limit)
    texts = [
        f"{kind} limit {money(amount, label.currency)}"
        for kind, amount in limits
        if amount is not None
    ]
    return f" · {', '.join(texts)}" if texts else " · no spending limits"


class NewOrganizationForm(forms.Form):
    """A new organization; the choices are the white labels that the user can access."""

    white_label = forms.ChoiceField(help_text=_LIMITS)
    name = _Text(max_length=200)
    external_id = _Text(
        max_length=200,
        label="External ID",
        help_text="Your ID of the organization; unique in its white label.",
    )
    billing_email = forms.EmailField(max_length=254, required=False)

    def __init__(self, *arguments: Any, labels: dict[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        field = self.fields["white_label"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  for the types
        field.choices = list(labels.items())


class OrganizationListForm(PastedForm):
    """Many new organizations of a white label."""

    most_lines, most_kib = 2_000, 512

    white_label = forms.ChoiceField(help_text=_LIMITS)
    lines = lines_field(
        "One organization a line: external ID, name, billing email, contract start"
        " (2026-01-31). Only the external ID is required; the first line may name the"
        " columns."
    )
    skips_invalid = forms.BooleanField(
        required=False, label="Create the others if some lines cannot be read"
    )
    field_order = ("white_label", "lines", "file", "skips_invalid")

    def __init__(self, *arguments: Any, labels: dict[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        field = self.fields["white_label"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  for the types
        field.choices = list(labels.items())
