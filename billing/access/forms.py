"""The form that restores, activates or deactivates an organization."""

from django import forms

from billing.access.commands.organizations import CHANGES

_MAX_NOTE_LENGTH = 1_000


class AvailabilityForm(forms.Form):
    """A change of an organization, with the reason for it."""

    note = forms.CharField(
        max_length=_MAX_NOTE_LENGTH,
        label="Reason",
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept permanently in the history.",
    )
    change = forms.ChoiceField(
        choices=[(change, change) for change in CHANGES], widget=forms.HiddenInput
    )
