"""The forms of the Integrations tab: a target, the reason for a change, a backfill."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from metrics.commands.integrations import IncomingTarget

_MASK = "*"
_ACCOUNT_ID = re.compile(r"[!-9;-~]+")  # visible ASCII without the colon
_TOKEN = re.compile(r"[!-~]+")
_MAX_URL, _MAX_ID, _MAX_TOKEN, _MAX_NOTE = 2_000, 200, 2_000, 1_000
_DATE = forms.DateInput({"type": "date"}, format="%Y-%m-%d")


class NoteForm(forms.Form):
    """The reason for a change."""

    note = forms.CharField(
        max_length=_MAX_NOTE,
        label="Reason",
        help_text="Kept permanently in the history.",
    )


class TargetForm(NoteForm):
    """The target of an integration. The stored token is never shown."""

    endpoint = forms.CharField(
        max_length=_MAX_URL,
        label="Endpoint",
        widget=forms.URLInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    instance_id = forms.CharField(
        max_length=_MAX_ID,
        label="Account ID",
        widget=forms.TextInput({"autocomplete": "off"}),
        help_text="The user name for basic authentication.",
    )
    token = forms.CharField(
        max_length=_MAX_TOKEN,
        label="Token",
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    starts_paused = forms.BooleanField(
        label="Start paused",
        required=False,
        help_text="So that past days can be pushed first.",
    )
    field_order = ("endpoint", "instance_id", "token", "starts_paused", "note")

    def __init__(self, *args: Any, has_token: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if has_token:
            del self.fields["starts_paused"]
            self.fields["token"].required = False
            self.fields["token"].help_text = "Leave empty to keep the stored token."

    def clean_instance_id(self) -> str:
        """Refuse what basic authentication cannot carry."""
        return _matching(self.cleaned_data["instance_id"], _ACCOUNT_ID, "colons")

    def clean_token(self) -> str:
        """Return the token, or an empty text for the mask: the stored one stays."""
        token: str = self.cleaned_data["token"]
        return (
            _matching(token, _TOKEN, "control characters") if token.strip(_MASK) else ""
        )

    def target(self) -> IncomingTarget:
        """Return the target of valid input."""
        data = self.cleaned_data
        return IncomingTarget(
            data["instance_id"],
            data["endpoint"],
            data["token"] or None,
            starts_paused=data.get("starts_paused", False),
        )


def _matching(text: str, pattern: re.Pattern[str], refused: str) -> str:
    if not pattern.fullmatch(text):
        raise ValidationError(f"Use visible ASCII characters, no spaces or {refused}.")
    return text


class BackfillForm(NoteForm):
    """The range of days of a backfill, both included."""

    first = forms.DateField(label="First day", widget=_DATE)
    last = forms.DateField(label="Last day", widget=_DATE)
    field_order = ("first", "last", "note")
