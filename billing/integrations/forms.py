"""The forms of the Integrations tab: a target, the reason for a change, a backfill."""

import base64
import binascii
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from metrics.commands.integrations import IncomingTarget
from orgs.crypto import decrypt, encrypt
from orgs.errors import SecretUnreadable

_MASK = "*"
_ACCOUNT_ID = re.compile(r"[!-9;-~]+")  # visible ASCII without the colon
_TOKEN = re.compile(r"[!-~]+")
_MAX_URL, _MAX_ID, _MAX_TOKEN, _MAX_NOTE = 2_000, 200, 2_000, 1_000
_STORED = "Leave empty to keep the stored token, unless the host changes."
_CARRIED = "Leave empty for the token you entered."
_DATE = forms.DateInput({"type": "date"}, format="%Y-%m-%d")


class NoteForm(forms.Form):
    """The reason for a change."""

    note = forms.CharField(
        max_length=_MAX_NOTE,
        label="Reason",
        help_text="Kept permanently in the history.",
    )


class TargetForm(NoteForm):
    """The target of an integration. Tokens are never shown.

    A token that was entered for a try is carried to the save in `encrypted_token`,
    which can be decrypted only for this organization and kind.
    """

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
    encrypted_token = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ("endpoint", "instance_id", "token", "starts_paused", "note")

    def __init__(
        self, *args: Any, organization_id: int, has_token: bool, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._associated_data = f"target-form:{organization_id}:{self.prefix}"
        if has_token:
            del self.fields["starts_paused"]
            self.fields["token"].required = False
            self.fields["token"].help_text = _STORED
        if self.data.get(self.add_prefix("encrypted_token")):
            self.fields["token"].required = False
            self.fields["token"].help_text = _CARRIED

    def for_try(self) -> None:
        """Accept the target without a reason, as for a try, which saves nothing."""
        self.fields["note"].required = False

    def carry_token(self) -> None:
        """Prepare the form of a try to be saved: the token is in it, encrypted."""
        self.fields["note"].required = True
        token = self.cleaned_data["token"]
        if not token:
            return
        encrypted = encrypt(token, associated_data=self._associated_data)
        text = base64.b64encode(encrypted).decode()
        name = self.add_prefix("encrypted_token")
        self.data = {**dict(self.data.items()), name: text}
        self.fields["token"].required = False
        self["token"].help_text = _CARRIED

    def clean(self) -> dict[str, Any]:
        """Take the token that an earlier form carries, unless another was entered."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("encrypted_token") and not data.get("token") and "token" in data:
            try:
                encrypted = base64.b64decode(data["encrypted_token"], validate=True)
                data["token"] = decrypt(
                    encrypted, associated_data=self._associated_data
                )
            except (SecretUnreadable, binascii.Error):
                self.add_error("token", "Enter the token again.")
        return data

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
