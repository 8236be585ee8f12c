"""Forms of re-rates: what is previewed, and why it is applied."""

from django import forms

from metrics.catalog import METERS

_LONGEST_REASON = 1_000


class RerateForm(forms.Form):
    """Which usage of the open periods is priced again."""

    product = forms.CharField(
        max_length=200,
        required=False,
        help_text="Only organizations that used it in their open period. Empty: all.",
    )
    meter = forms.ChoiceField(
        choices=[("", "All meters"), *((m.slug, m.label) for m in METERS.values())],
        required=False,
    )
    since = forms.DateField(
        required=False,
        label="Price from",
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text="The first day of the price, to count the closed periods since then.",
    )


class RerateReasonForm(forms.Form):
    """The reason of a re-rate."""

    reason = forms.CharField(
        max_length=_LONGEST_REASON,
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept in the history. A link to a ticket can be opened there.",
    )
