"""Forms of the pages of this app."""

from typing import Any

from django import forms

from orgs.catalog import Scope
from orgs.models import Note, Organization, WhiteLabel
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


class NoteForm(forms.ModelForm):  # type: ignore[type-arg]  # not at run time
    """A note about an organization; `version` is that of the text being changed."""

    ticket_url = forms.URLField(
        required=False, max_length=500, assume_scheme="https", label="Ticket link"
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Note
        fields = ("text", "ticket_url", "is_pinned")
        widgets = {"text": forms.Textarea(attrs={"rows": 4})}
        labels = {
            "text": "Note",
            "is_pinned": "Pin it above all tabs of the organization",
        }

    @staticmethod
    def initial_of(note: Note) -> dict[str, Any]:
        """Return the values of a note that the form begins with."""
        names = ("text", "ticket_url", "is_pinned", "version")
        return {name: getattr(note, name) for name in names}

    @property
    def note(self) -> dict[str, Any]:
        """What the valid form says of the note."""
        return {name: self.cleaned_data[name] for name in self.Meta.fields}

    def renew_version(self, note: Note) -> None:
        """Take the current version, after its text was shown beside the typed one."""
        self.data = {**self.data.dict(), "version": note.version}  # type: ignore[attr-defined]  # a QueryDict
