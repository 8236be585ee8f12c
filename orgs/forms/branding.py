"""The form of a white label's branding, with an upload that survives a preview."""

import base64
import binascii
from typing import Any

from django import forms

from orgs.commands.branding import hash_of
from orgs.images import LARGEST_FILE, TYPES, Image, ImageRefused, read_image
from orgs.models.fields import validate_text
from orgs.models.white_labels import validate_accent_color
from orgs.web.edits import EditForm

_TOO_LARGE = "The file is larger than 200 kB. Choose a smaller image."


class BrandingForm(EditForm):
    """Logo, accent color, and sender; `logo` is the new image, or None.

    A file is not sent again after a preview, so that `upload` repeats it as text.
    """

    logo_file = forms.FileField(
        required=False,
        label="Logo",
        widget=forms.FileInput({"accept": ",".join(TYPES)}),
        help_text="PNG, JPEG, or WebP with up to 200 kB and 16 to 2,000 pixels a side."
        " PNG and JPEG are shown by all email clients. SVG is not accepted: it can have"
        " scripts.",
        error_messages={"empty": "The file is empty. Choose an image."},
    )
    removes_logo = forms.BooleanField(required=False, label="Remove the logo")
    accent_color = forms.CharField(
        required=False,
        max_length=7,
        help_text="Behind white text in headers and buttons, such as #3a49d6. Empty for"
        " the standard colors.",
    )
    sender_name = forms.CharField(
        required=False,
        max_length=100,
        validators=[validate_text],
        help_text="Shown as the sender of emails to customers. The address stays that"
        " of the installation. Empty for its name.",
    )
    reply_to = forms.EmailField(
        required=False,
        max_length=254,
        label="Reply-to address",
        help_text="Answers to emails to customers go there. Empty for the sender.",
    )
    upload = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logo: Image | None = None
        if not self.values["logo_sha256"]:
            self.fields["removes_logo"].widget = forms.HiddenInput()

    def clean_accent_color(self) -> str:
        color: str = self.cleaned_data["accent_color"].lower()
        if color:
            validate_accent_color(color)
        return color

    def clean(self) -> dict[str, Any]:
        """Read the upload, and state the hash that the logo would have."""
        data = super().clean() or self.cleaned_data
        self._read_logo(data)
        if self.logo is not None and data.get("removes_logo"):
            self.add_error("removes_logo", "Choose a new logo, or remove it: not both.")
        current = "" if data.get("removes_logo") else self.values["logo_sha256"]
        data["logo_sha256"] = hash_of(self.logo) if self.logo else current
        return data

    def _read_logo(self, data: dict[str, Any]) -> None:
        """Keep a good image in the form's own data; a bad one is forgotten."""
        file, upload = data.get("logo_file"), data.get("upload", "")
        if "logo_file" in self.errors or not (file or upload):
            return
        try:
            self.logo = read_image(_bytes_of(file, upload))
        except ImageRefused as error:
            self.add_error("logo_file", str(error))
        text = base64.b64encode(self.logo.data).decode() if self.logo else ""
        self.data = {**dict(self.data.items()), "upload": text}


def _bytes_of(file: Any, upload: str) -> bytes:
    """Return the new file, or the one of the preview; reads no more than is allowed."""
    if file:
        if file.size > LARGEST_FILE:
            raise ImageRefused(_TOO_LARGE)
        return bytes(file.read())
    try:
        return base64.b64decode(upload, validate=True)
    except (ValueError, binascii.Error):
        raise ImageRefused("Choose the file again.") from None
