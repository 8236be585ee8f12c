"""Forms of API keys."""

from typing import Any

from django import forms

from orgs.catalog import Scope
from orgs.models import Organization, WhiteLabel
from orgs.networks import read_address_ranges


class AddressRangesField(forms.CharField):
    """Networks in CIDR notation; the cleaned value is a list in their usual form."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{
                "required": False,
                "max_length": 2_500,
                "widget": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
                "help_text": "Networks that may use the key, such as 203.0.113.0/24,"
                " one a line; leave empty for any address.",
                **options,
            }
        )

    def prepare_value(self, value: Any) -> Any:
        """Return the text of a list of ranges, one a line."""
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Return the ranges; raise `ValidationError` for another text."""
        try:
            return read_address_ranges(super().clean(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the text has other words than the initial ranges."""
        return (self.prepare_value(initial) or "").split() != (data or "").split()


class ApiKeyEditForm(forms.Form):
    """What can be changed of an API key: an end, an owner, and scopes cannot."""

    name = forms.CharField(
        max_length=200, help_text="What the key is used for, such as “API gateway”."
    )
    address_ranges = AddressRangesField()


class RevocationForm(forms.Form):
    """The reason why a key is revoked."""

    reason = forms.CharField(
        max_length=1_000,
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept in the history.",
    )


class ApiKeyForm(forms.Form):
    """A new API key. The choices are the white labels that the user can access."""

    white_label = forms.ModelChoiceField(WhiteLabel.objects.none())
    organization = forms.CharField(
        max_length=200,
        required=False,
        help_text="External ID of an organization; leave empty for the white label.",
    )
    name = forms.CharField(
        max_length=200, help_text="What the key is used for, such as “API gateway”."
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
    )
    expires_in_days = forms.IntegerField(
        min_value=1,
        max_value=3_650,
        required=False,
        help_text="Leave empty for a key that never expires.",
        label="Expires in (days)",
    )
    address_ranges = AddressRangesField()

    def __init__(self, *args: Any, white_labels: list[WhiteLabel], **kw: Any) -> None:
        super().__init__(*args, **kw)
        ids = [white_label.pk for white_label in white_labels]
        field = self.fields["white_label"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  for the types
        field.queryset = WhiteLabel.objects.filter(pk__in=ids).order_by("name")
        if len(ids) == 1:
            field.initial = ids[0]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        external_id = data.get("organization")
        data["organization"] = None
        if external_id and data.get("white_label"):
            rows = Organization.objects.active().filter(
                white_label=data["white_label"], external_id=external_id
            )
            data["organization"] = rows.first()
            if data["organization"] is None:
                self.add_error(
                    "organization",
                    "No organization of this white label has this external ID.",
                )
        return data
