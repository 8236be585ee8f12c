"""What people write on the pages of this app."""

from typing import Any

from django import forms

from orgs.catalog import Scope
from orgs.models import Organization, WhiteLabel


class ApiKeyForm(forms.Form):
    """A new key. The choices are the white labels its maker may see."""

    white_label = forms.ModelChoiceField(WhiteLabel.objects.none())
    organization = forms.CharField(
        max_length=200,
        required=False,
        help_text="External id of one organization; empty for the whole white label.",
    )
    name = forms.CharField(max_length=200, help_text="What it is for.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
    )
    expires_in_days = forms.IntegerField(
        min_value=1, max_value=3_650, required=False, help_text="Empty: never."
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
            rows = Organization.objects.present().filter(
                white_label=data["white_label"], external_id=external_id
            )
            data["organization"] = rows.first()
            if data["organization"] is None:
                self.add_error("organization", "There is no such organization in it.")
        return data
