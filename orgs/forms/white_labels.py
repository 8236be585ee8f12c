"""Forms of white labels."""

from typing import Any

from django import forms

from orgs.catalog import CURRENCY_DIGITS, time_zones
from orgs.commands.proofs import Values
from orgs.models.fields import validate_text
from orgs.web.edits import EditForm
from orgs.web.quantities import CountField, MoneyField

_LARGEST = 2**31 - 1


class WhiteLabelForm(EditForm):
    """What can be changed of a white label; its zone and its currency cannot."""

    name = forms.CharField(max_length=200, validators=[validate_text])
    gpu_weight = forms.IntegerField(
        min_value=1,
        max_value=1_000,
        label="GPU weight",
        help_text="CPU seconds that one GPU second counts as in daily metrics. Recorded"
        " seconds stay; the weighted totals of all days are shown with the new weight.",
    )
    default_rate_limit = CountField(
        required=True,
        largest=_LARGEST,
        label="Default rate limit",
        help_text="API calls per minute, for organizations without a limit.",
    )
    bills_usage_monthly = forms.BooleanField(
        required=False,
        label="Bill usage monthly",
        help_text="Beside a plan whose cycle is longer.",
    )

    default_soft_limit = MoneyField(
        label="Default soft limit",
        help_text="Monthly spending that new organizations are alerted at. Empty for no"
        " limit.",
    )
    default_hard_limit = MoneyField(
        label="Default hard limit",
        help_text="Monthly spending at which API requests of new organizations are"
        " rejected. Empty for no limit. Changing the default limits changes no existing"
        " organization.",
    )
    previewed_weight = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, *arguments: Any, currency: str, values: Values, **options: Any
    ) -> None:
        super().__init__(*arguments, values=values, **options)
        for name in ("default_soft_limit", "default_hard_limit"):
            self.fields[name].label = f"{self.fields[name].label}, {currency.upper()}"

    @property
    def needs_preview(self) -> bool:
        """Return whether the GPU weight differs from the one that was previewed."""
        weight = self.cleaned_data["gpu_weight"]
        is_previewed = self.cleaned_data["previewed_weight"] == weight
        return bool(weight != self.values["gpu_weight"] and not is_previewed)

    def remember_preview(self) -> None:
        """Note in the form that its GPU weight was previewed."""
        weight = str(self.cleaned_data["gpu_weight"])
        self.data = {**dict(self.data.items()), "previewed_weight": weight}

    def clean(self) -> dict[str, Any]:
        """Refuse a soft limit above the hard limit."""
        data = super().clean() or self.cleaned_data
        soft, hard = data.get("default_soft_limit"), data.get("default_hard_limit")
        if soft and hard and soft > hard:
            message = "The soft limit must not exceed the hard limit."
            self.add_error("default_soft_limit", message)
        return data

    def clean_default_rate_limit(self) -> int:
        limit: int | None = self.cleaned_data["default_rate_limit"]
        if not limit:
            raise forms.ValidationError("Enter 1 or more.")
        return limit


class NewWhiteLabelForm(forms.Form):
    """A new white label; its help texts name what cannot be changed later."""

    name = forms.CharField(max_length=200, validators=[validate_text])
    slug = forms.SlugField(
        max_length=63,
        help_text="A short name for URLs and commands. It cannot be changed later.",
    )
    time_zone = forms.ChoiceField(
        initial="UTC", help_text="Where days start. It cannot be changed later."
    )
    currency = forms.ChoiceField(
        initial="usd", help_text="Of all prices. It cannot be changed later."
    )
    gpu_weight = forms.IntegerField(
        initial=3, min_value=1, max_value=1_000, label="GPU weight"
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, values in (
            ("time_zone", sorted(time_zones())),
            ("currency", sorted(CURRENCY_DIGITS)),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101  for the types
            field.choices = [(value, value) for value in values]
