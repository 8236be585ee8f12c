"""Forms of the pages of this app."""

from typing import Any

from django import forms

from orgs.catalog import Scope
from orgs.models import Organization, WhiteLabel


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
